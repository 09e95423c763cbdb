// Navigation between the views, and the API key, which they need.

const VIEWS = {
  jobs: ["jobs", "Jobs", () => {
    renderMine();
    listPoll.soon();
  }],
  job: ["jobs", "Job", enterJob],
  send: ["send", "Send a command", renderForm],
  items: ["items", "Items", () => {
    pages = [`items?limit=${PAGE}`];
    readItems();
  }],
  item: ["items", "Item", enterItem],
  batches: ["batches", "Batches", enterBatch],
};
let shown = null;

const isShown = (view) => shown === view && !document.hidden;
const heading = () => document.querySelector("main > section:not([hidden]) h1");

function route() {
  const [, first = "", rest = ""] = /^#\/([a-z]+)\/?(.*)$/.exec(location.hash) ?? [];
  const id = decoded(rest);
  if (first === "jobs" && id) return ["job", id];
  if (first === "items" && id) return ["item", id];
  return [first in VIEWS && !["job", "item"].includes(first) ? first : "jobs", id];
}

function navigate(focus) {
  const [view, id] = apiKey() ? route() : ["key"];
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== `view-${view}`;
  $("nav").hidden = $("who").hidden = view === "key";
  shown = view;
  document.title = `${view === "key" ? "Your API key" : VIEWS[view][1]} · jobpipe console`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${VIEWS[view]?.[0]}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "key") return $("key").focus();
  VIEWS[view][2](id);
  if (focus) {
    scrollTo(0, 0);
    heading().focus();
  }
}

// A key is its owner's name and 32 hex digits; a key in another form is a caller of its own.
const ownerOf = (key) => /^([a-z][a-z0-9]{0,62}?)[RWO]?[0-9a-f]{32}$/.exec(key)?.[1] ?? key;

function requireKey(why) {
  if ($("ask").open) $("ask").close();
  lastOwner = apiKey() ? ownerOf(apiKey()) : lastOwner;
  sessionStorage.removeItem(KEY);
  setText("key-error", why);
  navigate();
}

let lastOwner = null;

$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("key").value.trim(), button = event.currentTarget.querySelector("button");
  const refuse = (text) => {
    setText("key-error", text);
    $("key").setAttribute("aria-invalid", "true");
    $("key").focus();
  };
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse(key ? "This cannot be a key: it has characters that no key has." : "A key is needed.");
  button.setAttribute("aria-busy", "true");
  try {
    await call("GET", "jobs?status=failed&limit=1", { key });
  } catch (error) {
    return refuse(error.status === 403 ? "This key is not accepted." : messageOf(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
  const ownerChanged = lastOwner !== null && ownerOf(key) !== lastOwner;
  lastOwner = ownerOf(key);
  if (ownerChanged) return startOver(key); // callers must not see each other's data
  sessionStorage.setItem(KEY, key);
  $("key").value = "";
  $("key").removeAttribute("aria-invalid");
  setText("key-error", "");
  signedIn();
  navigate(true);
});

function signedIn() {
  const owner = ownerOf(apiKey());
  $("owner").textContent = owner === apiKey() ? "signed in" : owner;
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

$("forget").addEventListener("click", () => startOver());
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", () => navigate(true));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const id of pollTimes.keys()) watch(id);
  for (const each of loops) each.soon();
});

if (apiKey()) load();
else forgetJobs(); // their owner is not known
resetForm();
if (apiKey()) signedIn();
navigate();
