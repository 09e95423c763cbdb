// How many of the caller's jobs were accepted, ended and failed, from the list of all jobs. Only jobs that were read are counted.

const MINUTE = 60_000, LONGEST = 300_000, STEP = 10_000; // milliseconds: for which jobs are counted, and of a point of the plot
const POINTS = LONGEST / STEP;
const PAGE_OF_JOBS = 100, MAX_NEW_PAGES = 3, MAX_OLD_PAGES = 2; // of one reading
const LATE = 10_000; // milliseconds after its acceptance in which a job may come into the list
const FIRST = 10; // jobs; when these have ended, those before have ended
const RATED = 60; // a rate is shown for at least so many jobs in a minute
const seen = new Map(); // by job id: {accepted, ended, status}; times in milliseconds
let newestAccepted = 0, readAt = 0; // when the newest known job was accepted; when the latest reading began
let acceptedSince = 0; // all jobs that were accepted later are known
let endsSince = 0, endsTo = 0; // every job that ended between these times is known
let first = []; // ids of the oldest jobs after a gap, until they have ended

const acceptedAt = (job) => Date.parse(job.created_at);
const endedAt = (job) => job.done ? Date.parse(job.updated_at) : null;

function noteJobs(jobs) {
  for (const job of jobs) seen.set(job.id, { accepted: acceptedAt(job), ended: endedAt(job), status: job.status });
  noteBatches(jobs);
}

// Read the newest jobs, and what has become of older ones. Return the newest, and the path of those that follow.
async function readJobs() {
  const now = serverNow(), since = Math.max(newestAccepted, now - LONGEST);
  let found = [], path = `jobs?limit=${PAGE_OF_JOBS}`;
  for (let page = 0; page < MAX_NEW_PAGES && path && (!page || acceptedAt(found.at(-1)) >= since - LATE); page += 1) {
    const [jobs, next] = await readPage(path);
    found = found.concat(jobs);
    path = found.length ? next : null;
  }
  noteNewJobs(found, since, path === null);
  if (await readEnds(found)) endsTo = now;
  noteFirstEnds();
  for (const [id, { ended }] of seen) if (ended && ended < now - LONGEST - LATE) seen.delete(id);
  readAt = now;
  return { found, path };
}

// If the reading does not reach back to the one before, jobs are missing, and will end unseen.
function noteNewJobs(found, since, isAll) {
  const oldest = isAll ? 0 : acceptedAt(found.at(-1)), isGap = oldest >= since;
  if (isGap) acceptedSince = oldest;
  if (isGap || !isAll && since !== newestAccepted) {
    first = found.slice(-FIRST).map((job) => job.id);
    endsSince = Infinity;
  }
  noteJobs(found);
  if (found.length) newestAccepted = Math.max(newestAccepted, acceptedAt(found[0]));
}

// Jobs end in the order of their acceptance, as a rule.
function noteFirstEnds() {
  const ends = first.map((id) => seen.get(id)).filter((job) => job && !/scheduled|retrying/.test(job.status)).map(({ ended }) => ended);
  if (!first.length || ends.includes(null)) return;
  endsSince = Math.max(0, ...ends);
  first = [];
}

// Read the unfinished jobs again that are not among the newest, the oldest first. Return whether these were all that may have ended.
async function readEnds(newest) {
  const fresh = new Set(newest.map((job) => job.id));
  let path = null, from = 0, until = 0;
  for (let page = 0; page <= MAX_OLD_PAGES; page += 1) {
    if (!path) {
      const left = [...seen].filter(([id, { accepted, ended, status }]) => !ended && status !== "scheduled" && accepted >= until && !fresh.has(id)).map(([, { accepted }]) => accepted);
      if (!left.length) return true;
      from = left.reduce((one, other) => Math.min(one, other));
      // The commands of a batch have one moment, and are on one page.
      const known = [...seen.values()].map(({ accepted }) => accepted).filter((accepted) => accepted >= from).sort((one, other) => one - other);
      until = Math.max(from + 1, known[PAGE_OF_JOBS] ?? known.at(-1) + 1);
      path = `jobs?limit=${PAGE_OF_JOBS}&since=${new Date(from).toISOString()}&until=${new Date(until).toISOString()}`;
    }
    if (page === MAX_OLD_PAGES) return false;
    const [jobs, next] = await readPage(path);
    noteJobs(jobs);
    path = next;
    if (jobs.length && !jobs.some((job) => job.done)) return true;
  }
}

