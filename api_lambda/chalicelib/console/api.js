// Requests to the API that serves this page. Paths are relative, so that any prefix works.

const KEY = "jobpipe.key";
const TITLES = { 429: "Too many requests with this key", 503: "The service is not available" };

class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `The service answered with ${status}.`);
    this.status = status;
    this.type = String(problem.type ?? "");
    this.title = problem.title ?? TITLES[status] ?? `Status ${status}`;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.requestId = problem.request_id;
    this.keyRefused = false;
    this.retryAfter = retryAfter;
  }
}

class Unreachable extends Error {}

const AGAIN = 5; // seconds after which a step that failed is tried again
let answeredAt = Date.now();

// Return the error, and say once that what the page shows is old.
function unreachable(why) {
  if (apiKey() && $("down").hidden) {
    document.body.classList.add("down");
    setText("down", `${why} There has been no answer since ${timeOf(answeredAt)}. The numbers in grey are from before; the page tries again every ${AGAIN} seconds.`);
  }
  return new Unreachable(why);
}

const apiKey = () => sessionStorage.getItem(KEY);

const KEY_CHECK = "jobs?status=failed&limit=1"; // what every accepted key may ask for

async function isRefused(key) {
  try {
    return (await fetch(KEY_CHECK, { headers: { "x-api-key": key }, cache: "no-store", credentials: "omit", redirect: "error" })).status === 403;
  } catch {
    return false;
  }
}

async function call(method, path, { headers = {}, body, key = apiKey() } = {}) {
  let response, text;
  try {
    response = await fetch(path, {
      method, body, headers: { "x-api-key": key, ...headers }, cache: "no-store", credentials: "omit", redirect: "error",
    });
    text = await response.text();
  } catch {
    throw unreachable("The service cannot be reached.");
  }
  const date = Date.parse(response.headers.get("Date"));
  // The header has whole seconds, so a smaller difference means nothing.
  if (date && Math.abs(serverNow() - date) > 1500) clockLead = Date.now() - date;
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  if (response.ok && !/json/.test(response.headers.get("Content-Type"))) throw unreachable("Another program answers in place of the service.");
  answeredAt = Date.now();
  document.body.classList.remove("down");
  setText("down", "");
  if (response.ok) return { status: response.status, text, headers: response.headers, retryAfter };
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // The gateway of an emulator may answer without a problem document.
  }
  const refused = new ApiError(response.status, problem, retryAfter);
  // Only if this key is still in use: the response may be late. Another 403 says that the key's role does not allow the request.
  refused.keyRefused = response.status === 403 && key === apiKey() && await isRefused(key);
  if (refused.keyRefused && key === apiKey()) requireKey("This key is no longer accepted. Enter another key; the form keeps its contents.");
  throw refused;
}

const read = async (path) => JSON.parse((await call("GET", path)).text);

// Whether the service would answer the same to the same request. An error without a status is no answer.
const isFinal = ({ status }) => status < 500 && status !== 429;

const isJobId = (id) => /^[0-9a-f]{32}$/.test(id);
const isBatchId = (id) => /^batch-[0-9a-f]{32}$/.test(id);
// In a URL "." and ".." cannot be segments of a path; they would lead to another resource.
const isItemId = (id) => id !== "" && id !== "." && id !== "..";

const nextPage = (headers) => /^<([^>]+)>; rel="next"$/.exec(headers.get("Link") ?? "")?.[1] ?? null;

async function readPage(path) {
  const answer = await call("GET", path);
  return [JSON.parse(answer.text), nextPage(answer.headers)];
}

const messageOf = (error) => error.requestId ? `${error.message} (request ${error.requestId})` : error.message;

// Repeat a step while the tab is visible and there is a key; the step returns the seconds to pause.
function repeat(step) {
  const loop = { due: 0, running: false };
  loop.now = async () => {
    if (loop.running || document.hidden || !apiKey()) return;
    loop.running = true;
    loop.due = Infinity;
    let pause;
    try {
      pause = await step();
    } catch (error) {
      pause = error.retryAfter ?? AGAIN;
      if (!(error instanceof ApiError || error instanceof Unreachable)) throw error;
    } finally {
      loop.running = false;
      if (loop.due) loop.due = Date.now() + 1000 * pause; // else it was asked for meanwhile
    }
  };
  loop.soon = () => {
    loop.due = 0;
  };
  loops.add(loop);
  return loop;
}

const loops = new Set();
setInterval(() => {
  for (const each of loops) if (Date.now() >= each.due) each.now();
}, 200);
