// One job: its facts, its timeline, and what its caller can do.

let openJob = null;

function enterJob(id) {
  if (openJob?.id !== id) {
    openJob = { id };
    setText("job-title", "Job");
    show("job-body", false);
    put($("job-badge"));
  }
  setText("job-error", "");
  setText("job-problem", isJobId(id) ? "" : "This is not the id of a job.");
  if (isJobId(id)) readOpenJob();
  toldPoll.soon();
}

async function readOpenJob() {
  const { id } = openJob;
  try {
    const answer = await call("GET", `jobs/${id}`);
    const job = readJob(answer.text);
    if (!job.done) watch(job.id, answer.retryAfter ?? 1);
    observe(job);
  } catch (error) {
    if (openJob.id !== id) return;
    setText("job-problem", messageOf(error));
    if (!isFinal(error)) watch(id, error.retryAfter ?? AGAIN);
  }
}

listeners.add((job) => {
  if (job.id !== openJob?.id) return;
  if (job.expired) return setText("job-problem", "The job has expired.");
  // Only a GET has the command, which stays as it is.
  openJob = { ...job, commandText: job.commandText ?? (job.status === "failed" ? openJob.commandText : undefined) };
  job = openJob;
  setText("job-problem", "");
  renderJob(job);
});

function renderJob(job) {
  setText("job-title", jobTitle(job));
  if (isShown("job")) document.title = `${jobTitle(job)} · jobpipe console`;
  const itemExists = job.operation !== "create" || job.status === "succeeded";
  if ($("job-badge").textContent !== job.status) put($("job-badge"), badge(job.status));
  facts($("job-facts"), [
    ["Operation", job.operation],
    ["Job", code(job.id)],
    ...several() || job.collection !== "items" ? [["Collection", el("a", { href: documentsHref(job.collection) }, bdi(job.collection))]] : [],
    [collections.get(job.collection)?.title ?? "Document", itemExists ? documentLink(job.collection, job.item_id, bdi(job.item_id)) : bdi(job.item_id)],
    ["Attempts", String(job.attempts)],
    ...job.retries ? [["Retries", String(job.retries)]] : [],
    ["Accepted", clock(job.created_at)],
    ...job.not_before ? [["Not before", clock(job.not_before)]] : [],
    ...job.not_after ? [["Not after", clock(job.not_after)]] : [],
    [job.done ? "Ended" : "Changed", clock(job.updated_at)],
    ...job.dismissed_at ? [["Dismissed", clock(job.dismissed_at)]] : [],
    ...job.etag ? [["Version", code(job.etag)]] : [],
  ]);
  put($("job-line"), ...timeline(job));
  show("job-cancel", !job.done);
  const failed = job.status === "failed", again = failed && job.commandText !== undefined && Boolean(collections.get(job.collection));
  show("job-retry", failed && (retryHelps(job) || !again));
  show("job-dismiss", failed && !job.dismissed_at);
  show("job-again", again);
  $("job-retry").classList.toggle("primary", job.error?.status >= 500);
  $("job-again").classList.toggle("primary", job.error?.status < 500);
  show("job-asked", job.commandText !== undefined);
  if (job.commandText !== undefined) showJson($("job-command"), job.commandText);
  show("job-failed", Boolean(job.error));
  if (job.error) renderFailure(job.error, job.collection);
  show("job-done", job.resultText !== undefined);
  if (job.resultText !== undefined) showJson($("job-result"), job.resultText);
  show("job-body", true);
}

function renderFailure(problem, collection) {
  const errors = problem.errors ?? [], isSame = errors.length === 1 && errors[0].detail === problem.detail;
  put($("job-failure"), 
    el("p", {}, el("strong", {}, bdi(problem.title ?? "Failed"))),
    ...isSame ? [] : [el("p", {}, bdi(problem.detail ?? ""))],
    ...errors.length ? [el("ul", {}, ...errors.map((each) => el("li", {}, code(each.pointer), " ", bdi(each.detail))))] : [],
    ...problem.existing ? [el("p", {}, documentLink(collection, problem.existing, `The other ${noun(collections.get(collection) ?? ITEMS)}`))] : [],
    el("p", { class: "dim" }, `${problem.status ?? ""} `, code(problem.type ?? "")),
  );
}

