// Requests of the API that serves this page: paths are relative, so that any prefix may stand in front.

const KEY = "jobpipe.key";
const LATEST_STATUS = { 429: "Too many requests with this key", 503: "The service is not available" };

class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `The service answered with ${status}.`);
    this.status = status;
    this.kind = String(problem.type ?? "").split(":").pop();
    this.title = problem.title ?? LATEST_STATUS[status] ?? `Status ${status}`;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.requestId = problem.request_id;
    this.retryAfter = retryAfter;
  }
}

class Unreachable extends Error {}

const theKey = () => sessionStorage.getItem(KEY);

async function call(method, path, { headers = {}, body, key = theKey() } = {}) {
  let response, text;
  try {
    response = await fetch(path, {
      method, body, headers: { "x-api-key": key, ...headers }, cache: "no-store", credentials: "omit", redirect: "error",
    });
    text = await response.text();
  } catch {
    throw new Unreachable("The service cannot be reached.");
  }
  const date = Date.parse(response.headers.get("Date"));
  // It has whole seconds: an answer that is less than one off says nothing new.
  if (date && Math.abs(serverNow() - date) > 1500) ahead = Date.now() - date;
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  if (response.ok && !/json/.test(response.headers.get("Content-Type"))) throw new Unreachable("Something else answers in the service's place.");
  if (response.ok) return { status: response.status, text, headers: response.headers, retryAfter };
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // An emulator's gateway may answer without a document.
  }
  const refused = new Refused(response.status, problem, retryAfter);
  // Only if it is still the one in use: an answer may come after another key was given.
  if (response.status === 403 && key === theKey()) lock("This key is no longer accepted. Give one that is; what you wrote is kept.");
  throw refused;
}

const isJobId = (id) => /^[0-9a-f]{32}$/.test(id);
const isBatchId = (id) => /^batch-[0-9a-f]{32}$/.test(id);
// URLs have no way to write these two as one step of a path: they would lead to another resource.
const isItemId = (id) => id !== "" && id !== "." && id !== "..";
const itemPath = (id) => `items/${encodeURIComponent(id)}`;

const nextPage = (headers) => /^<([^>]+)>; rel="next"$/.exec(headers.get("Link") ?? "")?.[1] ?? null;

const said = (error) => error instanceof Refused && error.requestId ? `${error.message} (request ${error.requestId})` : error.message;

// Done again and again at its own pace, while the tab is seen and there is a key; it returns seconds to pause.
function repeat(step) {
  const again = { due: 0, running: false };
  again.now = async () => {
    if (again.running || document.hidden || !theKey()) return;
    again.running = true;
    try {
      again.due = Date.now() + 1000 * await step();
    } catch (error) {
      again.due = Date.now() + 1000 * (error.retryAfter ?? 5);
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    } finally {
      again.running = false;
    }
  };
  again.soon = () => {
    again.due = 0;
  };
  repeated.add(again);
  return again;
}

const repeated = new Set();
setInterval(() => {
  for (const each of repeated) if (Date.now() >= each.due) each.now();
}, 200);
