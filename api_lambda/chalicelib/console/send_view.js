// The form for a command, and the equivalent curl command.

const FIELDS = ["item_id", "name", "description", "fields", "if_match", "key"];
const INPUT = { key: "idem" };
const ERROR = { key: "key2-error" };
const HELP = {
  create: "Creates an item. No other item may have its name.",
  read: "Reads the item through the queue, after all commands that were accepted for it before.",
  set: "Sets these fields of the item; the others stay as they are.",
  merge: "Merges into the item (RFC 7396): null removes a field, objects are merged, other values are replaced.",
  delete: "Deletes the item and frees its name.",
};
const USES = {
  create: ["name", "description", "fields", "key"],
  read: ["item_id", "key"],
  set: FIELDS,
  merge: FIELDS,
  delete: ["item_id", "if_match", "key"],
};

let loaded = null; // the item that is being edited, with its fields as they were
let sent = null; // the job of the command in the form
let sending = false;
let formVersion = 0; // counts the changes of the form: a response to an earlier version does not concern the current one

const input = (field) => $(INPUT[field] ?? field);
const value = (field) => input(field).value;
const operation = () => document.querySelector("input[name=op]:checked").value;

function newKey() {
  input("key").value = randomKey();
}

function fieldError(field, text) {
  setText(ERROR[field] ?? `${field}-error`, text);
  if (text) input(field).setAttribute("aria-invalid", "true");
  else input(field).removeAttribute("aria-invalid");
}

function clearErrors() {
  for (const field of FIELDS) fieldError(field, "");
  setText("form-error", "");
}

// Return the members of the further fields as [name, JSON]; throw an Error that says what is wrong.
function furtherFields() {
  const text = value("fields").trim();
  if (!text) return [];
  let read;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  if (read === null || typeof read !== "object" || Array.isArray(read)) throw new Error('The further fields must be an object, as {"price": 12.95}.');
  return parts(text);
}

// Return the request that the form describes, and the errors by field.
function command() {
  const op = operation(), uses = USES[op], errors = {}, members = [];
  const headers = {};
  const id = value("item_id").trim();
  const edited = loaded && loaded.id === id && (op === "set" || op === "merge") ? loaded : null;
  if (uses.includes("item_id") && !isItemId(id)) errors.item_id = id ? "This cannot be the id of an item." : "The id of the item is needed.";
  if (uses.includes("name")) {
    const name = value("name"), description = value("description");
    if (op === "create" || (edited ? name !== edited.name : name !== "")) members.push(["name", JSON.stringify(name)]);
    if (op === "create" || (edited ? description !== edited.description : description !== "")) members.push(["description", JSON.stringify(description)]);
    const needed = op === "create" || edited;
    if (needed && !name.trim()) errors.name = "An item needs a name.";
    else if ([...name].length > 255) errors.name = "The name must have at most 255 characters.";
    try {
      const further = furtherFields();
      const twice = further.find(([each]) => each === "id" || (each === "name" || each === "description") && members.some(([name]) => name === each));
      if (twice) errors.fields = twice[0] === "id" ? "The id is assigned by the service." : `There is a field for the ${twice[0]} above.`;
      const same = ([each, text]) => edited?.further.get(each) === pretty(text);
      members.push(...further.filter((each) => !same(each)));
      const removed = edited && [...edited.further.keys()].filter((each) => !further.some(([name]) => name === each));
      if (removed?.length && op === "set") errors.fields = `Set would leave ${removed.join(", ")} as it is. To remove a field, choose Merge.`;
      if (removed?.length && op === "merge") members.push(...removed.map((each) => [each, "null"]));
      const unremoved = edited && op === "merge" && further.flatMap(([name, text]) => removedPaths(edited.further.get(name), text, name));
      if (unremoved?.length) errors.fields = `Merge would leave ${unremoved.join(", ")} as it is. Write null for it, or choose Set.`;
    } catch (error) {
      errors.fields = error.message;
    }
    if (!members.length && !Object.keys(errors).length) errors.fields = edited ? "Nothing is changed yet." : "At least one field is needed.";
  }
  if (uses.includes("if_match") && value("if_match").trim()) {
    if (/^[\x20-\x7e]+$/.test(value("if_match").trim())) headers["If-Match"] = value("if_match").trim();
    else errors.if_match = 'An entity tag is needed, as "…", or *.';
  }
  if (/^[\x21-\x7e]{1,255}$/.test(value("key"))) headers["Idempotency-Key"] = value("key");
  else errors.key = "1 to 255 visible ASCII characters are needed.";
  const path = itemPath(id || "ITEM_ID");
  const request = {
    create: ["POST", "items", object(members)],
    read: ["POST", "jobs", object([["operation", '"read"'], ["item_id", JSON.stringify(id)]])],
    set: ["PUT", path, object(members)],
    merge: ["PATCH", path, object(members)],
    delete: ["DELETE", path, undefined],
  }[op];
  if (request[2] !== undefined) headers["Content-Type"] = "application/json";
  return { op, errors, method: request[0], path: request[1], body: request[2], headers, label: value("name") && uses.includes("name") ? value("name") : loaded?.id === id ? loaded.name : undefined };
}

