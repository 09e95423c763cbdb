// The jobs of this tab, and the polls of whatever is watched.

const JOBS = "jobpipe.jobs";
const MOST_JOBS = 200;
const AT_ONCE = 4; // polls

let mine = []; // latest first: {id, label, operation, item_id, status, done, attempts, retries, created_at, updated_at, seen}
const seen = new Map(); // by job: what was observed of it, each time that it changed
const watched = new Map(); // by job that has not ended: when to ask again
const listeners = new Set(); // called with each job that was read
let pollsRunning = 0;

function load() {
  try {
    mine = JSON.parse(sessionStorage.getItem(JOBS)) ?? [];
  } catch {
    mine = [];
  }
  for (const job of mine) {
    seen.set(job.id, job.seen ?? []);
    if (!job.done) watch(job.id);
  }
}

function save() {
  try {
    sessionStorage.setItem(JOBS, JSON.stringify(mine.map((job) => ({ ...job, seen: seen.get(job.id) }))));
  } catch {
    // A full store only means that a reload knows less.
  }
}

const watch = (id, seconds = 0) => watched.set(id, Date.now() + seconds * 1000);

// A job as the API tells it: {…, resultText}, its result as it was written.
function readJob(text) {
  return { ...JSON.parse(text), resultText: member(text, "result") };
}

const brief = (problem) => problem && { title: problem.title, detail: problem.detail, status: problem.status, type: problem.type, errors: problem.errors };

function observe(job) {
  const known = seen.get(job.id) ?? [];
  const last = known.at(-1);
  const { status, attempts, retries, updated_at } = job;
  // Two answers may overtake each other; a retry alone makes an ended job unfinished again.
  if (last && (updated_at < last.updated_at || updated_at === last.updated_at && retries === last.retries && attempts < last.attempts)) return;
  const changed = !last || last.status !== status || last.attempts !== attempts || last.retries !== retries;
  if (changed) known.push({ status, attempts, retries, updated_at, error: brief(job.error) });
  seen.set(job.id, known);
  const ours = mine.find((each) => each.id === job.id);
  if (ours && (changed || ours.updated_at !== updated_at)) {
    Object.assign(ours, { status, attempts, retries, updated_at, done: job.done, item_id: job.item_id, error: brief(job.error) });
    save();
    if (changed && last && status !== "queued") say(`${ours.operation} ${ours.label ?? ""}: ${status}${job.error ? `, ${job.error.title}` : ""}`);
  }
  if (job.done) watched.delete(job.id);
  for (const listener of listeners) listener(job);
}

// The job of a command that this tab sent.
function track(job, label) {
  const before = mine.find((each) => each.id === job.id);
  if (!before) {
    const { id, operation, item_id, status, done, attempts, retries, created_at, updated_at } = job;
    mine.unshift({ id, label, operation, item_id, status, done, attempts, retries, created_at, updated_at });
    while (mine.length > MOST_JOBS) mine.splice(mine.findLastIndex((each) => each.done) > 0 ? mine.findLastIndex((each) => each.done) : mine.length - 1, 1);
  }
  observe(job);
  save();
  if (!job.done) watch(job.id);
}

async function poll(id) {
  watched.set(id, Infinity);
  pollsRunning += 1;
  try {
    const answer = await call("GET", `jobs/${id}?wait`);
    const job = readJob(answer.text);
    if (!job.done && watched.has(id)) watch(id, answer.retryAfter ?? 1);
    observe(job);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) {
      watched.delete(id);
      mine = mine.filter((job) => job.id !== id);
      save();
      for (const listener of listeners) listener({ id, gone: true });
    } else if (watched.has(id)) {
      watch(id, error.retryAfter ?? 5);
    }
  } finally {
    pollsRunning -= 1;
  }
}

repeat(async () => {
  const due = [...watched].filter(([, at]) => at <= Date.now()).sort(([, one], [, other]) => one - other);
  for (const [id] of due.slice(0, AT_ONCE - pollsRunning)) poll(id);
  return 0.1;
});

function forgetJobs(which = () => true) {
  for (const job of mine.filter(which)) {
    seen.delete(job.id);
    watched.delete(job.id);
  }
  mine = mine.filter((job) => !which(job));
  save();
}
