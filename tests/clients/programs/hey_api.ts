// Every operation with the client that @hey-api/openapi-ts makes.

import * as made from "./made";
import { createClient } from "./made/client";
import { Answer, KEY, URL, Writing, main } from "./scenario";

const client = createClient({ baseUrl: URL });
const caller = { client, auth: KEY };

async function of(request: Promise<{ data?: unknown; error?: unknown; response?: Response }>): Promise<Answer> {
  const { data, error, response } = await request;
  if (response === undefined) throw error;
  return { status: response.status, body: data ?? error };
}

const headers = (how: Writing) => ({
  "Idempotency-Key": how.idempotencyKey,
  Prefer: how.prefer,
  "If-Match": how.ifMatch,
});
const item = (item_id: string) => ({ ...caller, path: { item_id } });
const job = (job_id: string) => ({ ...caller, path: { job_id } });
const webhook = (webhook_id: string) => ({ ...caller, path: { webhook_id } });

main({
  index: () => of(made.index({ client })),
  health: () => of(made.health({ client })),
  openapi: () => of(made.openapi({ client })),
  docs: () => of(made.docs({ client })),
  console: () => of(made.console_({ client })),
  getStats: () => of(made.getStats(caller)),
  createItem: (body, how) => of(made.createItem({ ...caller, body, headers: headers(how) })),
  listItems: (limit) => of(made.listItems({ ...caller, query: { limit } })),
  listItemsWithoutKey: () => of(made.listItems({ client })),
  getItem: (id) => of(made.getItem(item(id))),
  putItem: (id, body, how) => of(made.putItem({ ...item(id), body, headers: headers(how) })),
  patchItem: (id, body, how) => of(made.patchItem({ ...item(id), body, headers: headers(how) })),
  deleteItem: (id, how) => of(made.deleteItem({ ...item(id), headers: headers(how) })),
  submitJob: (body, how) => of(made.submitJob({ ...caller, body, headers: headers(how) })),
  listJobs: (status) => of(made.listJobs({ ...caller, query: { status, limit: 100 } })),
  getJob: (id, wait) => of(made.getJob({ ...job(id), query: { wait } })),
  cancelJob: (id) => of(made.cancelJob(job(id))),
  dismissJob: (id) => of(made.dismissJob(job(id))),
  retryJob: (id) => of(made.retryJob(job(id))),
  submitBatch: (commands) => of(made.submitBatch({ ...caller, body: { commands } })),
  getBatch: (batch_id) => of(made.getBatch({ ...caller, path: { batch_id } })),
  cancelBatch: (batch_id) => of(made.cancelBatch({ ...caller, path: { batch_id } })),
  retryBatch: (batch_id) => of(made.retryBatch({ ...caller, path: { batch_id } })),
  createWebhook: (body, key) => of(made.createWebhook({ ...caller, body, headers: { "Idempotency-Key": key } })),
  listWebhooks: () => of(made.listWebhooks(caller)),
  getWebhook: (id) => of(made.getWebhook(webhook(id))),
  changeWebhook: (id, body) => of(made.changeWebhook({ ...webhook(id), body })),
  deleteWebhook: (id) => of(made.deleteWebhook(webhook(id))),
  rotateSecret: (id) => of(made.rotateSecret(webhook(id))),
  testWebhook: (id) => of(made.testWebhook(webhook(id))),
  listDeliveries: (id, limit) => of(made.listDeliveries({ ...webhook(id), query: { limit } })),
  replayDelivery: (webhook_id, event_id) => of(made.replayDelivery({ ...caller, path: { webhook_id, event_id } })),
  replayDeliveries: (id, since) => of(made.replayDeliveries({ ...webhook(id), body: { since } })),
});
