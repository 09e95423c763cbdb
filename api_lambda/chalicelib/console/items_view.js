// The items as they are committed: a page at a time, and one by itself.

const PAGE = 20;
let pages = [`items?limit=${PAGE}`]; // the paths of those up to the one that is shown
let next = null;
let reading = false; // the list
let openItem = null;

async function readItems() {
  const path = pages.at(-1);
  tell("items-said", "Loading…");
  reading = true;
  try {
    const answer = await call("GET", path);
    if (path !== pages.at(-1)) return;
    next = nextPage(answer.headers);
    // A header names the items that the page leaves out; each has a row with a link to its error.
    const unreadable = answer.headers.get("Unreadable-Items")?.split(", ") ?? [];
    fill($("items"), [...parts(answer.text).map(([, text]) => itemRow(text)), ...unreadable.map(unreadableRow)]);
    tell("items-said", "There is no item yet.");
  } catch (error) {
    if (path !== pages.at(-1)) return;
    fill($("items"), []);
    next = null;
    tell("items-said", said(error));
  } finally {
    reading = false;
  }
  show("items-empty", $("items").hidden);
  show("items-prev", pages.length > 1);
  show("items-next", next !== null);
  tell("items-page", pages.length > 1 || next ? `Page ${pages.length}` : "");
}

function itemRow(text) {
  const { id, name, description } = JSON.parse(text);
  const link = () => el("a", { href: `#/items/${encodeURIComponent(id)}` }, bdi(name));
  return { id, cells: [[name, link], [description, () => bdi(description)], [id, () => el("code", {}, bdi(id)), "wide"]] };
}

function unreadableRow(id) {
  const link = () => el("a", { href: `#/items/${encodeURIComponent(id)}` }, "(cannot be read)");
  return { id, cells: [["", link], ["", () => "The service does not find its document."], [id, () => el("code", {}, bdi(id)), "wide"]] };
}

// A second press of a double click comes while the first page is still on its way.
$("items-next").addEventListener("click", () => {
  if (reading || !next) return;
  pages.push(next);
  readItems().then(() => heading().focus());
});
$("items-prev").addEventListener("click", () => {
  if (reading || pages.length < 2) return;
  pages.pop();
  readItems().then(() => heading().focus());
});

async function enterItem(id) {
  openItem = { id };
  show("item-body", false);
  tell("item-problem", isItemId(id) ? "" : "This is no item's id.");
  if (!isItemId(id)) return;
  try {
    const answer = await call("GET", itemPath(id));
    if (openItem.id !== id) return;
    openItem = { id, text: answer.text, etag: answer.headers.get("ETag"), name: JSON.parse(answer.text).name };
    facts($("item-facts"), [
      ["Name", bdi(openItem.name)],
      ["Id", el("code", {}, bdi(id))],
      ...openItem.etag ? [["Version", el("code", {}, bdi(openItem.etag))]] : [],
    ]);
    showJson($("item-json"), answer.text);
    show("item-body", true);
    return true;
  } catch (error) {
    if (openItem.id === id) tell("item-problem", said(error));
  }
}

$("item-edit").addEventListener("click", () => edit(openItem.id, openItem.text, openItem.etag));
$("item-refresh").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  if (!await enterItem(openItem.id)) return heading().focus();
  button.focus();
  say("The item is read again.");
});
$("item-delete").addEventListener("click", () => {
  const item = openItem;
  newDeletion(item);
  ask("Delete this item?", [bdi(item.name), " will be removed, if it is still as you see it, and its name is free again."], () => remove(item));
});

// One key for each time that is asked: a second press doubles nothing.
function newDeletion(item) {
  item.key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function remove(item) {
  const headers = { "Idempotency-Key": item.key, ...item.etag ? { "If-Match": item.etag } : {} };
  try {
    const answer = await call("DELETE", itemPath(item.id), { headers });
    const job = readJob(answer.text);
    track(job, item.name);
    location.hash = `#/jobs/${job.id}`;
  } catch (error) {
    if (openItem.id === item.id) tell("item-problem", said(error));
  }
}
