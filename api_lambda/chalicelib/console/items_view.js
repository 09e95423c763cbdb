// The committed documents of a collection: a page of them, and one document.

const PAGE = 20;
const COLUMNS = 5;
let listedCollection = ITEMS;
let pages = []; // the paths of the pages up to the one that is shown
let next = null;
let readingItems = false;
let openItem = null;

function enterItems({ collection, query }) {
  listedCollection = collection;
  const isItems = collection === ITEMS;
  setText("items-title", isItems ? "Items" : plural(collection));
  setText("new-item", `New ${noun(collection)}`);
  $("new-item").href = isItems ? "#/send" : sendHref(collection.name);
  $("items-collection").value = collection.name;
  renderHead(collection);
  const fields = lookUpFields(collection), [field = "", wanted = ""] = [...new URLSearchParams(query)][0] ?? [];
  show("look-up", !isItems);
  put($("look-up-field"), ...[...fields, "id"].map((name) => el("option", { value: name }, name)));
  if (fields.includes(field)) $("look-up-field").value = field;
  $("look-up-value").value = wanted;
  setText("look-up-error", "");
  show("look-up-all", Boolean(field));
  const path = collectionPath(collection), isIndex = collection.indexes.includes(field);
  const limit = !field || isIndex ? [["limit", String(PAGE)]] : []; // a key or unique value has one document at most
  const [before] = pages;
  pages = [`${path}?${queryOf([...field ? [[field, wanted]] : [], ...limit])}`];
  if (pages[0] !== before) fill($("items"), []);
  show("items-empty", $("items").hidden);
  readItems();
}

// Return the members for the columns: key, unique and indexed ones first, then others that are no objects or arrays.
function columnsOf(collection) {
  if (collection.columns) return collection.columns;
  const words = keywords(collection.schema, collection.schema), properties = new Map(parts(words.get("properties") ?? "{}"));
  for (const { own } of alternatives(words, collection.schema)) {
    for (const [name, text] of parts(keywords(own, collection.schema).get("properties") ?? "{}")) if (!properties.has(name)) properties.set(name, text);
  }
  const kinds = new Map([...properties].map(([name, text]) => [name, scalarType(text, collection.schema)]));
  const names = [...new Set([...lookUpFields(collection), ...[...kinds].filter(([, kind]) => kind).map(([name]) => name)])].slice(0, COLUMNS);
  collection.columns = names.map((name) => ({ name, amount: ["integer", "number"].includes(kinds.get(name)) }));
  return collection.columns;
}

// Return the type of the values if they are no objects or arrays, though they may be null.
function scalarType(text, root) {
  const words = keywords(text, root), { types } = typesOf(words);
  const values = alternatives(words, root).filter(({ own }) => own !== '{"type": "null"}');
  if (types.length === 0 && values.length === 1) return scalarType(values[0].schema, root);
  return ["string", "integer", "number", "boolean"].find((each) => types.length === 1 && types[0] === each) ?? (words.has("enum") || words.has("const") ? "string" : null);
}

function renderHead(collection) {
  const table = $("items");
  if (table.of === collection) return;
  const isItems = collection === ITEMS;
  const columns = isItems ? [["Name"], ["Description"], ["Id", "wide"]]
    : [...columnsOf(collection).map(({ name, amount }, place) => [name, [amount ? "amount" : "", place > 2 ? "wide" : ""].join(" ").trim()]), ["Id", "wide"]];
  if (table.of || !isItems) table.tHead.rows[0].replaceChildren(...columns.map(([name, kind]) => el("th", { scope: "col", class: kind || undefined }, bdi(name))));
  table.caption.textContent = `${isItems ? "Items" : plural(collection)}, in no particular order`;
  table.classList.toggle("any", !isItems);
  table.tBodies[0].replaceChildren();
  table.of = collection;
}

async function readItems() {
  const path = pages.at(-1), collection = listedCollection;
  setText("items-text", "Loading…");
  readingItems = true;
  try {
    const answer = await call("GET", path);
    if (path !== pages.at(-1)) return;
    next = nextPage(answer.headers);
    // A header names the items that the page leaves out; each has a row with a link to its error.
    const unreadable = answer.headers.get("Unreadable-Items")?.split(", ") ?? [];
    const row = collection === ITEMS ? itemRow : (text) => documentRow(collection, text);
    fill($("items"), [...parts(answer.text).map(([, text]) => row(text)), ...unreadable.map((id) => unreadableRow(collection, id))]);
    setText("items-text", $("look-up-all").hidden ? `There is no ${noun(collection)} yet.` : `No ${noun(collection)} has this value.`);
  } catch (error) {
    if (path !== pages.at(-1)) return;
    fill($("items"), []);
    next = null;
    setText("items-text", messageOf(error));
  } finally {
    if (path === pages.at(-1)) readingItems = false;
  }
  show("items-empty", $("items").hidden);
  show("items-prev", pages.length > 1);
  show("items-next", next !== null);
  setText("items-page", pages.length > 1 || next ? `Page ${pages.length}` : "");
}

function itemRow(text) {
  const { id, name, description } = JSON.parse(text);
  return { id, cells: [[name, () => documentLink("items", id, bdi(name))], [description, () => bdi(description)], [id, () => el("code", { title: id }, bdi(shortId(id))), "wide"]] };
}

