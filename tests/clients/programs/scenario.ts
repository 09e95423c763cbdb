// The requests of all TypeScript programs; each program implements `Calls` with its client.
// The environment has URL, KEY, NAME, FAILED and CANCELLED.

import assert from "node:assert/strict";

export interface Answer {
  status: number;
  body: any; // the JSON of the answer
}

export type Writing = { idempotencyKey?: string; prefer?: string; ifMatch?: string };

export interface Calls {
  index(): Promise<Answer>;
  health(): Promise<Answer>;
  openapi(): Promise<Answer>;
  docs(): Promise<Answer>;
  console(): Promise<Answer>;
  getStats(): Promise<Answer>;
  createItem(item: { name: string; description: string; [more: string]: unknown }, how: Writing): Promise<Answer>;
  listItems(limit: number): Promise<Answer>;
  listItemsWithoutKey(): Promise<Answer>;
  getItem(id: string): Promise<Answer>;
  putItem(id: string, fields: { description: string }, how: Writing): Promise<Answer>;
  patchItem(id: string, patch: { [more: string]: unknown }, how: Writing): Promise<Answer>;
  deleteItem(id: string, how: Writing): Promise<Answer>;
  submitJob(command: Command, how: Writing): Promise<Answer>;
  listJobs(status: "failed" | "retrying"): Promise<Answer>;
  getJob(id: string, wait: number): Promise<Answer>;
  cancelJob(id: string): Promise<Answer>;
  dismissJob(id: string): Promise<Answer>;
  retryJob(id: string): Promise<Answer>;
  submitBatch(commands: Command[]): Promise<Answer>;
  getBatch(id: string): Promise<Answer>;
  cancelBatch(id: string): Promise<Answer>;
  retryBatch(id: string): Promise<Answer>;
  createWebhook(webhook: NewWebhook, idempotencyKey: string): Promise<Answer>;
  listWebhooks(): Promise<Answer>;
  getWebhook(id: string): Promise<Answer>;
  changeWebhook(id: string, changes: { paused: boolean }): Promise<Answer>;
  deleteWebhook(id: string): Promise<Answer>;
  rotateSecret(id: string): Promise<Answer>;
  testWebhook(id: string): Promise<Answer>;
  listDeliveries(id: string, limit: number): Promise<Answer>;
  replayDelivery(id: string, event: string): Promise<Answer>;
  replayDeliveries(id: string, since: string): Promise<Answer>;
}

export type NewWebhook = { url: string; events: "job.ended"[]; collections: "items"[] };

export type Command =
  | { operation: "create"; item: { name: string; description: string; [more: string]: unknown } }
  | { operation: "read"; item_id: string }
  | { operation: "update"; item_id: string; set: { [more: string]: unknown }; if_match?: string | null }
  | { operation: "update"; item_id: string; merge: { [more: string]: unknown }; if_match?: string | null }
  | { operation: "delete"; item_id: string; if_match?: string | null };

export const URL = process.env.URL!;
export const KEY = process.env.KEY!;
const name = process.env.NAME!;
const PROBLEM = "urn:jobpipe:problem:";
const MORE = { price: 12.95, size: { width: 140 }, tags: ["a", null], gone: true };
const WAITING = { prefer: "wait=20" };

