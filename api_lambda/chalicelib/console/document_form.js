// The form's inputs for a document of a collection other than items, made from its schema, or for the members of an operation.

const WRITES = ["create", "upsert", "set", "merge"];
let forms = new Map(); // by "document" or the name of an operation: {field, area, json: whether it is shown as JSON}

const operationsOf = ({ key, operations }) => ["create", ...key ? ["upsert"] : [], "read", "set", "merge", "delete", ...operations.keys()];

function documentHelp(op) {
  const { key, unique, operations } = chosen, word = noun(chosen), own = [...key ? [key] : [], ...unique].join(" or ");
  return {
    __proto__: null, // an operation may have any name
    create: `Creates a new ${word}.${own ? ` No other may have its ${own}.` : ""}`,
    upsert: `Creates the ${word} with this ${key}, or sets these fields of it if there is one.`,
    read: `Reads the ${word} through the queue, after all commands that were accepted for it before.`,
    set: `Sets these fields of the ${word}; the others stay as they are.`,
    merge: `Merges into the ${word} (RFC 7396): null removes a field, objects are merged, other values are replaced.`,
    delete: `Deletes the ${word}.`,
  }[op] ?? operations.get(op).description;
}

function documentUses(op) {
  if (op === "create" || op === "upsert") return ["document", "key"];
  if (op === "read") return ["item_id", "key"];
  if (op === "delete") return ["item_id", "if_match", "key"];
  return ["item_id", ...chosen.operations.get(op)?.empty ? [] : ["document"], "if_match", "key"];
}

// Return the form of the operation; it is made when it is first shown, and keeps its content.
function documentForm(op) {
  const name = WRITES.includes(op) ? "document" : op;
  if (!forms.has(name)) {
    const schema = name === "document" ? chosen.schema : chosen.operations.get(op).schema;
    const field = fieldFor({ schema, root: schema, required: true, depth: 0, top: name === "document", plain: true, first: !loaded && op !== "set" && op !== "merge" });
    const area = jsonField({ words: new Map(), label: name === "document" ? "Document" : "Members", required: true, unmarked: true }, (value) =>
      value === null || typeof value !== "object" || Array.isArray(value) ? "An object is needed." : null);
    area.control.rows = 14;
    forms.set(name, { field, area, json: false });
  }
  return forms.get(name);
}

function renderDocument(op) {
  const form = documentForm(op), { element } = form.json ? form.area : form.field;
  form.field.partial?.((op === "set" || op === "merge") && !loaded);
  if ($("document-form").firstChild !== element) put($("document-form"), element);
  document.querySelector(`input[name=as][value=${form.json ? "json" : "form"}]`).checked = true;
}

// Return the JSON of the form, and call fail(field, text) for each thing that is wrong.
function documentText(op, fail) {
  const form = documentForm(op);
  return (form.json ? form.area : form.field).read(fail) ?? "{}";
}

function writeDocument(op, text) {
  const form = documentForm(op);
  form.field.write(text);
  form.area.write(text);
}

// Show the same content as JSON, or in inputs again.
function showAs(json) {
  const form = documentForm(operation()), from = form.json ? form.area : form.field;
  const failed = [];
  from.clear();
  const text = from.read((field, why, missing) => missing || failed.push([field, why]));
  for (const [field, why] of failed) field.error(why);
  if (!failed.length) {
    (json ? form.area : form.field).write(text ?? "{}");
    form.json = json;
  }
  renderForm();
  failed[0]?.[0].focus();
}

// Return the body of the command as [name, JSON], or undefined; append what is wrong to failed, as [field, text].
function documentMembers(op, edited, failed) {
  const text = documentText(op, (...each) => failed.push(each));
  if (op !== "set" && op !== "merge") return parts(text);
  const before = edited?.text;
  const now = new Map(parts(text)), old = new Map(before === undefined ? [] : parts(before));
  const members = before !== undefined && op === "merge" ? mergePatch(before, text) : [...now].filter(([name, each]) => !sameJson(old.get(name), each));
  const gone = op === "merge" ? [] : [...old.keys()].filter((name) => !now.has(name));
  if (gone.length) failed.push([null, `Set would leave ${gone.join(", ")} as it is. To remove a field, choose Merge.`]);
  const nulled = before !== undefined && op === "merge" ? addedNulls(before, text, "") : [];
  if (nulled.length) failed.push([null, `Merge would remove ${nulled.join(", ")}, where the form has null. Choose Set.`]);
  if (!members.length && !failed.length) failed.push([null, before === undefined ? "At least one field is needed." : "Nothing is changed yet."]);
  return members;
}

