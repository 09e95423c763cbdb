// One batch: the number of its commands in each state, and each command.

const STATES = ["scheduled", "queued", "retrying", "succeeded", "failed", "cancelled", "refused", "expired"];
const OUTCOMES = [...STATES.slice(3), ...STATES.slice(0, 3)]; // those that have ended come first
let openBatch = null; // its id
let batchDone = false;

const batchPoll = repeat(async () => {
  if (!openBatch || batchDone || !isShown("batches")) return 1;
  return readBatch();
});

function enterBatch(id) {
  if (id !== openBatch) {
    show("batch-body", false);
    setText("batch-change-error", "");
  }
  openBatch = isBatchId(id) ? id : null;
  show("batches-body", !id);
  batchesPoll.soon();
  batchDone = false;
  setText("batch-error", id && !openBatch ? "This is not the id of a batch." : "");
  if (id) $("batch-id").value = id;
  batchPoll.soon();
}

async function readBatch() {
  const id = openBatch;
  try {
    const answer = await call("GET", `batches/${id}`);
    if (id !== openBatch) return 0;
    const batch = JSON.parse(answer.text);
    if (batch.done && $("batch-badge").textContent === "running") announce("The batch has ended.");
    batchDone = batch.done;
    setText("batch-error", "");
    renderBatch(batch);
    return answer.retryAfter ?? 1;
  } catch (error) {
    if (id !== openBatch) return 0;
    setText("batch-error", messageOf(error));
    batchDone = isFinal(error);
    throw error;
  }
}

const batchBadge = (done, { failed, refused }) => el("span", { class: `badge ${!done ? "queued" : failed || refused ? "failed" : "succeeded"}` }, done ? "ended" : "running");

function renderBatch(batch) {
  setText("batch-name", batch.name ?? batch.id);
  put($("batch-badge"), batchBadge(batch.done, batch.counts));
  put($("batch-bar"), sharesOf(batch.counts, batch.size));
  const counts = [["commands", batch.size], ...STATES.map((status) => [status, batch.counts[status] ?? 0])];
  put($("batch-counts"), ...counts.map(([name, count]) =>
    el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, String(count)))));
  show("batch-cancel", !batch.done);
  show("batch-retry", Boolean(batch.counts.failed));
  fill($("entries"), batch.entries.map(({ job, problem }, number) => {
    const status = job ? job.status : problem.status === 404 ? "expired" : "refused";
    const why = job ? job.error : problem;
    return { id: String(number), cells: [
      ["", () => String(number + 1), "number"],
      [status, () => badge(status)],
      [toJson([job?.id, why, several()]), () => [
        ...job ? [el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(nameOf(job))), ...[tag(job.collection ?? "items")].filter(Boolean)] : [bdi(why.title)],
        ...why ? detailsOf(why, job).map((text) => el("small", {}, bdi(text))) : []]],
    ] };
  }));
  show("batch-body", true);
}

// Return a bar with the share of each state in which jobs do not go on by themselves.
function sharesOf(counts, size) {
  let from = 0;
  return svg("svg", { class: "shares", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, ...STATES.slice(3).filter((status) => counts[status]).map((status) => {
    const width = 100 * counts[status] / size;
    from += width;
    return svg("rect", { class: status, x: from - width, y: 0, width, height: 4 });
  }));
}

const changeBatch = (button, method, path) => whileBusy(button, async () => {
  const id = openBatch;
  setText("batch-change-error", "");
  try {
    const answer = await call(method, path);
    if (id !== openBatch) return;
    const batch = JSON.parse(answer.text);
    const unreached = batch.entries.filter(({ unchanged }) => unchanged?.status >= 500).length;
    setText("batch-change-error", unreached ? `${unreached} of its jobs were not reached. Try again.` : "");
    renderBatch(batch);
    announce(method === "DELETE" ? "The batch is cancelled." : "What has failed is queued again.");
    batchDone = batch.done;
    batchPoll.soon();
  } catch (error) {
    if (id === openBatch) setText("batch-change-error", messageOf(error));
  }
});

on($("batch-cancel"), "click", (event) => changeBatch(event.currentTarget, "DELETE", `batches/${openBatch}`));
on($("batch-retry"), "click", (event) => changeBatch(event.currentTarget, "POST", `batches/${openBatch}/retry`));

// Return the texts of a problem. They are its errors if it has several or if the command has no job, else its detail.
// The number of the command is left out of the pointers, since its row shows it.
function detailsOf(problem, job) {
  const errors = problem.errors ?? [];
  return errors.length > (job ? 1 : 0) ? errors.map(({ pointer, detail }) => `${pointer?.replace(/^#\/commands\/\d+/, "#")}: ${detail}`) : [problem.detail ?? problem.title];
}

onSubmit("batch-form", () => {
  if (location.hash === `#/batches/${$("batch-id").value.trim().toLowerCase()}`) enterBatch(openBatch);
  else openById($("batch-id"), "batch-error");
});
