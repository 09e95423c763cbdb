// Every operation with the client that openapi-generator makes for typescript-fetch.

import {
  ApiResponse,
  BatchesApi,
  BatchToJSON,
  Command as Made,
  Configuration,
  DeletedFromJSON,
  DeletedToJSON,
  EventOnItsWayToJSON,
  ItemFromJSON,
  ItemsApi,
  ItemToJSON,
  JobFromJSON,
  JobsApi,
  JobToJSON,
  ReplayToJSON,
  ResponseError,
  ServiceApi,
  StatsToJSON,
  WebhookDeletedToJSON,
  WebhookDeliveryToJSON,
  WebhooksApi,
  WebhookToJSON,
  WebhookWithSecretToJSON,
} from "./made";
import { Answer, Command, KEY, URL, main } from "./scenario";

const anyone = new Configuration({ basePath: URL });
const caller = new Configuration({ basePath: URL, apiKey: KEY });
const [service, items, jobs, batches] = [ServiceApi, ItemsApi, JobsApi, BatchesApi].map((api) => new api(caller)) as [
  ServiceApi,
  ItemsApi,
  JobsApi,
  BatchesApi,
];
const webhooks = new WebhooksApi(caller);
const open = new ServiceApi(anyone);

// The body is decoded by the client and encoded again, so that the checks find what it loses.
async function of<T>(request: Promise<ApiResponse<T>>, encode: (value: T) => unknown = (value) => value): Promise<Answer> {
  try {
    const answer = await request;
    return { status: answer.raw.status, body: encode(await answer.value()) };
  } catch (error) {
    return refused(error);
  }
}

// The client has one type for all successful answers of an operation, so the status decides how the body is decoded.
async function written(request: Promise<ApiResponse<unknown>>): Promise<Answer> {
  try {
    const { raw } = await request;
    const json = await raw.json();
    if (raw.status === 202) return { status: 202, body: JobToJSON(JobFromJSON(json)) };
    const body = "message" in json ? DeletedToJSON(DeletedFromJSON(json)) : ItemToJSON(ItemFromJSON(json));
    return { status: raw.status, body };
  } catch (error) {
    return refused(error);
  }
}

async function refused(error: unknown): Promise<Answer> {
  if (!(error instanceof ResponseError)) throw error;
  return { status: error.response.status, body: await error.response.json() };
}

// Return the command with the client's names, such as itemId.
function renamed(command: Command): Made {
  if (command.operation === "create") return command;
  const { item_id: itemId, ...rest } = command;
  if (!("if_match" in rest)) return { itemId, ...rest } as Made;
  const { if_match: ifMatch, ...others } = rest;
  return { itemId, ifMatch, ...others } as Made;
}

main({
  index: () => of(open.indexRaw()),
  health: () => of(open.healthRaw()),
  openapi: () => of(open.openapiRaw()),
  docs: () => of(open.docsRaw()),
  console: () => of(open.consoleRaw()),
  getStats: () => of(service.getStatsRaw(), StatsToJSON),
  createItem: (newItem, how) => written(items.createItemRaw({ newItem, ...how })),
  listItems: (limit) => of(items.listItemsRaw({ limit }), (several) => several.map(ItemToJSON)),
  listItemsWithoutKey: () => of(new ItemsApi(anyone).listItemsRaw({})),
  getItem: (itemId) => of(items.getItemRaw({ itemId }), ItemToJSON),
  putItem: (itemId, fieldsToSet, how) => written(items.putItemRaw({ itemId, fieldsToSet, ...how })),
  patchItem: (itemId, mergePatch, how) => written(items.patchItemRaw({ itemId, mergePatch, ...how })),
  deleteItem: (itemId, how) => written(items.deleteItemRaw({ itemId, ...how })),
  submitJob: (command, how) => written(jobs.submitJobRaw({ command: renamed(command), ...how })),
  listJobs: (status) => of(jobs.listJobsRaw({ status, limit: 100 }), (several) => several.map(JobToJSON)),
  getJob: (jobId, wait) => of(jobs.getJobRaw({ jobId, wait }), JobToJSON),
  cancelJob: (jobId) => of(jobs.cancelJobRaw({ jobId }), JobToJSON),
  dismissJob: (jobId) => of(jobs.dismissJobRaw({ jobId }), JobToJSON),
  retryJob: (jobId) => written(jobs.retryJobRaw({ jobId })),
  submitBatch: (commands) => of(batches.submitBatchRaw({ newBatch: { commands: commands.map(renamed) } }), BatchToJSON),
  getBatch: (batchId) => of(batches.getBatchRaw({ batchId }), BatchToJSON),
  cancelBatch: (batchId) => of(batches.cancelBatchRaw({ batchId }), BatchToJSON),
  retryBatch: (batchId) => of(batches.retryBatchRaw({ batchId }), BatchToJSON),
  createWebhook: ({ url, events, collections }, idempotencyKey) =>
    of(
      webhooks.createWebhookRaw({
        newWebhook: { url, events: new Set(events), collections: new Set(collections) },
        idempotencyKey,
      }),
      WebhookWithSecretToJSON,
    ),
  listWebhooks: () => of(webhooks.listWebhooksRaw(), (several) => several.map(WebhookToJSON)),
  getWebhook: (webhookId) => of(webhooks.getWebhookRaw({ webhookId }), WebhookToJSON),
  changeWebhook: (webhookId, webhookChanges) =>
    of(webhooks.changeWebhookRaw({ webhookId, webhookChanges }), WebhookToJSON),
  deleteWebhook: (webhookId) => of(webhooks.deleteWebhookRaw({ webhookId }), WebhookDeletedToJSON),
  rotateSecret: (webhookId) => of(webhooks.rotateSecretRaw({ webhookId }), WebhookWithSecretToJSON),
  testWebhook: (webhookId) => of(webhooks.testWebhookRaw({ webhookId }), EventOnItsWayToJSON),
  listDeliveries: (webhookId, limit) =>
    of(webhooks.listDeliveriesRaw({ webhookId, limit }), (several) => several.map(WebhookDeliveryToJSON)),
  replayDelivery: (webhookId, eventId) =>
    of(webhooks.replayDeliveryRaw({ webhookId, eventId }), EventOnItsWayToJSON),
  replayDeliveries: (webhookId, since) =>
    of(webhooks.replayDeliveriesRaw({ webhookId, replay: { since: new Date(since) } }), ReplayToJSON),
});
