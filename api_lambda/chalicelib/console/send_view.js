// The form of a command, and the curl line that does the same.

const FIELDS = ["item_id", "name", "description", "fields", "if_match", "key"];
const INPUT = { key: "idem" };
const ERROR = { key: "key2-error" };
const HELP = {
  create: "Makes an item. Its name must be no other item's.",
  read: "Reads the item after everything that was accepted for it before, through the queue.",
  set: "Sets these fields of the item; the others stay as they are.",
  merge: "Merges into the item (RFC 7396): null removes a field, objects are merged, all else replaces.",
  delete: "Removes the item and frees its name.",
};
const USES = {
  create: ["name", "description", "fields", "key"],
  read: ["item_id", "key"],
  set: FIELDS,
  merge: FIELDS,
  delete: ["item_id", "if_match", "key"],
};

let loaded = null; // the item that is being edited: its id, and each field as it was
let sent = null; // the job of what the form says now
let sending = false;
let version = 0; // of the form: an answer that comes after a change is of what it said before

const input = (field) => $(INPUT[field] ?? field);
const value = (field) => input(field).value;
const operation = () => document.querySelector("input[name=op]:checked").value;

function newKey() {
  input("key").value = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fieldError(field, text) {
  tell(ERROR[field] ?? `${field}-error`, text);
  if (text) input(field).setAttribute("aria-invalid", "true");
  else input(field).removeAttribute("aria-invalid");
}

function clearErrors() {
  for (const field of FIELDS) fieldError(field, "");
  tell("form-error", "");
}

// The members of the further fields as [name, text]; an Error says what is wrong with them.
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

// What the form says: the request, and by field what would be refused.
function command() {
  const op = operation(), uses = USES[op], errors = {}, members = [];
  const headers = {};
  const id = value("item_id").trim();
  const edited = loaded && loaded.id === id && (op === "set" || op === "merge") ? loaded : null;
  if (uses.includes("item_id") && !isItemId(id)) errors.item_id = id ? "This is no item's id." : "Which item? Its id is needed.";
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
      const gone = edited && [...edited.further.keys()].filter((each) => !further.some(([name]) => name === each));
      if (gone?.length && op === "set") errors.fields = `Set would leave ${gone.join(", ")} as it is. To remove a field, choose Merge.`;
      if (gone?.length && op === "merge") members.push(...gone.map((each) => [each, "null"]));
      const kept = edited && op === "merge" && further.flatMap(([name, text]) => missing(edited.further.get(name), text, name));
      if (kept?.length) errors.fields = `Merge would leave ${kept.join(", ")} as it is. Write null for it, or choose Set.`;
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

// What an object has no more of what it had, at any depth: merging leaves it.
function missing(before, after, path) {
  if (before === undefined || before.trimStart()[0] !== "{" || after.trimStart()[0] !== "{") return [];
  const now = new Map(parts(after));
  return parts(before).flatMap(([name, text]) => now.has(name) ? missing(text, now.get(name), `${path}.${name}`) : [`${path}.${name}`]);
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ method, path, body, headers }) {
  const lines = [`curl -sS -X ${method} ${quoted(new URL(path, document.baseURI).href)}`, '-H "x-api-key: $JOBPIPE_API_KEY"'];
  lines.push(...Object.entries(headers).map(([name, text]) => `-H ${quoted(`${name}: ${text}`)}`));
  if (body !== undefined) lines.push(`--data-raw ${quoted(visible(body))}`);
  return lines.join(" \\\n  ");
}

function renderForm() {
  const op = operation();
  for (const field of FIELDS) show(`f-${field}`, USES[op].includes(field));
  tell("op-help", HELP[op]);
  $("curl").textContent = curl(command());
}

// What follows an accepted command is another one: the same key would make it a 422.
function changed() {
  version += 1;
  if (sent) anew();
  renderForm();
}

function anew() {
  forgetSent();
  show("sent", false);
  $("sent-badge").replaceChildren();
  newKey();
}

// With a command on its way the item is not what it was when it was loaded: the next one says all that is shown.
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
  if (job.status === "failed") place(job.error);
}

