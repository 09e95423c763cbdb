// The failed jobs, grouped by the reason of their failure. A group or one job is retried or dismissed.

const FAILURE_PAGES = 5; // of a hundred jobs
const FEW = 5; // jobs of a group that are shown without being asked for
const FAILS_AGAIN = ["name-taken", "not-unique", "version-mismatch", "too-late", "too-large", "invalid-request"];
let failures = [], moreFailures = false, changingFailures = false;
const gone = new Map(); // by the id of a retried or dismissed job: its retries, since the list may be a moment behind
const unfolded = new Map(); // by reason: whether its jobs are shown

const reasonOf = (problem) => String(problem?.type).replace("urn:jobpipe:problem:", "");
// Whether a retry of the same command can succeed.
const retryHelps = ({ error }) => !FAILS_AGAIN.includes(reasonOf(error));
const jobsOf = (count) => `${count} ${count === 1 ? "job" : "jobs"}`;

async function readFailures() {
  let path = "jobs?status=failed&limit=100", found = [];
  try {
    for (let page = 0; page < FAILURE_PAGES && path && !changingFailures; page += 1) {
      const answer = await call("GET", path);
      found = found.concat(parts(answer.text).map(([, text]) => readJob(text)));
      path = nextPage(answer.headers);
    }
    if (changingFailures) return 1;
    failures = found.filter((job) => gone.get(job.id) !== job.retries);
    moreFailures = Boolean(path);
    setText("failures-text", "No job has failed, or all were dismissed.");
  } catch (error) {
    setText("failures-text", messageOf(error));
    throw error;
  } finally {
    renderFailures();
  }
  return isShown("failed") ? LIST_PAUSE : 3 * LIST_PAUSE;
}

const failurePoll = repeat(async () => isShown("failed") || isShown("jobs") ? readFailures() : 1);

function enterFailures() {
  setText("failures-outcome", "");
  failurePoll.soon();
}

function renderFailures() {
  const groups = new Map();
  for (const job of failures) groups.set(reasonOf(job.error), [...groups.get(reasonOf(job.error)) ?? [], job]);
  const sorted = [...groups].sort(([, one], [, other]) => other.length - one.length);
  const count = moreFailures ? `${failures.length} or more jobs` : jobsOf(failures.length);
  show("failed-note", sorted.length > 0);
  put($("failed-note"), el("a", { href: "#/failed" }, `${count} failed`), ...sorted.slice(0, 3).flatMap(([, jobs], place) => [place ? ", " : ": ", bdi(jobs[0].error.title), ` (${jobs.length})`]));
  fill($("failures"), sorted.flatMap(([reason, jobs]) => {
    const open = unfolded.get(reason) ?? jobs.length <= FEW;
    return [{ id: reason, cells: groupCells(jobs, open) }, ...open ? jobs.map((job) => ({ id: job.id, cells: failureCells(job) })) : []];
  }));
  show("failures-empty", sorted.length === 0);
}

const failureButton = (act, text, of, more = {}) => el("button", { type: "button", class: "quiet", "data-act": act, "aria-label": `${text}: ${of}`, ...more }, text);

const groupCells = (jobs, open) => [
  [`${jobs.length} ${open}`, () => [el("strong", {}, bdi(jobs[0].error.title)), failureButton("fold", jobsOf(jobs.length), jobs[0].error.title, { class: "quiet fold", "aria-expanded": String(open) })]],
  [jobs[0].updated_at, () => when(jobs[0].updated_at), "wide"],
  ["", () => el("div", { class: "actions" }, retryHelps(jobs[0]) ? failureButton("retry", "Retry all", jobs[0].error.title) : null, failureButton("dismiss", "Dismiss all", jobs[0].error.title))],
];

const failureCells = (job) => [
  [several(), () => [el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(nameOf(job))), tag(job.collection) ?? "", el("small", {}, bdi(job.error.detail))]],
  [job.updated_at, () => when(job.updated_at), "wide"],
  ["", () => failureButton("dismiss", "Dismiss", `${job.operation} ${nameOf(job)}`)],
];

on($("failures"), "click", (event) => {
  const act = event.target.dataset.act, { id } = event.target.closest("tr")?.dataset ?? {};
  if (!act) return;
  const jobs = failures.filter((job) => job.id === id || reasonOf(job.error) === id);
  if (act === "fold") {
    unfolded.set(id, event.target.getAttribute("aria-expanded") === "false");
    renderFailures();
    $("failures").querySelector(`[data-id="${CSS.escape(id)}"] .fold`).focus();
  } else if (act === "retry" || jobs[0].id === id) {
    changeFailures(jobs, act);
  } else {
    confirmAction(`Dismiss ${jobsOf(jobs.length)}?`, ["They will no longer be listed as failed, here and on the command line. Each can be read and retried under its id until it expires."],
      () => changeFailures(jobs, act), "Dismiss");
  }
});

// Retry or dismiss each of the jobs, four at a time, and say how far it is and what became of them.
async function changeFailures(jobs, act) {
  if (changingFailures) return;
  changingFailures = true;
  const left = [...jobs], why = new Map(), total = jobsOf(jobs.length), done = act === "retry" ? "queued again" : "dismissed";
  let count = 0;
  const change = async () => {
    for (let job = left.shift(); job; job = left.shift()) {
      try {
        await insist(`jobs/${job.id}/${act}`);
        gone.set(job.id, job.retries);
        failures = failures.filter((each) => each !== job);
        count += 1;
      } catch (error) {
        if (!(error.status < 500) || error.status === 403) left.length = 0;
        why.set(error.message, (why.get(error.message) ?? 0) + 1);
      }
      setText("failures-outcome", `${count} of ${total} ${done}, ${left.length} to go…`);
      renderFailures();
    }
  };
  await Promise.all([change(), change(), change(), change()]);
  changingFailures = false;
  const outcome = [`${count} of ${total} ${done}.`, ...[...why].map(([text, times]) => `${times} not: ${text}`)].join(" ");
  setText("failures-outcome", outcome);
  announce(outcome);
  failurePoll.soon();
}

// Send a request that is harmless to repeat, and send it again while the service answers 429 or 503.
async function insist(path, tries = 5) {
  try {
    return await call("POST", path);
  } catch (error) {
    if (!tries || ![429, 503].includes(error.status)) throw error;
    await new Promise((go) => setTimeout(go, 1000 * (error.retryAfter ?? 1)));
    return insist(path, tries - 1);
  }
}
