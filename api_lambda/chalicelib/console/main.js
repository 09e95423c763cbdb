// Which view is shown, and the key without which there is none.

const VIEWS = {
  jobs: ["jobs", "Jobs", () => {
    renderMine();
    trouble.soon();
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
  let id = rest;
  try {
    id = decodeURIComponent(rest);
  } catch {
    // As it is, then.
  }
  if (first === "jobs" && id) return ["job", id];
  if (first === "items" && id) return ["item", id];
  return [first in VIEWS && !["job", "item"].includes(first) ? first : "jobs", id];
}

function navigate(focus) {
  const [view, id] = theKey() ? route() : ["key"];
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

// A key is its owner's name and 32 hex digits; one made by hand is a caller of its own.
const ownerOf = (key) => /^([a-z][a-z0-9]{0,62}?)[0-9a-f]{32}$/.exec(key)?.[1] ?? key;

function lock(why) {
  if ($("ask").open) $("ask").close();
  lastOwner = theKey() ? ownerOf(theKey()) : lastOwner;
  sessionStorage.removeItem(KEY);
  tell("key-error", why);
  navigate();
}

let lastOwner = null;

$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("key").value.trim(), button = event.currentTarget.querySelector("button");
  const refuse = (text) => {
    tell("key-error", text);
    $("key").setAttribute("aria-invalid", "true");
    $("key").focus();
  };
  if (!/^[\x21-\x7e]+$/.test(key)) return refuse(key ? "This is no key: it has characters that none has." : "A key is needed.");
  button.setAttribute("aria-busy", "true");
  try {
    await call("GET", "jobs?status=failed&limit=1", { key });
  } catch (error) {
    return refuse(error.status === 403 ? "This key is not accepted." : said(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
  const another = lastOwner !== null && ownerOf(key) !== lastOwner;
  lastOwner = ownerOf(key);
  if (another) return startOver(key); // nothing of one caller is shown to the other
  sessionStorage.setItem(KEY, key);
  $("key").value = "";
  $("key").removeAttribute("aria-invalid");
  tell("key-error", "");
  signedIn();
  navigate(true);
});

function signedIn() {
  const owner = ownerOf(theKey());
  $("owner").textContent = owner === theKey() ? "signed in" : owner;
  for (const each of repeated) each.soon();
  for (const job of mine) if (!job.done) watch(job.id);
}

// The page as it is when it is opened: nothing that was shown stays.
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
  for (const id of watched.keys()) watch(id);
  for (const each of repeated) each.soon();
});

if (theKey()) load();
else forgetJobs(); // whose they are is not known any more
startAnew();
if (theKey()) signedIn();
navigate();
