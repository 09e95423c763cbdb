// A batch: how many of its commands are in which state, and each of them.

const COUNTED = ["queued", "retrying", "succeeded", "failed", "cancelled", "refused", "expired"];
let openBatch = null; // its id
let batchDone = false;

const batchPoll = repeat(async () => {
  if (!openBatch || batchDone || !isShown("batches")) return 1;
  return readBatch();
});

function enterBatch(id) {
  if (id !== openBatch) show("batch-body", false);
  openBatch = isBatchId(id) ? id : null;
  batchDone = false;
  tell("batch-error", id && !openBatch ? "This is no batch's id." : "");
  if (id) $("batch-id").value = id;
  batchPoll.soon();
}

async function readBatch() {
  const id = openBatch;
  try {
    const answer = await call("GET", `batches/${id}`);
    if (id !== openBatch) return 0;
    const batch = JSON.parse(answer.text);
    if (batch.done && $("batch-badge").textContent === "running") say("The batch has ended.");
    batchDone = batch.done;
    tell("batch-error", "");
    renderBatch(batch);
    return answer.retryAfter ?? 1;
  } catch (error) {
    if (id !== openBatch) return 0;
    tell("batch-error", said(error));
    batchDone = error instanceof Refused && error.status < 500 && error.status !== 429;
    throw error;
  }
}

function renderBatch(batch) {
  $("batch-name").textContent = batch.id;
  $("batch-badge").replaceChildren(el("span", { class: `badge ${batch.done ? "succeeded" : "queued"}` }, batch.done ? "ended" : "running"));
  const counted = COUNTED.filter((status) => batch.counts[status]);
  let from = 0;
  $("batch-bar").replaceChildren(...counted.map((status) => {
    const width = 100 * batch.counts[status] / batch.size;
    from += width;
    return svg("rect", { class: status, x: from - width, y: 0, width, height: 4 });
  }));
  const counts = [["commands", batch.size], ...COUNTED.map((status) => [status, batch.counts[status] ?? 0])];
  $("batch-counts").replaceChildren(...counts.map(([name, count]) =>
    el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, String(count)))));
  fill($("entries"), batch.entries.map(({ job, problem }, number) => {
    const status = job ? job.status : problem.status === 404 ? "expired" : "refused";
    const why = job ? job.error : problem;
    return { id: String(number), cells: [
      ["", () => String(number + 1), "number"],
      [status, () => badge(status)],
      [JSON.stringify([job?.id, why]), () => [
        ...job ? [el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(job.item_id))] : [bdi(why.title)],
        ...why ? detailsOf(why).map((text) => el("small", {}, bdi(text))) : []]],
    ] };
  }));
  show("batch-body", true);
}

// The texts of a problem: each of its errors if there are several, else its detail.
function detailsOf(problem) {
  const errors = problem.errors ?? [];
  return errors.length > 1 ? errors.map(({ pointer, detail }) => `${pointer}: ${detail}`) : [problem.detail ?? problem.title];
}

$("batch-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (location.hash === `#/batches/${$("batch-id").value.trim().toLowerCase()}`) enterBatch(openBatch);
  else open($("batch-id"), "batch-error");
});
