// The overview: the jobs sent from this tab, and the caller's scheduled, failed or retrying jobs.

const LIST_PAUSE = 10;
let listed = [], listedNext = null, listedPages = 1;

const cellsOf = (job) => [
  [job.status, () => badge(job.status)],
  [toJson([job.operation, nameOf(job), job.error, several()]), () => commandCell(job)],
  [`${job.attempts} ${job.retries}`, () => job.retries ? `${job.attempts}, retried ${job.retries}×` : String(job.attempts), "wide"],
  job.status === "scheduled" ? [job.not_before, () => clock(job.not_before, "short")] : [job.updated_at, () => when(job.updated_at)],
];

function commandCell(job) {
  const link = el("a", { href: `#/jobs/${job.id}` }, `${job.operation} `, bdi(nameOf(job)));
  const why = job.error ? el("small", {}, bdi(job.error.detail ?? job.error.title)) : null;
  return [link, tag(job.collection), why].filter(Boolean);
}

function renderMine() {
  fill($("mine"), sentJobs.map((job) => ({ id: job.id, cells: cellsOf(job) })));
  show("mine-part", sentJobs.length > 0 || listIsOff);
  show("mine-empty", sentJobs.length === 0);
  show("clear-ended", sentJobs.some((job) => job.done));
}

function renderListed() {
  fill($("listed"), listed.map((job) => ({ id: job.id, cells: cellsOf(job) })));
  show("listed-empty", listed.length === 0);
  show("listed-more", listedNext !== null);
}

const listedStatus = () => document.querySelector("input[name=which]:checked").value;

async function readListed() {
  const status = listedStatus();
  try {
    let path = `jobs?status=${status}&limit=20`, found = [];
    for (let page = 0; page < listedPages && path; page += 1) {
      const answer = await call("GET", path);
      found = found.concat(parts(answer.text).map(([, text]) => readJob(text)));
      path = nextPage(answer.headers);
    }
    if (status !== listedStatus()) return 0;
    listed = found;
    listedNext = path;
    setText("listed-text", status === "failed" ? "No failed job is listed. New ones come a moment later, and dismissed ones are left out." : status === "scheduled" ? "No job waits for its time." : "No job is between two attempts.");
  } catch (error) {
    setText("listed-text", messageOf(error));
    throw error;
  } finally {
    renderListed();
  }
  return LIST_PAUSE;
}

const listPoll = repeat(async () => isShown("jobs") ? readListed() : 1);

for (const radio of all("input[name=which]")) {
  on(radio, "change", () => {
    listed = [];
    listedPages = 1;
    listedNext = null;
    setText("listed-text", "Loading…");
    renderListed();
    listPoll.soon();
  });
}
on($("listed-more"), "click", () => {
  listedPages += 1;
  listPoll.soon();
});
on($("clear-ended"), "click", () => {
  forgetJobs((job) => job.done);
  renderMine();
});

listeners.add((job) => {
  renderMine();
  // The list may be a moment behind; the job itself is always current.
  const position = listed.findIndex((each) => each.id === job.id);
  if (position >= 0) {
    if (job.status === listedStatus()) listed[position] = job;
    else listed.splice(position, 1);
    renderListed();
  } else if (job.status === listedStatus()) {
    listPoll.soon();
  }
});

onSubmit("find", () => {
  openById($("find-id"), "find-error");
});

// Show the job or batch whose id is in the input, or an error.
function openById(input, errorId) {
  const id = input.value.trim().toLowerCase();
  const batch = isBatchId(id), job = isJobId(id);
  setText(errorId, batch || job ? "" : "This is no id. The id of a job has 32 hex digits; that of a batch is batch- and 32 hex digits.");
  setInvalid(input, !batch && !job);
  if (batch || job) location.hash = `#/${batch ? "batches" : "jobs"}/${id}`;
  else input.focus();
}
