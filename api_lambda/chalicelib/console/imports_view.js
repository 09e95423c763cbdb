// The batches among the caller's latest jobs. Those that one import or one call of a client has sent are shown together.

const MAX_BATCHES = 1000; // that are remembered
const COUNTED_AT_ONCE = 4; // batches
const RECENT = 15_000; // milliseconds after its last batch in which an import may send another one
const MAX_LINKS = 30; // to the batches of an import
const KEY_OF_SEVERAL = /^(import-[0-9a-f]{24}|[0-9a-f-]{36})-(\d+)(-\d+)?[ab]*$/;
const batches = new Map(); // by id: {id, at, done, endedAt, size, counts, key, name}; without counts before it is read, or if it has expired
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
      const { done, size, counts, name, idempotency_key: key = "" } = await read(`batches/${batch.id}`);
      // A batch that had not ended has ended now, as far as it is known.
      const endedAt = done ? batch.counts ? serverNow() : Date.parse(batch.at) : 0;
      Object.assign(batch, { done, endedAt, size, counts, key, name });
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
    const each = found.get(id) ?? { id, name: batch.name ?? series ?? batch.key, isImport: Boolean(series), parts: [], size: 0, counts: {}, last: batch.at, endedAt: 0 };
    found.set(id, each);
    each.parts.push({ ...batch, number: Number(number ?? 0) + 1 });
    each.size += batch.size;
    for (const status of STATES) each.counts[status] = (each.counts[status] ?? 0) + batch.counts[status];
    if (batch.at > each.last) each.last = batch.at;
    each.endedAt = Math.max(each.endedAt, batch.endedAt ?? 0, series ? Date.parse(batch.at) + RECENT : 0);
    each.isRunning ||= !batch.done;
  }
  for (const each of found.values()) each.isRunning ||= serverNow() < each.endedAt;
  return [...found.values()].sort((one, other) => one.last < other.last ? 1 : -1);
}

function sendingRow({ id, name, isImport, parts, size, counts, last, isRunning }) {
  const sent = Math.max(...parts.map(({ number }) => number)), isAll = parts.length >= sent;
  const title = `${isAll ? "" : "at least "}${digits(size)} ${isImport ? "row" : "command"}${size === 1 ? "" : "s"}${isImport ? isRunning ? " sent so far" : " sent" : ""}`;
  const texts = [OUTCOMES.filter((status) => counts[status]).map((status) => `${digits(counts[status])} ${status}`).join(", "),
    isAll ? "" : `This counts ${digits(parts.length)} of its ${digits(sent)} batches.`, name].filter(Boolean);
  // How many rows an import will send is not known: it has no bar.
  return { id, cells: [
    [`${isRunning} ${counts.failed + counts.refused}`, () => batchBadge(!isRunning, counts)],
    [toJson([title, counts, parts.length, texts]), () => [parts.length > 1 ? title : el("a", { href: `#/batches/${parts[0].id}` }, title), ...isImport ? [] : [sharesOf(counts, size)], ...texts.map((text) => el("small", {}, bdi(text))), ...parts.length > 1 && parts.length <= MAX_LINKS ? [linksTo(parts)] : []]],
    [last, () => when(last)],
  ] };
}

const linksTo = (parts) => el("small", {}, "Batches: ", ...parts.sort((one, other) => one.number - other.number).flatMap(({ id, number }) => [el("a", { href: `#/batches/${id}` }, number), " "]));

function renderSendings() {
  const all = sendings(), latest = all.filter(({ isRunning, endedAt }) => isRunning || serverNow() < endedAt + MINUTE);
  fill($("running"), latest.slice(0, 5).map(sendingRow));
  show("running-part", latest.length > 0);
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
  const [jobs, next] = await readPage(olderJobs).catch((error) => [announce(messageOf(error)), olderJobs]);
  if (!jobs) return;
  olderJobs = next;
  noteBatches(jobs);
  batchesPoll.soon();
}));
