// All of the caller's jobs, newest first, where the stage keeps a list of them.

const LIVE_PAUSE = 2; // while jobs are accepted or end
const QUIET_AFTER = 20; // seconds without that
const ROWS = 15, MAX_ROWS = 500;
let live = [], liveShown = [], liveRows = ROWS, liveHasMore = false, listIsOff = false, liveChange = { of: "", at: 0 };

const isListOff = (error) => /:job-list-off$/.test(error.type);
const liveFilters = () => ["status", "collection", "since"].map((name) => [name, $(`live-${name}`).value]).filter(([, text]) => text);
// Whether the reader points at a row, or is in it with the keyboard: then the rows stay where they are.
const isHeld = () => liveShown.length > 0 && $("live").matches(matchMedia("(hover:hover)").matches ? ":hover,:focus-within" : ":focus-within");
const liveRow = (job) => ({ id: job.id, cells: cellsOf(job) });

function livePath(filters) {
  const query = filters.map(([name, text]) => [name, name === "since" ? new Date(serverNow() - 3_600_000 * text).toISOString() : text]);
  return `jobs?${new URLSearchParams([...query, ["limit", PAGE_OF_JOBS]])}`;
}

async function readLive() {
  const filters = liveFilters(), wanted = toJson(filters);
  try {
    const latest = await readJobs();
    noteChange(latest.found);
    renderThroughput();
    await countBatches();
    renderSendings();
    let found = latest.found, path = latest.path;
    if (filters.length) [found, path] = [[], livePath(filters)];
    for (let page = 0; page < MAX_ROWS / PAGE_OF_JOBS && path && found.length < liveRows; page += 1) {
      const [jobs, next] = await readPage(path);
      found = found.concat(jobs);
      path = next;
    }
    if (wanted !== toJson(liveFilters())) return 0;
    live = found.slice(0, Math.min(liveRows, MAX_ROWS));
    liveHasMore = liveRows < MAX_ROWS && (found.length > live.length || path !== null);
    put($("live-text"), ...!filters.length ? ["You have no jobs yet. ", el("a", { href: $("nav-send").hash }, "Send a command")] : [path ? "None of the latest jobs. Show more looks further." : "You have no such jobs."]);
    setText("live-error", "");
    renderLive();
    // A reading that began before the view was entered is not current.
    if (livePoll.due) $("view-jobs").classList.remove("old");
    return filters.length || liveRows > ROWS || serverNow() - liveChange.at > 1000 * QUIET_AFTER ? LIST_PAUSE : LIVE_PAUSE;
  } catch (error) {
    listIsOff = isListOff(error);
    renderOff();
    if (listIsOff) return STATS_PAUSE_REFUSED;
    if (error.status) setText("live-error", messageOf(error));
    throw error;
  }
}

// Read at once. Until the reading has ended, the view is marked as old.
function enterLive() {
  $("view-jobs").classList.add("old");
  livePoll.soon();
}

function noteChange(found) {
  const of = found.map((job) => `${job.id}${job.status}${job.updated_at}`).join();
  if (of !== liveChange.of) liveChange = { of, at: found.length ? Math.max(...found.map((job) => Date.parse(job.updated_at))) : 0 };
}

function renderLive() {
  const held = isHeld(), newest = liveShown[0]?.id;
  const now = new Map(live.map((job) => [job.id, job]));
  liveShown = held ? liveShown.map((job) => now.get(job.id) ?? job) : live;
  fill($("live"), liveShown.map(liveRow));
  setText("live-at", !held ? "newest first" : live[0]?.id === newest ? "held while you are in it" : "held while you are in it; newer ones wait");
  show("live-empty", liveShown.length === 0);
  show("live-more", liveHasMore);
}

function renderOff() {
  show("rates", !listIsOff);
  show("all-jobs", !listIsOff);
  show("list-off", listIsOff);
  renderMine();
}

for (const id of ["live", "mine"]) $(id).tBodies[0].before($("listed").tHead.cloneNode(true));

const livePoll = repeat(async () => isShown("jobs") ? readLive() : 1);

function changeLive() {
  live = liveShown = [];
  liveRows = ROWS;
  liveHasMore = false;
  setText("live-text", "Loading…");
  renderLive();
  livePoll.soon();
}

for (const name of ["status", "collection", "since"]) on($(`live-${name}`), "change", changeLive);
on($("live-more"), "click", () => {
  liveRows += ROWS;
  livePoll.soon();
});

function offerCollections() {
  const names = [...collections.keys()], before = $("live-collection").value;
  put($("live-collection"), el("option", { value: "" }, "all"), ...names.map((name) => el("option", { value: name }, name)));
  $("live-collection").value = names.includes(before) ? before : "";
  show("live-collections", several());
}

// A job that this page follows by itself is as new as can be.
listeners.add((job) => {
  const place = live.findIndex((each) => each.id === job.id);
  if (place < 0) return;
  live[place] = job;
  renderLive();
});