// Shows each error of a problem at its field, or above the form.
function place(problem) {
  const uses = USES[operation()];
  const at = {};
  for (const { pointer, detail } of problem.errors ?? []) {
    const [first] = String(pointer).replace(/^#\/?/, "").split("/");
    let name = first;
    try {
      name = decodeURIComponent(first);
    } catch {
      // As it is, then.
    }
    const field = FIELDS.includes(name) && uses.includes(name) ? name : uses.includes("fields") && first ? "fields" : null;
    (at[field ?? "form"] ??= []).push(field === "fields" ? `${pointer}: ${detail}` : detail);
  }
  const kind = String(problem.type ?? problem.kind).split(":").pop();
  const about = { "name-taken": "name", "not-found": "item_id", "version-mismatch": "if_match", "idempotency-key-reused": "key" }[kind];
  if (!Object.keys(at).length) at[uses.includes(about) ? about : "form"] = [problem.detail ?? problem.message];
  for (const [field, texts] of Object.entries(at)) {
    const text = texts.join(" ");
    if (field === "form") tell("form-error", text);
    else fieldError(field, text);
  }
  return Object.keys(at)[0];
}

const focusOn = (field) => field !== "form" && input(field).focus();

async function submit() {
  if (sending) return;
  clearErrors();
  const told = command();
  const wrong = FIELDS.filter((field) => told.errors[field]);
  for (const field of wrong) fieldError(field, told.errors[field]);
  if (wrong.length) return focusOn(wrong[0]);
  const asked = version;
  sending = true;
  $("submit").setAttribute("aria-busy", "true");
  try {
    const answer = await call(told.method, told.path, { headers: told.headers, body: told.body });
    const job = readJob(answer.text);
    const again = sent?.id === job.id;
    track(job, told.label);
    say(again ? "This was sent before: it is the same job." : "The command is accepted.");
    if (asked !== version) {
      if (value("key") === told.headers["Idempotency-Key"]) newKey();
      return renderForm();
    }
    sent = job;
    renderSent(job);
  } catch (error) {
    if (error instanceof Refused && error.status === 403) return;
    if (asked !== version) {
      if (value("key") === told.headers["Idempotency-Key"]) newKey();
      renderForm();
      return say(`What was sent before the form was changed: ${said(error)}`);
    }
    if (error instanceof Refused && error.status < 500 && error.status !== 429) return focusOn(place(error));
    // It may have been accepted: the same key makes it safe to send it again.
    tell("form-error", `${said(error)} Send it again as it is: its key sees to it that nothing is done twice.`);
  } finally {
    sending = false;
    $("submit").removeAttribute("aria-busy");
  }
}

function startAnew() {
  version += 1;
  loaded = null;
  for (const field of FIELDS) input(field).value = "";
  document.querySelector("input[name=op][value=create]").checked = true;
  clearErrors();
  anew();
  renderForm();
}

// The form for an item as it is: of its text and its entity tag.
function edit(id, text, etag) {
  startAnew();
  const item = JSON.parse(text);
  const further = parts(text).filter(([name]) => !["id", "name", "description"].includes(name));
  document.querySelector("input[name=op][value=set]").checked = true;
  input("item_id").value = id;
  input("name").value = item.name;
  input("description").value = item.description;
  input("fields").value = pretty(object(further));
  input("if_match").value = etag ?? "";
  // As the inputs hold them: they make one line end of all kinds.
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
    version += 1;
    forgetSent();
    renderForm();
  } else {
    changed();
  }
});
$("new-key").addEventListener("click", () => {
  fieldError("key", "");
  anew();
  renderForm();
});
$("reset").addEventListener("click", () => {
  startAnew();
  input("name").focus();
});
$("copy").addEventListener("click", async () => {
  const selection = getSelection();
  selection.selectAllChildren($("curl"));
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    say("Copied.");
  } catch {
    say("It is selected: copy it with the keyboard."); // a page that is not served securely has no clipboard
  }
});
listeners.add((job) => sent && !job.gone && renderSent(job));