const isObject = (text) => text?.trimStart()[0] === "{";
const sameJson = (one, other) => one !== undefined && other !== undefined && pretty(one) === pretty(other);

// Return the members of the merge patch (RFC 7396) from one object to another.
function mergePatch(before, after) {
  const old = new Map(parts(before)), now = new Map(parts(after));
  return [
    ...[...now].filter(([name, text]) => !sameJson(old.get(name), text)).map(([name, text]) =>
      [name, isObject(text) && isObject(old.get(name)) ? object(mergePatch(old.get(name), text)) : text]),
    ...[...old.keys()].filter((name) => !now.has(name)).map((name) => [name, "null"]),
  ];
}

// Return the paths at which only `after` has null: in a merge patch null removes.
function addedNulls(before, after, path) {
  return parts(after).flatMap(([name, text]) => {
    const old = isObject(before) ? member(before, name) : undefined;
    if (sameJson(old, text)) return [];
    if (text === "null") return [`${path}${name}`];
    return isObject(text) ? addedNulls(old ?? "{}", text, `${path}${name}.`) : [];
  });
}

function documentRequest(op, id, members) {
  const path = documentPath(chosen, id || "ITEM_ID"), body = object(members);
  const raw = (...more) => object([["operation", toJson(op)], ["collection", toJson(chosen.name)], ...more]);
  return {
    __proto__: null,
    create: ["POST", collectionPath(chosen), body],
    upsert: ["POST", "jobs", raw(["item", body])],
    read: ["POST", "jobs", raw(["item_id", toJson(id)])],
    set: ["PUT", path, body],
    merge: ["PATCH", path, body],
    delete: ["DELETE", path, undefined],
  }[op] ?? ["POST", `${path}/${encodeURIComponent(op)}`, body];
}

// Show an error at the input of its pointer; return the field, or null if the form has no input for it.
function showDocumentError(op, pointer, text, existing) {
  const path = String(pointer ?? "").split("/").slice(1).map((each) => decoded(each).replaceAll("~1", "/").replaceAll("~0", "~"));
  if (op === "upsert" && path[0] === "item") path.shift(); // the pointer is into the whole command
  // Of a member that is missing the pointer is that of the object around it.
  const missing = /^`([^`]+)` is required/.exec(text)?.[1];
  if (missing !== undefined) path.push(missing);
  const form = documentForm(op);
  const field = form.json ? form.area : path.length ? form.field.at(path) : null;
  if (!field || field === form.field.at([])) return null;
  const shownAt = field.shownErrors ??= [];
  // JSON text has no input for each of its parts.
  shownAt.push(...shownAt.length ? [" "] : [], bdi(field.isJson ? `${pointer}: ${text}` : text), ...existing ? [" ", documentLink(chosen.name, existing, `The other ${noun(chosen)}`)] : []);
  field.error(...shownAt);
  return field;
}

function clearDocumentErrors() {
  for (const { field, area } of forms.values()) for (const each of [field, area]) each.clear();
}

// A form is opened for a collection, perhaps an operation, and perhaps a document, which set and merge show for a change.
async function enterSend({ collection, operation: op, id }) {
  const { hash } = location;
  $("nav-send").href = collection === ITEMS ? "#/send" : hash;
  if (collection === chosen && (collection === ITEMS || hash === openForm)) return renderForm();
  chooseCollection(collection);
  openForm = hash;
  resetForm();
  if (collection === ITEMS) return;
  chooseOperation(op && operationsOf(collection).includes(op) ? op : "create");
  input("item_id").value = id ?? "";
  renderForm();
  if (!id || op !== "set" && op !== "merge") return;
  try {
    const answer = await call("GET", documentPath(collection, id));
    if (openForm !== hash || formVersion !== openVersion) return;
    const text = object(parts(answer.text).filter(([name]) => name !== "id"));
    loaded = { id, text, label: documentLabel(collection, answer.text) };
    forms.clear();
    writeDocument(op, text);
    input("if_match").value = answer.headers.get("ETag") ?? "";
    renderForm();
  } catch (error) {
    if (openForm === hash) setText("form-error", messageOf(error));
  }
}