function documentRow(collection, text) {
  const members = new Map(parts(text)), id = JSON.parse(members.get("id"));
  const columns = columnsOf(collection);
  const cells = columns.map(({ name, amount }, place) => {
    const shown = members.has(name) ? plain(members.get(name)) : "";
    const kind = [amount ? "amount" : "", place > 2 ? "wide" : ""].join(" ").trim();
    return [shown, () => place === 0 ? documentLink(collection.name, id, bdi(shown || shortId(id))) : bdi(shown), kind];
  });
  const shortened = el("code", { title: id }, bdi(shortId(id)));
  return { id, cells: [...cells, [id, () => columns.length ? shortened : documentLink(collection.name, id, shortened), "wide"]] };
}

function unreadableRow(collection, id) {
  const link = () => documentLink(collection.name, id, "(cannot be read)"), why = "The service does not find its document.";
  if (collection === ITEMS) return { id, cells: [["", link], ["", () => why], [id, () => code(shortId(id)), "wide"]] };
  const rest = columnsOf(collection).slice(2).map((_, place) => ["", () => "", place ? "wide" : ""]);
  return { id, cells: [["?", link], ...columnsOf(collection).length > 1 ? [["?", () => why]] : [], ...rest, [id, () => code(shortId(id)), "wide"]] };
}

// Ignore the second press of a double click, which comes before the page is read.
on($("items-next"), "click", () => {
  if (readingItems || !next) return;
  pages.push(next);
  readItems().then(() => heading().focus());
});
on($("items-prev"), "click", () => {
  if (readingItems || pages.length < 2) return;
  pages.pop();
  readItems().then(() => heading().focus());
});
on($("items-collection"), "change", (event) => keepFocus(() => {
  location.hash = documentsHref(event.target.value);
}));

onSubmit("look-up", () => {
  const field = $("look-up-field").value, wanted = $("look-up-value").value;
  const wrong = field === "id" ? (isItemId(wanted.trim()) ? "" : "The id is needed.")
    : listedCollection.types[field] === "integer" ? (INTEGER.test(wanted.trim()) ? "" : `${field} is a whole number.`)
    : wanted ? "" : "A value is needed.";
  setText("look-up-error", wrong);
  setInvalid($("look-up-value"), wrong);
  if (wrong) return $("look-up-value").focus();
  const value = field === "id" || listedCollection.types[field] === "integer" ? wanted.trim() : wanted;
  const before = location.hash;
  location.hash = field === "id" ? documentHref(listedCollection.name, value) : `${documentsHref(listedCollection.name)}?${queryOf([[field, value]])}`;
  if (location.hash === before) readItems();
});
on($("look-up-all"), "click", () => {
  location.hash = documentsHref(listedCollection.name);
});

async function enterItem({ collection, id }) {
  openItem = { id, collection };
  const isItems = collection === ITEMS;
  setText("item-title", collection.title);
  setText("item-crumb", isItems ? "Items" : plural(collection));
  $("item-crumb").href = documentsHref(collection.name);
  show("item-body", false);
  setText("item-problem", isItemId(id) ? "" : isItems ? "This cannot be the id of an item." : "This cannot be the id of a document.");
  if (!isItemId(id)) return;
  const opened = openItem;
  try {
    const answer = await call("GET", documentPath(collection, id));
    if (openItem !== opened) return;
    const text = answer.text, etag = answer.headers.get("ETag");
    Object.assign(opened, { text, etag, label: isItems ? JSON.parse(text).name : documentLabel(collection, text) ?? id });
    const known = lookUpFields(collection).filter((name) => member(text, name) !== undefined).map((name) => [name, bdi(plain(member(text, name)))]);
    facts($("item-facts"), [
      ...isItems ? [["Name", bdi(openItem.label)]] : known,
      ["Id", code(id)],
      ...etag ? [["Version", code(etag)]] : [],
    ]);
    put($("item-operations"), ...[...collection.operations.values()].map(({ name }) =>
      el("a", { class: "button", href: sendHref(collection.name, name, id) }, capital(name))));
    show("item-operations-part", collection.operations.size > 0);
    showJson($("item-json"), text);
    show("item-body", true);
    return true;
  } catch (error) {
    if (openItem === opened) setText("item-problem", messageOf(error));
  }
}

on($("item-edit"), "click", () => {
  if (openItem.collection === ITEMS) return edit(openItem.id, openItem.text, openItem.etag);
  forgetForm();
  location.hash = sendHref(openItem.collection.name, "set", openItem.id);
});
// A form that is opened from a document starts anew, even if it was open before.
on($("item-operations"), "click", (event) => event.target.matches("a") && forgetForm());
on($("item-refresh"), "click", async (event) => {
  const button = event.currentTarget;
  if (!await enterItem(openItem)) return heading().focus();
  button.focus();
  announce(`The ${noun(openItem.collection)} is up to date.`);
});
on($("item-delete"), "click", () => {
  const item = openItem, word = noun(item.collection);
  item.key = randomKey(); // one for each dialog: a second press sends the same command
  const more = item.collection === ITEMS ? ", and its name will be free" : "";
  confirmAction(`Delete this ${word}?`, [bdi(item.label), ` will be deleted if it has not changed meanwhile${more}.`], () => remove(item));
});

async function remove(item) {
  const headers = { "Idempotency-Key": item.key, ...item.etag ? { "If-Match": item.etag } : {} };
  try {
    const answer = await call("DELETE", documentPath(item.collection, item.id), { headers });
    const job = readJob(answer.text);
    track(job, item.label);
    location.hash = `#/jobs/${job.id}`;
  } catch (error) {
    if (openItem === item) setText("item-problem", messageOf(error));
  }
}
