// The committed items: a page of them, and one item.

const PAGE = 20;
let pages = [`items?limit=${PAGE}`]; // the paths of the pages up to the one that is shown
let next = null;
let readingItems = false;
let openItem = null;

async function readItems() {
  const path = pages.at(-1);
  setText("items-text", "Loading…");
  readingItems = true;
  try {
    const answer = await call("GET", path);
    if (path !== pages.at(-1)) return;
    next = nextPage(answer.headers);
    // A header names the items that the page leaves out; each has a row with a link to its error.
    const unreadable = answer.headers.get("Unreadable-Items")?.split(", ") ?? [];
    fill($("items"), [...parts(answer.text).map(([, text]) => itemRow(text)), ...unreadable.map(unreadableRow)]);
    setText("items-text", "There is no item yet.");
  } catch (error) {
    if (path !== pages.at(-1)) return;
    fill($("items"), []);
    next = null;
    setText("items-text", messageOf(error));
  } finally {
    readingItems = false;
  }
  show("items-empty", $("items").hidden);
  show("items-prev", pages.length > 1);
  show("items-next", next !== null);
  setText("items-page", pages.length > 1 || next ? `Page ${pages.length}` : "");
}

function itemRow(text) {
  const { id, name, description } = JSON.parse(text);
  return { id, cells: [[name, () => itemLink(id, bdi(name))], [description, () => bdi(description)], [id, () => code(id), "wide"]] };
}

function unreadableRow(id) {
  return { id, cells: [["", () => itemLink(id, "(cannot be read)")], ["", () => "The service does not find its document."], [id, () => code(id), "wide"]] };
}

// Ignore the second press of a double click, which comes before the page is read.
$("items-next").addEventListener("click", () => {
  if (readingItems || !next) return;
  pages.push(next);
  readItems().then(() => heading().focus());
});
$("items-prev").addEventListener("click", () => {
  if (readingItems || pages.length < 2) return;
  pages.pop();
  readItems().then(() => heading().focus());
});

async function enterItem(id) {
  openItem = { id };
  show("item-body", false);
  setText("item-problem", isItemId(id) ? "" : "This cannot be the id of an item.");
  if (!isItemId(id)) return;
  try {
    const answer = await call("GET", itemPath(id));
    if (openItem.id !== id) return;
    openItem = { id, text: answer.text, etag: answer.headers.get("ETag"), name: JSON.parse(answer.text).name };
    facts($("item-facts"), [
      ["Name", bdi(openItem.name)],
      ["Id", code(id)],
      ...openItem.etag ? [["Version", code(openItem.etag)]] : [],
    ]);
    showJson($("item-json"), answer.text);
    show("item-body", true);
    return true;
  } catch (error) {
    if (openItem.id === id) setText("item-problem", messageOf(error));
  }
}

$("item-edit").addEventListener("click", () => edit(openItem.id, openItem.text, openItem.etag));
$("item-refresh").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  if (!await enterItem(openItem.id)) return heading().focus();
  button.focus();
  announce("The item is up to date.");
});
$("item-delete").addEventListener("click", () => {
  const item = openItem;
  item.key = randomKey(); // one for each dialog: a second press sends the same command
  confirmAction("Delete this item?", [bdi(item.name), " will be deleted if it has not changed meanwhile, and its name will be free."], () => remove(item));
});

async function remove(item) {
  const headers = { "Idempotency-Key": item.key, ...item.etag ? { "If-Match": item.etag } : {} };
  try {
    const answer = await call("DELETE", itemPath(item.id), { headers });
    const job = readJob(answer.text);
    track(job, item.name);
    location.hash = `#/jobs/${job.id}`;
  } catch (error) {
    if (openItem.id === item.id) setText("item-problem", messageOf(error));
  }
}
