// The batches among the caller's latest jobs. Those that one import or one call of a client has sent are shown together.

const MAX_BATCHES = 1000; // that are remembered
const COUNTED_AT_ONCE = 4; // batches
const RECENT = 15; // seconds after its last batch in which an import may send another one
const KEY_OF_SEVERAL = /^(import-[0-9a-f]{24}|[0-9a-f-]{36})-(\d+)(-\d+)?[ab]*$/;
const batches = new Map(); // by id: {id, at, done, size, counts, key}; without counts before it is read, or if it has expired
let olderJobs; // the path of the next page of older jobs

$("running").tBodies[0].before($("batches").tHead.cloneNode(true));

function noteBatches(jobs) {
  for (const { links, created_at: at } of jobs) {
    const id = links?.batch?.slice("/batches/".length);
    if (id && !batches.has(id) && batches.size < MAX_BATCHES) batches.set(id, { id, at });
  }
}

// Read some of the batches that have not ended as far as it is known: the newest ones for the first time, then the oldest.
async function countBatches() {
  const open = [...batches.values()].filter(({ done }) => !done).sort((one, other) => one.at < other.at ? 1 : -1);
  const some = [...open.filter(({ counts }) => !counts), ...open.filter(({ counts }) => counts).reverse()].slice(0, COUNTED_AT_ONCE);
  await Promise.all(some.map(async (batch) => {
    try {
      const { done, size, counts, idempotency_key: key = "" } = JSON.parse((await call("GET", `batches/${batch.id}`)).text);
      Object.assign(batch, { done, size, counts, key });
    } catch (error) {
      if (error.status !== 404) throw error;
      batch.done = true;
    }
  }));
  return open.length;
}

// Return the imports and the other batches, the latest first.
function sendings() {
  const found = new Map();
  for (const batch of batches.values()) {
    if (!batch.counts) continue;
    const [, series, number] = KEY_OF_SEVERAL.exec(batch.key) ?? [], id = series ?? batch.id;
    const each = found.get(id) ?? { id, key: series ?? batch.key, several: Boolean(series), batches: 0, sent: 0, size: 0, counts: {}, from: batch.at, last: batch };
    found.set(id, each);
    each.batches += 1;
    each.sent = Math.max(each.sent, Number(number ?? 0) + 1);
    each.size += batch.size;
    for (const status of STATES) each.counts[status] = (each.counts[status] ?? 0) + batch.counts[status];
    if (batch.at < each.from) each.from = batch.at;
    if (batch.at > each.last.at) each.last = batch;
    each.isRunning ||= !batch.done || each.several && serverNow() - Date.parse(batch.at) < 1000 * RECENT;
  }
  return [...found.values()].sort((one, other) => one.last.at < other.last.at ? 1 : -1);
}

const amount = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

function sendingRow({ id, key, several, batches: known, sent, size, counts, from, last, isRunning }) {
  const state = isRunning ? "running" : "ended";
  const seconds = (Date.parse(last.at) - Date.parse(from)) / 1000;
  const title = several ? `${amount(size, "row", "rows")} in ${amount(known, "batch", "batches")}` : amount(size, "command", "commands");
  const pace = known > 2 && seconds > 1 ? `, ${Math.round(size / seconds).toLocaleString("en")} a second` : "";
  const texts = [STATES.filter((status) => counts[status]).map((status) => `${counts[status].toLocaleString("en")} ${status}`).join(", "), known < sent ? `These are ${known} of the ${amount(sent, "batch", "batches")} that it has sent.` : "", key];
  return { id, cells: [
    [state, () => el("span", { class: `badge ${isRunning ? "queued" : counts.failed + counts.refused ? "failed" : "succeeded"}` }, state)],
    [title + pace + texts, () => [el("a", { href: `#/batches/${last.id}` }, title), pace, sharesOf(counts, size), ...texts.map((text) => el("small", {}, bdi(text)))]],
    [last.at, () => when(last.at)],
  ] };
}

function renderSendings() {
  const all = sendings(), running = all.filter(({ isRunning }) => isRunning);
  fill($("running"), running.slice(0, 5).map(sendingRow));
  show("running-part", running.length > 0);
  fill($("batches"), all.map(sendingRow));
  show("batches-empty", all.length === 0);
  show("batches-more", Boolean(olderJobs));
}

async function readBatches() {
  try {
    const { path } = await readJobs();
    if (olderJobs === undefined) olderJobs = path;
    const open = await countBatches();
    setText("batches-text", "None among your latest jobs.");
    renderSendings();
    return open ? LIVE_PAUSE : LIST_PAUSE;
  } catch (error) {
    setText("batches-text", messageOf(error));
    throw error;
  }
}

const batchesPoll = repeat(async () => isShown("batches") && !openBatch ? readBatches() : 1);

on($("batches-more"), "click", (event) => whileBusy(event.currentTarget, async () => {
  const answer = await call("GET", olderJobs).catch((error) => announce(messageOf(error)));
  if (!answer) return;
  olderJobs = nextPage(answer.headers);
  noteBatches(JSON.parse(answer.text));
  batchesPoll.soon();
}));