export async function main(calls: Calls): Promise<void> {
  const ended = async (job: any): Promise<any> => {
    for (let n = 0; n < 60 && !job.done; n++) job = bodyOf(await calls.getJob(job.id, 10));
    assert.ok(job.done, JSON.stringify(job));
    return job;
  };
  const result = async (answer: Answer): Promise<any> =>
    answer.status === 202 ? (await ended(answer.body)).result : bodyOf(answer);

  const root = bodyOf(await calls.index());
  assert.deepEqual([root.name, root.links.items], ["jobpipe", "/items"]);
  assert.equal(bodyOf(await calls.health()).status, "ok");
  assert.match(bodyOf(await calls.openapi()).openapi, /^3\.1/);
  for (const page of [calls.docs, calls.console]) assert.match(bodyOf(await page()), /<html/);
  assert.equal(bodyOf(await calls.getStats()).dead_letters, 0);

  // items
  const item = { name, description: "For two", ...MORE };
  const accepted = await calls.createItem(item, { idempotencyKey: name });
  assert.equal(accepted.status, 202);
  assert.equal((await calls.createItem(item, { idempotencyKey: name })).body.id, accepted.body.id);
  const job = await ended(accepted.body);
  const id = job.item_id;
  assert.deepEqual(job.result, { id, ...item });
  assert.deepEqual(bodyOf(await calls.getItem(id)), { id, ...item });
  assert.ok(bodyOf(await calls.listItems(100)).some((each: any) => each.id === id));
  const fields = { description: "For three" };
  const changed = await result(await calls.putItem(id, fields, { ...WAITING, ifMatch: job.etag }));
  assert.equal(changed.description, "For three");
  const late = await calls.putItem(id, fields, { ...WAITING, ifMatch: job.etag });
  const refusal = late.status === 202 ? (await ended(late.body)).error : late.body;
  assert.equal(refusal.type, `${PROBLEM}version-mismatch`);
  const patched = await result(await calls.patchItem(id, { gone: null, size: { height: 90 } }, WAITING));
  assert.deepEqual(patched.size, { width: 140, height: 90 });
  assert.ok(!("gone" in patched));
  assert.deepEqual(await result(await calls.deleteItem(id, WAITING)), { message: "Item deleted" });

  // commands
  const done = async (command: Command): Promise<any> => result(await calls.submitJob(command, WAITING));
  const made = await done({ operation: "create", item: { name: `${name}, a command`, description: "x", ...MORE } });
  const item_id = made.id;
  assert.equal(made.price, 12.95);
  const set = { name: `${name}, set` };
  assert.equal((await done({ operation: "update", item_id, set })).name, set.name);
  assert.ok(!("gone" in (await done({ operation: "update", item_id, merge: { gone: null } }))));
  assert.equal((await done({ operation: "read", item_id })).name, set.name);
  assert.deepEqual(await done({ operation: "delete", item_id }), { message: "Item deleted" });

  // batches
  const missingItem = { item_id: "no-such-item" };
  const commands: Command[] = [
    { operation: "create", item: { name: `${name}, a batch`, description: "x" } },
    { operation: "read", ...missingItem },
    { operation: "update", set: { description: "x" }, ...missingItem },
    { operation: "update", merge: {}, if_match: null, ...missingItem },
    { operation: "delete", if_match: '"0"', ...missingItem },
  ];
  let batch = bodyOf(await calls.submitBatch(commands));
  for (let n = 0; n < 600 && !batch.done; n++) {
    await ended(batch.entries.find((entry: any) => !entry.job.done).job);
    batch = bodyOf(await calls.getBatch(batch.id));
  }
  assert.deepEqual([batch.counts.succeeded, batch.counts.failed], [1, 4]);
  bodyOf(await calls.getBatch(batch.id));
  const retriedBatch = await calls.retryBatch(batch.id);
  assert.equal(retriedBatch.status, 202);
  assert.equal(bodyOf(retriedBatch).counts.succeeded, 1);
  const left = bodyOf(await calls.cancelBatch(batch.id)).entries[0];
  assert.deepEqual([left.job.status, left.unchanged.type], ["succeeded", `${PROBLEM}job-ended`]);
  // The schema does not exclude this invisible character, since it covers only the basic plane.
  const invisible: Command = { operation: "create", item: { name: `${name}\u{e0041}`, description: "x" } };
  const [, refused] = bodyOf(await calls.submitBatch([commands[1], invisible])).entries;
  assert.equal(refused.problem.status, 400);

  // dismiss, retry and cancel
  const failed = process.env.FAILED!;
  assert.ok(bodyOf(await calls.listJobs("failed")).some((each: any) => each.id === failed));
  assert.ok(bodyOf(await calls.dismissJob(failed)).dismissed_at);
  const retried = await calls.retryJob(failed); // it fails again, and is listed again
  assert.equal(retried.status, 202);
  assert.equal((await ended(retried.body)).status, "failed");
  assert.equal(bodyOf(await calls.cancelJob(process.env.CANCELLED!)).status, "cancelled");

  // webhooks
  const url = `https://receiver.example/${name}`;
  const webhook: NewWebhook = { url, events: ["job.ended"], collections: ["items"] };
  const created = await calls.createWebhook(webhook, name);
  assert.equal(created.status, 201);
  assert.match(created.body.secret, /^whsec_/);
  const hook = created.body.id;
  assert.equal((await calls.createWebhook(webhook, name)).body.secret, created.body.secret);
  assert.ok(bodyOf(await calls.listWebhooks()).some((each: any) => each.id === hook));
  const paused = bodyOf(await calls.changeWebhook(hook, { paused: true }));
  assert.deepEqual([paused.paused, paused.url, paused.failing_since], [true, url, null]);
  assert.deepEqual(bodyOf(await calls.getWebhook(hook)).collections, ["items"]);
  const { event } = bodyOf(await calls.testWebhook(hook));
  assert.ok(bodyOf(await calls.listDeliveries(hook, 10)).some((each: any) => each.event === event));
  assert.equal(bodyOf(await calls.replayDelivery(hook, event)).event, event);
  assert.ok(bodyOf(await calls.replayDeliveries(hook, "2026-11-22T20:57:44Z")).since);
  assert.notEqual(bodyOf(await calls.rotateSecret(hook)).secret, created.body.secret);
  assert.equal(bodyOf(await calls.deleteWebhook(hook)).message, "Webhook deleted");

  // refusals
  const withId = await calls.createItem({ id: "mine", name: "x", description: "x" }, {});
  assert.deepEqual([withId.status, withId.body.type], [400, `${PROBLEM}invalid-request`]);
  const missing = await calls.getItem("no-such-item");
  assert.deepEqual([missing.status, missing.body.type], [404, `${PROBLEM}not-found`]);
  assert.equal((await calls.listItemsWithoutKey()).status, 403);
}

function bodyOf(answer: Answer): any {
  assert.ok(answer.status < 300, JSON.stringify(answer));
  return answer.body;
}
