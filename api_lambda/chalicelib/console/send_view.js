// The form for a command, and the equivalent curl command.

const FIELDS = ["item_id", "name", "description", "fields", "if_match", "key"];
const INPUT = { key: "idem" };
const ERROR = { key: "key2-error" };

let chosen = ITEMS; // the collection of the form
let openForm = null; // the address at which the form was opened, of a collection other than items
let loaded = null; // the document that is being edited, as it was
let sent = null; // the job of the command in the form
let sending = false;
let openVersion = 0; // the form's version when it was opened
let formVersion = 0; // counts the changes of the form: a response to an earlier version does not concern the current one

const input = (field) => $(INPUT[field] ?? field);
const value = (field) => input(field).value;
const operation = () => document.querySelector("input[name=op]:checked").value;
const usesOf = (op) => chosen === ITEMS ? USES[op] : documentUses(op);
const ofItems = [...$("ops").querySelectorAll("label")];

function chooseOperation(op) {
  for (const radio of all("input[name=op]")) radio.checked = radio.value === op;
}

function chooseCollection(collection) {
  if (chosen === collection) return;
  chosen = collection;
  const isItems = collection === ITEMS;
  forms = new Map();
  put($("document-form"));
  $("send-collection").value = collection.name;
  put($("ops"), $("ops").firstElementChild, ...isItems ? ofItems : operationsOf(collection).map((op, place) =>
    el("label", {}, el("input", { type: "radio", name: "op", value: op, checked: place ? undefined : "" }), el("span", {}, capital(op)))));
  setText("item_id-label", `${collection.title} id`);
  setText("if_match-noun", noun(collection));
}

// The next opening of the form of a document starts anew.
function forgetForm() {
  openForm = null;
}

function newKey() {
  input("key").value = randomKey();
}

function fieldError(field, text) {
  setText(ERROR[field] ?? `${field}-error`, text);
  if (text && ["if_match", "key"].includes(field)) $("advanced").open = true;
  setInvalid(input(field), text);
}

function clearErrors() {
  for (const field of FIELDS) fieldError(field, "");
  clearDocumentErrors();
  setText("form-error", "");
}

// Return the request that the form describes, the errors by field, and what is wrong in the document as [field, text].
function command() {
  const op = operation(), uses = usesOf(op), isItems = chosen === ITEMS, errors = {}, failed = [];
  const headers = {};
  const id = value("item_id").trim();
  const edited = loaded && loaded.id === id && (op === "set" || op === "merge") ? loaded : null;
  if (uses.includes("item_id") && !isItemId(id)) errors.item_id = id ? `This cannot be the id of ${isItems ? "an item" : "a document"}.` : `The id of the ${noun(chosen)} is needed.`;
  const members = isItems ? uses.includes("name") ? itemMembers(op, edited, errors) : [] : uses.includes("document") ? documentMembers(op, edited, failed) : [];
  if (uses.includes("if_match") && value("if_match").trim()) {
    if (/^[\x20-\x7e]+$/.test(value("if_match").trim())) headers["If-Match"] = value("if_match").trim();
    else errors.if_match = 'An entity tag is needed, as "…", or *.';
  }
  if (/^[\x21-\x7e]{1,255}$/.test(value("key"))) headers["Idempotency-Key"] = value("key");
  else errors.key = "1 to 255 visible ASCII characters are needed.";
  const path = documentPath(ITEMS, id || "ITEM_ID");
  const request = isItems ? {
    create: ["POST", "items", object(members)],
    read: ["POST", "jobs", object([["operation", '"read"'], ["item_id", toJson(id)]])],
    set: ["PUT", path, object(members)],
    merge: ["PATCH", path, object(members)],
    delete: ["DELETE", path, undefined],
  }[op] : documentRequest(op, id, members);
  if (request[2] !== undefined) headers["Content-Type"] = "application/json";
  const named = isItems ? uses.includes("name") && value("name") : WRITES.includes(op) && documentLabel(chosen, object(members));
  return { op, errors, failed, method: request[0], path: request[1], body: request[2], headers, label: named ? named : [loaded, chosen !== ITEMS && openItem?.collection === chosen ? openItem : null].find((each) => each?.id === id)?.label };
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ method, path, body, headers }) {
  const lines = [`curl -sS -X ${method} ${shellQuoted(new URL(path, document.baseURI).href)}`, '-H "x-api-key: $JOBPIPE_API_KEY"'];
  lines.push(...Object.entries(headers).map(([name, text]) => `-H ${shellQuoted(`${name}: ${text}`)}`));
  if (body !== undefined) lines.push(`--data-raw ${shellQuoted(visible(body))}`);
  return lines.join(" \\\n  ");
}

function renderForm() {
  const op = operation();
  const uses = usesOf(op);
  for (const field of [...FIELDS, "document"]) show(`f-${field}`, uses.includes(field));
  setText("op-help", chosen === ITEMS ? HELP[op] : documentHelp(op));
  if (uses.includes("document")) renderDocument(op);
  setText("curl", curl(command()));
}

// After an accepted command a change makes a new one, which needs a new key.
function formChanged() {
  formVersion += 1;
  if (sent) prepareNext();
  renderForm();
}

function prepareNext() {
  forgetSent();
  show("sent", false);
  put($("sent-badge"));
  newKey();
}

