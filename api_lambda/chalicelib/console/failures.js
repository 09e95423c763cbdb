// The failed jobs, grouped by the reason of their failure. A group or one job is retried or dismissed.

const FAILURES = 100; // in one page of the list
const AT_ONCE = 4; // requests
const FEW = 5; // jobs of a group that are shown without being asked for
const FAILS_AGAIN = ["name-taken", "not-unique", "version-mismatch", "too-late", "too-large", "invalid-request"];
let failures = null, moreFailures = null, failurePages = 1, changingFailures = false;
const gone = new Map(); // by the id of a retried or dismissed job: its retries, since the list may be a moment behind
const groupsShown = new Map(); // by reason: the elements

const reasonOf = (problem) => String(problem?.type ?? "").replace(/^urn:jobpipe:problem:/, "");
// Whether a retry of the same command can succeed.
const retryHelps = ({ error }) => error?.status >= 500 || !FAILS_AGAIN.includes(reasonOf(error));
const jobsOf = (count) => `${count} ${count === 1 ? "job" : "jobs"}`;

function groupsOfFailures() {
  const found = new Map();
  for (const job of failures ?? []) {
    const reason = reasonOf(job.error);
    if (!found.has(reason)) found.set(reason, []);
    found.get(reason).push(job);
  }
  return [...found].sort(([, one], [, other]) => other.length - one.length);
}

async function readFailures() {
  if (changingFailures) return 1;
  let path = `jobs?status=failed&limit=${FAILURES}`, found = [];
  try {
    for (let page = 0; page < failurePages && path; page += 1) {
      const answer = await call("GET", path);
      found = found.concat(parts(answer.text).map(([, text]) => readJob(text)));
      path = nextPage(answer.headers);
    }
    if (changingFailures) return 1;
    failures = found.filter((job) => gone.get(job.id) !== job.retries);
    moreFailures = path;
    setText("failures-text", "No job has failed, or all failed jobs were dismissed.");
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
  renderFailures();
  failurePoll.soon();
}

function renderFailures() {
  const groups = groupsOfFailures(), count = `${failures?.length ?? 0}${moreFailures ? "+" : ""}`;
  show("failed-note", groups.length > 0);
  $("failed-note").replaceChildren(el("a", { href: "#/failed" }, `${count} failed ${count === "1" ? "job" : "jobs"}`), ": ",
    ...groups.slice(0, 3).flatMap(([, jobs], place) => [place ? ", " : "", bdi(jobs[0].error?.title ?? "Unknown reason"), ` (${jobs.length})`]), groups.length > 3 ? ", …" : "");
  const wanted = groups.map(([reason, jobs]) => groupOf(reason, jobs));
  for (const [reason, group] of groupsShown) if (!groups.some(([each]) => each === reason)) {
    if (group.contains(document.activeElement) && isShown("failed")) heading().focus();
    groupsShown.delete(reason);
  }
  if (wanted.some((group, place) => $("failures").children[place] !== group) || $("failures").children.length !== wanted.length) {
    const focused = document.activeElement;
    $("failures").replaceChildren(...wanted);
    if (focused.isConnected) focused.focus({ preventScroll: true });
  }
  show("failures-empty", groups.length === 0);
  show("failures-more", Boolean(moreFailures));
  setText("failures-count", moreFailures ? `These are the latest ${failures.length}.` : "");
}

function groupOf(reason, jobs) {
  if (!groupsShown.has(reason)) groupsShown.set(reason, newGroup(reason, jobs));
  const group = groupsShown.get(reason), { error } = jobs[0];
  const details = new Set(jobs.map((job) => job.error?.detail));
  group.querySelector("h2").replaceChildren(bdi(error?.title ?? "Unknown reason"), " ", el("span", { class: "tag" }, String(jobs.length)));
  group.querySelector("p").replaceChildren(...details.size === 1 && error?.detail ? [bdi(error.detail), " "] : [], "The latest ", when(jobs[0].updated_at), ".");
  group.querySelector("summary").textContent = jobsOf(jobs.length);
  const [retry] = group.querySelectorAll("button");
  retry.hidden = !jobs.some(retryHelps);
  fill(group.querySelector("table"), jobs.map((job) => ({ id: job.id, cells: [
    [JSON.stringify([job.operation, job.item_id, job.error?.detail, details.size, several()]), () => [
      el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(sentJobs.find((each) => each.id === job.id)?.label ?? shortId(job.item_id))),
      ...[tag(job.collection)].filter(Boolean),
      ...details.size > 1 ? [el("small", {}, bdi(job.error?.detail ?? ""))] : []]],
    [job.updated_at, () => when(job.updated_at), "wide"],
    ["", () => el("button", { type: "button", class: "quiet", "aria-label": `Dismiss ${job.operation} ${shortId(job.item_id)}` }, "Dismiss")],
  ] })));
  return group;
}