// Return how many jobs were accepted, ended or failed in a period before the reading, and the words for it.
// If the jobs are known for a shorter time only, that time is the period.
function countOf(name, period) {
  const known = readAt - (name === "Accepted" ? acceptedSince : endsTo < readAt ? Infinity : endsSince), unit = known < 2 * MINUTE ? 1000 : MINUTE;
  const isLeast = known < STEP, length = isLeast || known >= period ? period : Math.floor(known / unit) * unit;
  const times = [...seen.values()].filter(({ status }) => name !== "Failed" || status === "failed").map((job) => name === "Accepted" ? job.accepted : job.ended);
  const count = times.filter((time) => time > readAt - length && time <= readAt).length;
  const said = !isLeast ? digits(count) : count ? `at least ${digits(count)}` : "not known yet";
  const within = `in the last ${length % MINUTE ? `${length / 1000} seconds` : length === MINUTE ? "minute" : `${length / MINUTE} minutes`}`;
  return { count, said, within, isLeast, isNone: !count && !isLeast && length === LONGEST };
}

function renderThroughput() {
  const counts = ["Accepted", "Ended", "Failed"].map((name) => [name, countOf(name, MINUTE), countOf(name, LONGEST)]).filter(([, , { isNone }], place) => place < 2 || !isNone);
  const isNone = counts.every(([, , longest]) => longest.isNone);
  show("rates-body", !isNone);
  setText("rates-none", isNone ? "No job was accepted or ended in the last 5 minutes." : "");
  setText("rates-at", `of your jobs, as of ${timeOf(readAt)}`);
  if (isNone) return;
  const texts = counts.map(([name, { count, said, within, isLeast }, longest]) => {
    const rate = count >= RATED && !isLeast && within.endsWith("minute") && name !== "Failed" ? `, ${digits(Number((count / 60).toFixed(count < 600 ? 1 : 0)))} a second` : "";
    return [name, said, within + rate, ...longest.within === within ? [] : [`${longest.said} ${longest.within}`]];
  });
  put($("rates-now"), ...texts.map(([name, ...each]) => el("div", { class: name.toLowerCase() }, el("dt", {}, name), ...each.map((text) => el("dd", {}, text)))));
  // The lines have whole points only, and none from times of which not all is known.
  const placeOf = (time) => Math.floor(time / STEP) - Math.floor(readAt / STEP) + POINTS;
  const lines = [["accepted", acceptedSince, readAt], ["ended", endsSince, endsTo]].map(([name, since, to]) => {
    const values = Array(POINTS).fill(0);
    for (const job of seen.values()) if (placeOf(job[name]) in values) values[placeOf(job[name])] += 1;
    const start = Math.max(0, placeOf(since) + 1);
    return [name, start, start < POINTS ? values.slice(start, Math.min(POINTS, placeOf(to))) : []];
  });
  const most = Math.max(0, ...lines.flatMap(([, , values]) => values));
  const from = Math.min(POINTS - 2, ...lines.map(([, start]) => start)); // the plot begins where something is known
  const path = (start, values) => values.map((value, place) => `${place ? "L" : "M"}${(600 * (start + place - from) / (POINTS - 1 - from)).toFixed(1)} ${(58 - 56 * value / (most || 1)).toFixed(1)}`).join("");
  put($("rates-plot"), svg("path", { class: "grid", d: "M0 2H600M0 58H600" }), ...lines.map(([name, start, values]) => svg("path", { class: name, d: path(start, values) })));
  const axis = [timeOf(readAt - (POINTS - from) * STEP), most ? `highest: ${digits(most)} in 10 seconds` : "", timeOf(readAt)];
  put($("rates-axis"), ...axis.map((text) => el("span", {}, text)));
  $("rates-plot").ariaLabel = `${axis[0]} to ${axis[2]}. ${texts.map(([name, ...each]) => `${name}: ${each.join(" ")}. `).join("")}${axis[1]}`;
}
