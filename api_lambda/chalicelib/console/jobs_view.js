// The overview: this tab's jobs as they go, and those of the caller that are in trouble.

const TROUBLE_PAUSE = 10;
let troubled = [], troubleMore = null, troublePages = 1;

const cellsOf = (job) => [
  [job.status, () => badge(job.status)],
  [JSON.stringify([job.operation, job.label, job.item_id, job.error]), () => commandCell(job)],
  [`${job.attempts} ${job.retries}`, () => job.retries ? `${job.attempts}, retried ${job.retries}×` : String(job.attempts), "wide"],
  [job.updated_at, () => when(job.updated_at)],
];

function commandCell(job) {
  const link = el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(job.label ?? job.item_id));
  const why = job.error ? el("small", {}, bdi(job.error.title)) : null;
  return [link, why].filter(Boolean);
}

function renderMine() {
  fill($("mine"), mine.map((job) => ({ id: job.id, cells: cellsOf(job) })));
  show("mine-empty", mine.length === 0);
  show("clear-ended", mine.some((job) => job.done));
}

function renderTrouble() {
  fill($("bad"), troubled.map((job) => ({ id: job.id, cells: cellsOf({ ...job, label: mine.find((each) => each.id === job.id)?.label }) })));
  show("bad-empty", troubled.length === 0);
  show("bad-more", troubleMore !== null);
}

const which = () => document.querySelector("input[name=which]:checked").value;

async function readTrouble() {
  const status = which();
  try {
    let path = `jobs?status=${status}&limit=20`, found = [];
    for (let page = 0; page < troublePages && path; page += 1) {
      const answer = await call("GET", path);
      found = found.concat(parts(answer.text).map(([, text]) => readJob(text)));
      path = nextPage(answer.headers);
    }
    if (status !== which()) return 0;
    troubled = found;
    troubleMore = path;
    tell("bad-said", status === "failed" ? "No job has failed." : "No job is between two attempts.");
  } catch (error) {
    tell("bad-said", said(error));
    throw error;
  } finally {
    renderTrouble();
  }
  return TROUBLE_PAUSE;
}

const trouble = repeat(async () => isShown("jobs") ? readTrouble() : 1);

for (const radio of document.querySelectorAll("input[name=which]")) {
  radio.addEventListener("change", () => {
    troubled = [];
    troublePages = 1;
    troubleMore = null;
    tell("bad-said", "Loading…");
    renderTrouble();
    trouble.soon();
  });
}
$("bad-more").addEventListener("click", () => {
  troublePages += 1;
  trouble.soon();
});
$("clear-ended").addEventListener("click", () => {
  forgetJobs((job) => job.done);
  renderMine();
});

listeners.add((job) => {
  renderMine();
  // The list of trouble may be a moment behind: what is read of a job itself counts.
  const listed = troubled.findIndex((each) => each.id === job.id);
  if (listed >= 0) {
    if (job.status === which()) troubled[listed] = job;
    else troubled.splice(listed, 1);
    renderTrouble();
  } else if (job.status === which()) {
    trouble.soon();
  }
});

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  open($("find-id"), "find-error");
});

// Goes to the job or batch whose id is in the input, or says why not.
function open(input, errorId) {
  const id = input.value.trim().toLowerCase();
  const batch = isBatchId(id), job = isJobId(id);
  tell(errorId, batch || job ? "" : "This is no id: a job's has 32 hex digits, a batch's is batch- and 32 of them.");
  input.setAttribute("aria-invalid", String(!batch && !job));
  if (batch || job) location.hash = `#/${batch ? "batches" : "jobs"}/${id}`;
  else input.focus();
}
