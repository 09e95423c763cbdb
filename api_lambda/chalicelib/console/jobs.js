// The jobs sent from this tab, and the polls of all jobs that are watched.

const JOBS = "jobpipe.jobs";
const MAX_JOBS = 200;
const MAX_POLLS = 4; // at the same time

let sentJobs = []; // latest first: {id, label, collection, operation, item_id, status, done, attempts, retries, created_at, updated_at, observations}
const observations = new Map(); // by job id: one observation for each change
const pollTimes = new Map(); // by id of an unfinished job: when to poll it next
const listeners = new Set(); // each is called with every job that is read
let pollsRunning = 0;

function load() {
  try {
    sentJobs = JSON.parse(sessionStorage.getItem(JOBS)) ?? [];
  } catch {
    sentJobs = [];
  }
  for (const job of sentJobs) {
    observations.set(job.id, job.observations ?? []);
    if (!job.done) watch(job.id);
  }
}

function save() {
  try {
    sessionStorage.setItem(JOBS, toJson(sentJobs.map((job) => ({ ...job, observations: observations.get(job.id) }))));
  } catch {
    // If the storage is full, a reload shows fewer jobs.
  }
}

// Return the name of the job's document that this tab knows, else the label that the service gives a failed job.
const labelOf = (job) => sentJobs.find((each) => each.id === job.id)?.label ?? job.label;
const nameOf = (job) => labelOf(job) ?? shortId(job.item_id);

const watch = (id, seconds = 0) => pollTimes.set(id, Date.now() + seconds * 1000);

// Parse a job; its resultText is the JSON of its result, unchanged.
function readJob(text) {
  return { collection: "items", ...JSON.parse(text), resultText: member(text, "result"), commandText: member(text, "command") };
}

const problemSummary = (problem) => problem && { title: problem.title, detail: problem.detail, status: problem.status, type: problem.type, errors: problem.errors, existing: problem.existing };

function observe(job) {
  const known = observations.get(job.id) ?? [];
  const last = known.at(-1);
  const { status, attempts, retries, updated_at } = job;
  // Ignore a response that a later one has overtaken. Only a retry makes an ended job unfinished again.
  if (last && (updated_at < last.updated_at || updated_at === last.updated_at && retries === last.retries && attempts < last.attempts)) return;
  const changed = !last || last.status !== status || last.attempts !== attempts || last.retries !== retries;
  if (changed) known.push({ status, attempts, retries, updated_at, error: problemSummary(job.error) });
  observations.set(job.id, known);
  const ours = sentJobs.find((each) => each.id === job.id);
  if (ours && (changed || ours.updated_at !== updated_at)) {
    Object.assign(ours, { status, attempts, retries, updated_at, done: job.done, item_id: job.item_id, error: problemSummary(job.error) });
    save();
    if (changed && last && status !== "queued") announce(`${ours.operation} ${ours.label ?? ""}: ${status}${job.error ? `, ${job.error.title}` : ""}`);
  }
  if (job.done) pollTimes.delete(job.id);
  for (const listener of listeners) listener(job);
}

// Add the job of a command that this tab has sent.
function track(job, label) {
  const before = sentJobs.find((each) => each.id === job.id);
  if (!before) {
    const { id, collection, operation, item_id, status, done, attempts, retries, created_at, updated_at } = job;
    sentJobs.unshift({ id, label, collection, operation, item_id, status, done, attempts, retries, created_at, updated_at });
    while (sentJobs.length > MAX_JOBS) {
      const oldestEnded = sentJobs.findLastIndex((each) => each.done);
      sentJobs.splice(oldestEnded > 0 ? oldestEnded : sentJobs.length - 1, 1);
    }
  }
  observe(job);
  save();
  if (!job.done) watch(job.id);
}

async function poll(id) {
  pollTimes.set(id, Infinity);
  pollsRunning += 1;
  try {
    const answer = await call("GET", `jobs/${id}?wait`);
    const job = readJob(answer.text);
    if (!job.done && pollTimes.has(id)) watch(id, answer.retryAfter ?? 1);
    observe(job);
  } catch (error) {
    if (error.status === 404) {
      pollTimes.delete(id);
      sentJobs = sentJobs.filter((job) => job.id !== id);
      save();
      for (const listener of listeners) listener({ id, expired: true });
    } else if (pollTimes.has(id)) {
      watch(id, error.retryAfter ?? AGAIN);
    }
  } finally {
    pollsRunning -= 1;
  }
}

repeat(async () => {
  const due = [...pollTimes].filter(([, at]) => at <= Date.now()).sort(([, one], [, other]) => one - other);
  for (const [id] of due.slice(0, MAX_POLLS - pollsRunning)) poll(id);
  return 0.1;
});

function forgetJobs(isForgotten = () => true) {
  for (const job of sentJobs.filter(isForgotten)) {
    observations.delete(job.id);
    pollTimes.delete(job.id);
  }
  sentJobs = sentJobs.filter((job) => !isForgotten(job));
  save();
}