// A sent command may have changed the item, so the next one sends all fields that are shown.
function forgetSent() {
  if (sent) loaded = null;
  sent = null;
}

function renderSent(job) {
  if (job.id !== sent?.id) return;
  if ($("sent-badge").textContent !== job.status) put($("sent-badge"), badge(job.status));
  $("sent-link").href = `#/jobs/${job.id}`;
  setText("sent-link", `Job ${job.id.slice(0, 8)}…`);
  put($("sent-why"), job.error ? bdi(job.error.title) : "");
  show("sent", true);
  if (job.status === "failed") showProblem(job.error);
}

// Show each error of a problem at its field, or above the form; return what shows the first of them.
function showProblem(problem) {
  const op = operation(), uses = usesOf(op);
  const at = {};
  let first = null;
  for (const { pointer, detail } of problem.errors ?? []) {
    if (uses.includes("document")) {
      const field = showDocumentError(op, pointer, detail, problem.existing);
      if (!field) (at.form ??= []).push(pointer && pointer !== "#" ? `${pointer}: ${detail}` : detail);
      first ??= field;
      continue;
    }
    const [segment] = String(pointer).replace(/^#\/?/, "").split("/");
    const name = decoded(segment);
    const field = FIELDS.includes(name) && uses.includes(name) ? name : uses.includes("fields") && segment ? "fields" : null;
    (at[field ?? "form"] ??= []).push(field === "fields" ? `${pointer}: ${detail}` : detail);
  }
  // The refusals of operations, as orders:not-paid, have words of their own.
  const kind = /^[^:]*$/.exec(String(problem.type).replace(/^urn:jobpipe:problem:/, ""))?.[0];
  const fieldOfKind = { "name-taken": "name", "not-found": "item_id", "version-mismatch": "if_match", "idempotency-key-reused": "key" }[kind];
  if (!first && !Object.keys(at).length) at[uses.includes(fieldOfKind) ? fieldOfKind : "form"] = [problem.detail ?? problem.message];
  for (const [field, texts] of Object.entries(at)) {
    const text = texts.join(" ");
    if (field === "form") setText("form-error", text);
    else fieldError(field, text);
  }
  const [field] = Object.keys(at);
  return first ?? (field && field !== "form" ? input(field) : null);
}

async function submit() {
  if (sending) return;
  clearErrors();
  const request = command();
  const wrong = FIELDS.filter((field) => request.errors[field]);
  for (const field of wrong) fieldError(field, request.errors[field]);
  for (const [field, text] of request.failed) field ? field.error(text) : setText("form-error", text);
  if (wrong.length) return input(wrong[0]).focus();
  if (request.failed.length) return request.failed.find(([field]) => field)?.[0].focus();
  const sentVersion = formVersion;
  sending = true;
  $("submit").setAttribute("aria-busy", "true");
  try {
    const answer = await call(request.method, request.path, { headers: request.headers, body: request.body });
    const job = readJob(answer.text);
    const repeated = sent?.id === job.id;
    track(job, request.label);
    announce(repeated ? "This command was sent before; its job is the same." : "The command is accepted.");
    if (sentVersion !== formVersion) {
      if (value("key") === request.headers["Idempotency-Key"]) newKey();
      return renderForm();
    }
    sent = job;
    renderSent(job);
  } catch (error) {
    if (error.keyRefused) return;
    if (sentVersion !== formVersion) {
      if (value("key") === request.headers["Idempotency-Key"]) newKey();
      renderForm();
      return announce(`The command that was sent before the form was changed: ${messageOf(error)}`);
    }
    if (isFinal(error)) return showProblem(error)?.focus();
    // The command may have been accepted; with the same key it is safe to send it again.
    setText("form-error", `${messageOf(error)} Send it again unchanged: with its key the command takes effect only once.`);
  } finally {
    sending = false;
    $("submit").removeAttribute("aria-busy");
  }
}

function resetForm() {
  formVersion += 1;
  loaded = null;
  for (const field of FIELDS) input(field).value = "";
  chooseOperation("create");
  forms = new Map();
  clearErrors();
  prepareNext();
  openVersion = formVersion;
  renderForm();
}

onSubmit("send", () => {
  submit();
});
on($("send"), "input", (event) => {
  if (event.target.name === "as") return showAs(event.target.value === "json");
  event.target.closest("#document-form .field")?.field.clear();
  const field = FIELDS.find((each) => input(each) === event.target);
  if (field) fieldError(field, "");
  if (field === "key") {
    formVersion += 1;
    forgetSent();
    renderForm();
  } else {
    formChanged();
  }
});
on($("new-key"), "click", () => {
  fieldError("key", "");
  prepareNext();
  renderForm();
});
on($("reset"), "click", () => {
  resetForm();
  if (chosen === ITEMS) return input("name").focus();
  openForm = sendHref(chosen.name);
  keepFocus(() => {
    location.hash = openForm;
  });
  documentForm("create").field.focus();
});
on($("copy"), "click", () => copyText($("curl"), "The command"));
listeners.add((job) => sent && !job.expired && renderSent(job));
on($("send-collection"), "change", (event) => keepFocus(() => {
  const { value: name } = event.target;
  location.hash = name === "items" ? "#/send" : sendHref(name);
}));