// Return the paths, at any depth, that `before` has and `after` lacks: a merge would not remove them.
function removedPaths(before, after, path) {
  if (before === undefined || before.trimStart()[0] !== "{" || after.trimStart()[0] !== "{") return [];
  const now = new Map(parts(after));
  return parts(before).flatMap(([name, text]) => now.has(name) ? removedPaths(text, now.get(name), `${path}.${name}`) : [`${path}.${name}`]);
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
  for (const field of FIELDS) show(`f-${field}`, USES[op].includes(field));
  setText("op-help", HELP[op]);
  $("curl").textContent = curl(command());
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
  $("sent-badge").replaceChildren();
  newKey();
}

// A sent command may have changed the item, so the next one sends all fields that are shown.
function forgetSent() {
  if (sent) loaded = null;
  sent = null;
}

function renderSent(job) {
  if (job.id !== sent?.id) return;
  if ($("sent-badge").textContent !== job.status) $("sent-badge").replaceChildren(badge(job.status));
  $("sent-link").href = `#/jobs/${job.id}`;
  $("sent-link").textContent = `Job ${job.id.slice(0, 8)}…`;
  $("sent-why").replaceChildren(job.error ? bdi(job.error.title) : "");
  show("sent", true);
  if (job.status === "failed") showProblem(job.error);
}

// Show each error of a problem at its field, or above the form; return the first field.
function showProblem(problem) {
  const uses = USES[operation()];
  const at = {};
  for (const { pointer, detail } of problem.errors ?? []) {
    const [first] = String(pointer).replace(/^#\/?/, "").split("/");
    const name = decoded(first);
    const field = FIELDS.includes(name) && uses.includes(name) ? name : uses.includes("fields") && first ? "fields" : null;
    (at[field ?? "form"] ??= []).push(field === "fields" ? `${pointer}: ${detail}` : detail);
  }
  const kind = String(problem.type ?? problem.kind).split(":").pop();
  const fieldOfKind = { "name-taken": "name", "not-found": "item_id", "version-mismatch": "if_match", "idempotency-key-reused": "key" }[kind];
  if (!Object.keys(at).length) at[uses.includes(fieldOfKind) ? fieldOfKind : "form"] = [problem.detail ?? problem.message];
  for (const [field, texts] of Object.entries(at)) {
    const text = texts.join(" ");
    if (field === "form") setText("form-error", text);
    else fieldError(field, text);
  }
  return Object.keys(at)[0];
}

const focusOn = (field) => field !== "form" && input(field).focus();

async function submit() {
  if (sending) return;
  clearErrors();
  const request = command();
  const wrong = FIELDS.filter((field) => request.errors[field]);
  for (const field of wrong) fieldError(field, request.errors[field]);
  if (wrong.length) return focusOn(wrong[0]);
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
    if (error instanceof ApiError && error.status === 403) return;
    if (sentVersion !== formVersion) {
      if (value("key") === request.headers["Idempotency-Key"]) newKey();
      renderForm();
      return announce(`The command that was sent before the form was changed: ${messageOf(error)}`);
    }
    if (error instanceof ApiError && error.status < 500 && error.status !== 429) return focusOn(showProblem(error));
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
  document.querySelector("input[name=op][value=create]").checked = true;
  clearErrors();
  prepareNext();
  renderForm();
}

// Fill the form with an item, given as its JSON and its entity tag.
function edit(id, text, etag) {
  resetForm();
  const item = JSON.parse(text);
  const further = parts(text).filter(([name]) => !["id", "name", "description"].includes(name));
  document.querySelector("input[name=op][value=set]").checked = true;
  input("item_id").value = id;
  input("name").value = item.name;
  input("description").value = item.description;
  input("fields").value = pretty(object(further));
  input("if_match").value = etag ?? "";
  // Read the values back, because inputs normalize line ends.
  loaded = { id, name: value("name"), description: value("description"), further: new Map(further.map(([name, each]) => [name, pretty(each)])) };
  renderForm();
  location.hash = "#/send";
}

$("send").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("send").addEventListener("input", (event) => {
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
$("new-key").addEventListener("click", () => {
  fieldError("key", "");
  prepareNext();
  renderForm();
});
$("reset").addEventListener("click", () => {
  resetForm();
  input("name").focus();
});
$("copy").addEventListener("click", async () => {
  const selection = getSelection();
  selection.selectAllChildren($("curl"));
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    announce("Copied.");
  } catch {
    announce("The command is selected: copy it with the keyboard."); // the clipboard needs HTTPS or localhost
  }
});
listeners.add((job) => sent && !job.expired && renderSent(job));
