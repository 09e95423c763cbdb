// Navigation between the views, and the API key, which they need.

const VIEWS = {
  jobs: ["jobs", () => "Jobs", () => {
    renderMine();
    listPoll.soon();
    enterLive();
  }],
  failed: ["jobs", () => "Failed jobs", enterFailures],
  job: ["jobs", ({ id }) => openJob?.id === id ? jobTitle(openJob) : "Job", ({ id }) => enterJob(id)],
  send: ["send", () => "Send a command", enterSend],
  items: ["items", ({ collection }) => collection === ITEMS ? "Items" : plural(collection), enterItems],
  item: ["items", ({ collection }) => collection.title, enterItem],
  collection: ["items", () => "Collection", enterUnknownCollection],
  batches: ["batches", () => "Batches", ({ id }) => enterBatch(id)],
  webhooks: ["webhooks", () => "Webhooks", enterHooks],
  webhook: ["webhooks", () => "Webhook", ({ id }) => enterHook(id)],
  "webhook-form": ["webhooks", ({ id }) => id ? "Change a webhook" : "New webhook", enterHookForm],
};
const ROUTES = ["jobs", "failed", "send", "items", "batches", "webhooks"];
let shown = null;
let focusIsKept = false;

for (const each of all("h1")) each.tabIndex = -1; // each may have the focus
const isShown = (view) => shown === view && !document.hidden;
const heading = () => document.querySelector("main > section:not([hidden]) h1");

// Return the view, and what it shows: the id, the collection (its name if it is not known), the query, the further path.
function route() {
  const [, first = "", rest = ""] = /^#\/([a-z]+)\/?(.*)$/.exec(location.hash) ?? [];
  const inCollection = (view, name, more) => {
    const collection = collections.get(name);
    return collection ? [view, { collection, ...more }] : ["collection", { name }];
  };
  if (first === "jobs" && rest) return ["job", { id: decoded(rest) }];
  if (first === "items" && rest) return ["item", { collection: ITEMS, id: decoded(rest) }];
  if (first === "webhooks" && rest) {
    const [, id, form] = /^(.*?)(\/edit)?$/.exec(rest);
    return rest === "new" ? ["webhook-form", {}] : [form ? "webhook-form" : "webhook", { id: decoded(id) }];
  }
  if (first === "collections") {
    const [, name, id, query] = /^([^/?]*)\/?([^?]*)\??(.*)$/.exec(rest);
    return id ? inCollection("item", decoded(name), { id: decoded(id) }) : inCollection("items", decoded(name), { query });
  }
  if (first === "send" && rest) {
    const [name, operation, id] = rest.split("/").map(decoded);
    return inCollection("send", name, { operation, id });
  }
  return [ROUTES.includes(first) ? first : "jobs", { id: decoded(rest), collection: ITEMS, query: "" }];
}

function navigate(focus) {
  const [view, place] = apiKey() ? route() : ["key", {}];
  for (const section of all("main > section")) section.hidden = section.id !== `view-${view}`;
  $("nav").hidden = $("who").hidden = view === "key";
  shown = view;
  document.title = `${view === "key" ? "Your API key" : VIEWS[view][1](place)} · jobpipe console`;
  for (const link of all("nav a")) {
    link.ariaCurrent = link.dataset.view === VIEWS[view]?.[0] ? "page" : null;
  }
  if (view !== "webhook") forgetSecret();
  if (view === "key") return $("key").focus();
  if (place.collection && (view === "items" || view === "item")) $("nav-items").href = documentsHref(place.collection.name);
  VIEWS[view][2](place);
  if (focus && !focusIsKept) {
    scrollTo(0, 0);
    heading().focus();
  }
  focusIsKept = false;
}

// Change the address without moving the focus to the heading: for inputs that change what is shown below them.
function keepFocus(change) {
  const before = location.hash;
  change();
  focusIsKept = location.hash !== before;
}

// The address names a collection that the page does not know, or does not know yet.
async function enterUnknownCollection({ name }) {
  const { hash } = location;
  setText("collection-text", "Loading…");
  await readCollections();
  if (location.hash !== hash || shown !== "collection") return;
  if (collections.has(name)) navigate(document.activeElement === heading());
  else setText("collection-text", collectionsProblem || `The service has no collection ${name}.`);
}

// A key is its owner's name, perhaps a letter for its role, and 32 hex digits; a key in another form is a caller of its own.
const KEY_PARTS = /^([a-z][a-z0-9]{0,62}?)([RWO]?)[0-9a-f]{32}$/;
const ROLES = { R: "reader", W: "writer", O: "operator" };
const ownerOf = (key) => KEY_PARTS.exec(key)?.[1] ?? key;

function requireKey(why) {
  if ($("ask").open) $("ask").close();
  lastOwner = apiKey() ? ownerOf(apiKey()) : lastOwner;
  sessionStorage.removeItem(KEY);
  setText("key-error", why);
  navigate();
}

let lastOwner = null;

onSubmit("key-form", async (event) => {
  const key = $("key").value.trim(), button = event.currentTarget.querySelector("button");
  const refuse = (text) => {
    setText("key-error", text);
    setInvalid($("key"), true);
    $("key").focus();
  };
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse(key ? "This cannot be a key: it has characters that no key has." : "A key is needed.");
  button.ariaBusy = "true";
  try {
    await call("GET", KEY_CHECK, { key });
  } catch (error) {
    return refuse(error.status === 403 ? "This key is not accepted." : messageOf(error));
  } finally {
    button.ariaBusy = null;
  }
  const ownerChanged = lastOwner !== null && ownerOf(key) !== lastOwner;
  lastOwner = ownerOf(key);
  if (ownerChanged) return startOver(key); // callers must not see each other's data
  sessionStorage.setItem(KEY, key);
  $("key").value = "";
  setInvalid($("key"), false);
  setText("key-error", "");
  signedIn();
  navigate(true);
});

function signedIn() {
  const owner = ownerOf(apiKey());
  const role = ROLES[KEY_PARTS.exec(apiKey())?.[2]];
  setText("owner", owner === apiKey() ? "signed in" : role && role !== owner ? `${owner}, ${role}` : owner);
  for (const each of loops) each.soon();
  for (const job of sentJobs) if (!job.done) watch(job.id);
}

// Reload the page without anything that it has shown or stored.
function startOver(key) {
  forgetJobs();
  sessionStorage.clear();
  if (key) sessionStorage.setItem(KEY, key);
  location.hash = "";
  location.reload();
}

on($("forget"), "click", () => startOver());
on($("skip"), "click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", () => navigate(true));
on(document, "visibilitychange", () => {
  if (document.hidden) return;
  for (const id of pollTimes.keys()) watch(id);
  for (const each of loops) each.soon();
  enterLive();
});

if (apiKey()) load();
else forgetJobs(); // their owner is not known
resetForm();
if (apiKey()) signedIn();
navigate();
readCollections();