function newGroup(reason, jobs) {
  const button = (name) => el("button", { type: "button", "aria-label": `${name}: ${jobs[0].error?.title ?? "unknown reason"}` }, name);
  const retry = button("Retry all"), dismiss = button("Dismiss all…");
  const current = () => (failures ?? []).filter((job) => reasonOf(job.error) === reason);
  retry.addEventListener("click", () => changeFailures(current(), "retry"));
  dismiss.addEventListener("click", () => confirmAction(`Dismiss ${jobsOf(current().length)}?`,
    ["They will no longer be listed as failed, here and on the command line. Each can be read and retried under its id until it expires."],
    () => changeFailures(current(), "dismiss"), "Dismiss"));
  const table = el("table", {}, el("caption", { class: "away" }, "Failed jobs, the latest first"), el("thead", {}, el("tr", {},
    el("th", { scope: "col" }, "Command"), el("th", { scope: "col", class: "wide" }, "Failed"), el("th", { scope: "col" }, el("span", { class: "away" }, "Dismiss")))), el("tbody"));
  table.addEventListener("click", (event) => {
    const row = event.target.closest("button")?.closest("tr");
    if (row) changeFailures(current().filter((job) => job.id === row.dataset.id), "dismiss");
  });
  return el("section", { class: "card" }, el("div", { class: "head" }, el("h2"), el("div", { class: "actions" }, retry, dismiss)),
    el("p", { class: "dim" }), el("details", { open: jobs.length <= FEW ? "" : undefined }, el("summary"), table));
}

// Retry or dismiss each of the jobs, a few at a time, and say how far it is and what became of them.
async function changeFailures(jobs, verb) {
  if (changingFailures || !jobs.length) return;
  changingFailures = true;
  const left = [...jobs], why = new Map(), total = jobsOf(jobs.length);
  let done = 0, reached = 0;
  const report = () => setText("failures-outcome", `${verb === "retry" ? "Retrying" : "Dismissing"} ${total}: ${reached} done…`);
  report();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let job = left.shift(); job; job = left.shift()) {
      try {
        await insist("POST", `jobs/${job.id}/${verb}`);
        gone.set(job.id, job.retries);
        failures = failures.filter((each) => each !== job);
        done += 1;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 403 || error.status >= 500) left.length = 0;
        why.set(error.message, (why.get(error.message) ?? 0) + 1);
      }
      reached += 1;
      report();
      renderFailures();
    }
  }));
  changingFailures = false;
  const outcome = [`${done} of ${total} ${done === 1 ? "is" : "are"} ${verb === "retry" ? "queued again" : "dismissed"}.`, ...[...why].map(([text, count]) => `${count} not: ${text}`)].join(" ");
  setText("failures-outcome", outcome);
  announce(outcome);
  failurePoll.soon();
}

// Repeat a request that may be repeated, if the service asks to come later.
async function insist(method, path, tries = 5) {
  try {
    return await call(method, path);
  } catch (error) {
    if (tries === 0 || error.status !== 429 && error.status !== 503) throw error;
    await new Promise((go) => setTimeout(go, 1000 * (error.retryAfter ?? 1)));
    return insist(method, path, tries - 1);
  }
}

$("failures-more").addEventListener("click", () => {
  failurePages += 1;
  failurePoll.soon();
});
