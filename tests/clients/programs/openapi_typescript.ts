// Every operation with openapi-fetch and the types that openapi-typescript makes.

import createClient from "openapi-fetch";
import type { paths } from "./made/schema";
import { Answer, KEY, URL, Writing, main } from "./scenario";

const anyone = createClient<paths>({ baseUrl: URL });
const caller = createClient<paths>({ baseUrl: URL, headers: { "x-api-key": KEY } });

async function of(request: Promise<{ data?: unknown; error?: unknown; response: Response }>): Promise<Answer> {
  const { data, error, response } = await request;
  return { status: response.status, body: data ?? error };
}

const headers = (how: Writing) => ({
  ...(how.idempotencyKey !== undefined && { "Idempotency-Key": how.idempotencyKey }),
  ...(how.prefer !== undefined && { Prefer: how.prefer }),
  ...(how.ifMatch !== undefined && { "If-Match": how.ifMatch }),
});
const item = (item_id: string) => ({ item_id });
const job = (job_id: string) => ({ job_id });
const webhook = (webhook_id: string) => ({ params: { path: { webhook_id } } });
const text = { parseAs: "text" } as const;

main({
  index: () => of(anyone.GET("/")),
  health: () => of(anyone.GET("/health")),
  openapi: () => of(anyone.GET("/openapi.json")),
  docs: () => of(anyone.GET("/docs", text)),
  console: () => of(anyone.GET("/console", text)),
  getStats: () => of(caller.GET("/stats")),
  createItem: (body, how) => of(caller.POST("/items", { body, params: { header: headers(how) } })),
  listItems: (limit) => of(caller.GET("/items", { params: { query: { limit } } })),
  listItemsWithoutKey: () => of(anyone.GET("/items")),
  getItem: (id) => of(caller.GET("/items/{item_id}", { params: { path: item(id) } })),
  putItem: (id, body, how) =>
    of(caller.PUT("/items/{item_id}", { body, params: { path: item(id), header: headers(how) } })),
  patchItem: (id, body, how) =>
    of(caller.PATCH("/items/{item_id}", { body, params: { path: item(id), header: headers(how) } })),
  deleteItem: (id, how) => of(caller.DELETE("/items/{item_id}", { params: { path: item(id), header: headers(how) } })),
  submitJob: (body, how) => of(caller.POST("/jobs", { body, params: { header: headers(how) } })),
  listJobs: (status) => of(caller.GET("/jobs", { params: { query: { status, limit: 100 } } })),
  getJob: (id, wait) => of(caller.GET("/jobs/{job_id}", { params: { path: job(id), query: { wait } } })),
  cancelJob: (id) => of(caller.DELETE("/jobs/{job_id}", { params: { path: job(id) } })),
  dismissJob: (id) => of(caller.POST("/jobs/{job_id}/dismiss", { params: { path: job(id) } })),
  retryJob: (id) => of(caller.POST("/jobs/{job_id}/retry", { params: { path: job(id) } })),
  submitBatch: (commands) => of(caller.POST("/batches", { body: { commands } })),
  getBatch: (batch_id) => of(caller.GET("/batches/{batch_id}", { params: { path: { batch_id } } })),
  cancelBatch: (batch_id) => of(caller.DELETE("/batches/{batch_id}", { params: { path: { batch_id } } })),
  retryBatch: (batch_id) => of(caller.POST("/batches/{batch_id}/retry", { params: { path: { batch_id } } })),
  createWebhook: (body, key) =>
    of(caller.POST("/webhooks", { body, params: { header: { "Idempotency-Key": key } } })),
  listWebhooks: () => of(caller.GET("/webhooks")),
  getWebhook: (id) => of(caller.GET("/webhooks/{webhook_id}", webhook(id))),
  changeWebhook: (id, body) => of(caller.PATCH("/webhooks/{webhook_id}", { body, ...webhook(id) })),
  deleteWebhook: (id) => of(caller.DELETE("/webhooks/{webhook_id}", webhook(id))),
  rotateSecret: (id) => of(caller.POST("/webhooks/{webhook_id}/rotate", webhook(id))),
  testWebhook: (id) => of(caller.POST("/webhooks/{webhook_id}/test", webhook(id))),
  listDeliveries: (webhook_id, limit) =>
    of(caller.GET("/webhooks/{webhook_id}/deliveries", { params: { path: { webhook_id }, query: { limit } } })),
  replayDelivery: (webhook_id, event_id) =>
    of(
      caller.POST("/webhooks/{webhook_id}/deliveries/{event_id}/replay", {
        params: { path: { webhook_id, event_id } },
      }),
    ),
  replayDeliveries: (id, since) =>
    of(caller.POST("/webhooks/{webhook_id}/replay", { body: { since }, ...webhook(id) })),
});