// Build the timeline from the job and the statuses that this tab has seen. All times are those of the service.
function timeline(job) {
  const start = Date.parse(job.created_at);
  const step = (status, at, title, more, now) => el("li", { class: `${status}${now ? " now" : ""}` },
    el("div", {}, el("strong", {}, title)),
    ...more ? [el("div", {}, bdi(more))] : [],
    at ? el("div", { class: "dim" }, clock(at), at === job.created_at ? "" : ` · ${span((Date.parse(at) - start) / 1000)} after it was accepted`)
      : el("div", { class: "dim" }, "before this page was opened"));
  const steps = [step("queued", job.created_at, "Accepted", null)];
  const observed = observations.get(job.id) ?? [];
  let retries = 0, shownAttempts = 0;
  observed.forEach((each, place) => {
    const last = place === observed.length - 1;
    if (each.retries > retries) {
      const watchedIt = place > 0;
      const title = each.retries - retries > 1 ? `Queued again ${each.retries - retries} times` : "Queued again";
      steps.push(step("queued", watchedIt && each.status === "queued" ? each.updated_at : null, title, null));
      retries = each.retries;
      shownAttempts = 0;
    }
    if (each.status === "retrying") {
      if (each.attempts > shownAttempts + 1) steps.push(step("retrying", null, `Attempts ${shownAttempts + 1} to ${each.attempts - 1} were interrupted`, null));
      steps.push(step("retrying", each.updated_at, each.attempts ? `Attempt ${each.attempts} was interrupted` : "Interrupted by an outage", each.error?.detail ?? each.error?.title));
      shownAttempts = each.attempts;
    }
    if (["succeeded", "failed", "cancelled"].includes(each.status)) {
      if (each.attempts > shownAttempts + 1) steps.push(step("retrying", null, `${each.attempts - shownAttempts - (each.status === "cancelled" ? 0 : 1)} earlier attempts`, null));
      const title = { succeeded: "Succeeded", failed: "Failed", cancelled: "Cancelled" }[each.status];
      const more = each.error?.title ?? (each.status === "cancelled" ? "The command had no effect." : null);
      steps.push(step(each.status, last ? job.updated_at : each.updated_at, each.attempts > 1 ? `${title} at attempt ${each.attempts}` : title, more));
    }
  });
  if (job.status === "scheduled") steps.push(el("li", { class: "scheduled now" }, el("strong", {}, "Waiting for its time"), el("div", { class: "dim" }, "until ", clock(job.not_before))));
  if (job.status === "queued") steps.push(el("li", { class: "queued now" }, el("strong", {}, "Waiting in the queue"), el("div", { class: "dim" }, "since ", when(job.updated_at))));
  if (job.status === "retrying") steps.push(el("li", { class: "retrying now" }, el("strong", {}, "Between two attempts")));
  return steps;
}

const changeJob = (button, method, path) => whileBusy(button, async () => {
  setText("job-error", "");
  try {
    const answer = await call(method, path);
    const job = readJob(answer.text);
    if (!job.done) watch(job.id);
    observe(job);
    announce(job.status === "cancelled" ? "The job is cancelled." : job.dismissed_at ? "The job is dismissed." : "The job is queued again.");
    failurePoll.soon();
  } catch (error) {
    setText("job-error", messageOf(error));
    readOpenJob();
  }
});

on($("job-cancel"), "click", (event) => changeJob(event.currentTarget, "DELETE", `jobs/${openJob.id}`));
on($("job-retry"), "click", (event) => changeJob(event.currentTarget, "POST", `jobs/${openJob.id}/retry`));
on($("job-dismiss"), "click", (event) => changeJob(event.currentTarget, "POST", `jobs/${openJob.id}/dismiss`));
on($("job-again"), "click", () => sendAgain(openJob));
