// How many of the caller's jobs are accepted and end in a second, from the list of all jobs.

const PLOTTED = 300, STEP = 5, MEASURED = 10; // seconds: of the plot, of one of its points, of the numbers
const POINTS = PLOTTED / STEP;
const PAGE_OF_JOBS = 100, MAX_NEW_PAGES = 3, MAX_OLD_PAGES = 2; // of one reading
const LATE = 10_000; // milliseconds after its acceptance in which a job may come into the list
const seen = new Map(); // by job id: {accepted, ended, failed, waits, weight}; times in milliseconds
let newestAccepted = 0, countedSince = 0, knownTo = 0;

const acceptedAt = (job) => Date.parse(job.created_at);
const endedAt = (job) => job.done ? Date.parse(job.updated_at) : null;

function noteJob(job, weight) {
  seen.set(job.id, { accepted: acceptedAt(job), ended: endedAt(job), failed: job.status === "failed", waits: job.status === "scheduled", weight: seen.get(job.id)?.weight ?? weight });
  noteBatches([job]);
}

// Read the newest jobs, and what has become of older ones. Return the newest, and the path of those that follow.
async function readJobs() {
  const now = serverNow(), since = newestAccepted || now - PLOTTED * 1000;
  let found = [], path = `jobs?limit=${PAGE_OF_JOBS}`;
  for (let page = 0; page < MAX_NEW_PAGES && path && (!page || acceptedAt(found.at(-1)) >= since - LATE); page += 1) {
    const answer = await call("GET", path);
    found = found.concat(JSON.parse(answer.text));
    path = found.length ? nextPage(answer.headers) : null;
  }
  noteNewJobs(found, since, path === null);
  await readEnds(now, found.length ? acceptedAt(found.at(-1)) : now);
  for (const [id, { ended }] of seen) if (ended && ended < now - PLOTTED * 1100) seen.delete(id);
  return { found, path };
}

// If the reading does not reach back to the one before, what it has found stands for the jobs in between, too.
function noteNewJobs(found, since, isAll) {
  const times = found.map(acceptedAt), oldest = times.at(-1) ?? since, newest = times[0] ?? since;
  const isWhole = isAll || oldest < since;
  if (!newestAccepted) countedSince = isWhole ? since : oldest;
  const weight = newestAccepted && !isWhole && newest > oldest ? (newest - since) / (newest - oldest) : 1;
  // Not all of the jobs of the oldest moment may be on the page.
  found.forEach((job, place) => (weight === 1 || times[place] > oldest || seen.has(job.id)) && noteJob(job, weight));
  newestAccepted = Math.max(newestAccepted, newest);
}

// Read the unfinished jobs again that are older than the newest jobs, the oldest first.
async function readEnds(now, before) {
  for (let page = 0; page < MAX_OLD_PAGES; page += 1) {
    const times = [...seen.values()].filter(({ accepted, ended, waits }) => !ended && !waits && accepted < before).map(({ accepted }) => accepted);
    const some = times.sort((one, other) => one - other).slice(0, PAGE_OF_JOBS);
    knownTo = now;
    if (!some.length) return;
    const [since, until] = [some[0], some.at(-1) + 1].map((time) => new Date(time).toISOString());
    const jobs = JSON.parse((await call("GET", `jobs?limit=${PAGE_OF_JOBS}&since=${since}&until=${until}`)).text);
    const isSampled = [...seen.values()].some(({ weight }) => weight > 1);
    for (const job of jobs) if (!isSampled || seen.has(job.id)) noteJob(job, 1);
    if (!jobs.length || jobs.some((job) => !job.done)) return;
    knownTo = Math.max(...jobs.map(endedAt)); // all of these have ended: so may have those that follow
  }
}

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

const countedFor = (start) => start ? `in the last ${span((POINTS - start) * STEP)}` : "in the last 5 minutes";

// Say how many jobs. So few that a rate would jump are counted by the minute.
function rateOf(values, about, start) {
  const last = sum(values.slice(-MEASURED / STEP));
  if (last >= MEASURED) return [`${about}${Math.round(last / MEASURED).toLocaleString("en")} a second`, `in the last ${MEASURED} seconds`];
  return [about + Math.round(sum(values.slice(-60 / STEP))), start < POINTS - 60 / STEP ? "in the last minute" : countedFor(start)];
}

function renderThroughput() {
  const placeOf = (time) => Math.floor(time / 1000 / STEP) - Math.floor(serverNow() / 1000 / STEP) + POINTS;
  const [accepted, ended] = [0, 0].map(() => Array(POINTS).fill(0));
  let failed = 0, about = "";
  for (const job of seen.values()) {
    if (job.weight > 1) about = "about ";
    for (const [values, place] of [[accepted, placeOf(job.accepted)], [ended, job.ended ? placeOf(job.ended) : -1]]) if (place >= 0 && place < POINTS) values[place] += job.weight;
    if (job.failed && job.ended && placeOf(job.ended) >= 0) failed += job.weight;
  }
  const most = Math.max(...accepted, ...ended);
  show("rates-body", most > 0);
  setText("rates-none", most ? "" : "No job was accepted or ended.");
  if (!most) return;
  const known = Math.max(0, Math.min(POINTS, placeOf(knownTo))), start = Math.max(0, placeOf(countedSince) + 1);
  const late = known < POINTS - 3 ? `, as of ${span((POINTS - known) * STEP)} ago` : "";
  const numbers = [["Accepted", accepted], ["Ended", ended]].map(([name, values]) => {
    const [now, of] = rateOf(values.slice(0, known), about, start);
    return [name, now, of + late];
  });
  if (failed) numbers.push(["Failed", about + Math.round(failed).toLocaleString("en"), countedFor(start)]);
  put($("rates-now"), ...numbers.map(([name, now, of]) => el("div", { class: name.toLowerCase() }, el("dt", {}, name), el("dd", {}, now), el("dd", {}, of))));
  const line = (values) => values.slice(start, known).map((value, place) => `${place ? "L" : "M"}${(600 * (start + place) / (POINTS - 1)).toFixed(1)} ${(58 - 56 * value / most).toFixed(1)}`).join("");
  put($("rates-plot"), svg("path", { class: "grid", d: "M0 2H600M0 58H600" }), svg("path", { class: "accepted", d: line(accepted) }), svg("path", { class: "ended", d: line(ended) }));
  const highest = `highest: ${about}${most < STEP ? `${most} in ${STEP} seconds` : `${Math.round(most / STEP)} a second`}`;
  $("rates-most").textContent = highest;
  $("rates-plot").setAttribute("aria-label", `The last 5 minutes. ${numbers.map(([name, ...texts]) => `${name}: ${texts.join(" ")}. `).join("")}The ${highest}.`);
}

setInterval(() => {
  if (isShown("jobs") && newestAccepted) renderThroughput();
}, 1000);
