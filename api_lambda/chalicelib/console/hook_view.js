// One webhook: its facts, its deliveries, and what its owner can do.

const DELIVERIES = 20; // of a page
const OUTCOME_PAUSE = 1; // seconds between two requests for the outcome of a test or replay
const OUTCOME_WAIT = 60_000; // milliseconds, after which the page asks less often
const DELIVERY_KINDS = { pending: "queued", delivered: "succeeded", "given-up": "failed" };
let openHook = null; // {id, pages, changes, found, entries, next, gone, awaited, note}
let shownSecret = null; // what the service has answered with a new secret, until another view is shown

function enterHook(id) {
  if (openHook?.id !== id || openHook.gone) {
    openHook = { id, pages: 1, changes: 0, entries: [], next: null, gone: !isJobId(id), awaited: null, note: "hook-outcome" };
    show("hook-body", false);
    put($("hook-badge"));
    fill($("deliveries"), []);
    setText("hook-outcome", "");
    setText("replay-error", "");
    setText("deliveries-text", "Loading…");
    setText("hook-problem", openHook.gone ? "This is not the id of a webhook." : "");
  }
  setText("hook-error", "");
  renderSecret();
  hookPoll.soon();
}

const hookPoll = repeat(async () => openHook && !openHook.gone && isShown("webhook") ? readHook() : 1);

async function readHook() {
  const hook = openHook, { changes } = hook;
  try {
    const found = await read(`webhooks/${hook.id}`);
    let path = `webhooks/${hook.id}/deliveries?limit=${DELIVERIES}`, entries = [];
    for (let page = 0; page < hook.pages && path; page += 1) {
      const answer = await call("GET", path);
      entries = entries.concat(JSON.parse(answer.text));
      path = nextPage(answer.headers)?.replace(/^(\.\.\/)+/, "") ?? null; // the page itself is at the API's root
    }
    // What was read before a change, or of another webhook, is not shown.
    if (openHook !== hook || hook.changes !== changes) return 0;
    Object.assign(hook, { found, entries, next: path });
    setText("hook-problem", "");
    renderHook();
  } catch (error) {
    if (openHook !== hook) return 0;
    setText("hook-problem", messageOf(error));
    hook.gone = error.status === 404 || isOff(error);
    if (hook.gone) show("hook-body", false);
    throw error;
  }
  return hook.awaited ? OUTCOME_PAUSE : LIST_PAUSE;
}

function renderHook() {
  const { found, entries, next } = openHook;
  put($("hook-badge"), hookBadge(found));
  facts($("hook-facts"), [
    ["URL", bdi(found.url)],
    ["Events", found.events.join(", ")],
    ...several() || found.collections.length ? [["Collections", bdi(found.collections.join(", ") || "all")]] : [],
    ...found.failing_since ? [["Failing since", clock(found.failing_since)]] : [],
    ...found.paused ? [["Paused", found.paused_by_failures ? "because its receiver failed for days, or answered 410 (gone). Resume it when the receiver works: what has waited is then delivered." : "Its events wait until it is resumed, for 30 days at most."]] : [],
    ...Date.parse(found.old_secret_until) > serverNow() ? [["Old secret", el("span", {}, "signs too until ", clock(found.old_secret_until))]] : [],
    ["Created", clock(found.created_at)],
    ["Id", code(found.id)],
  ]);
  for (const id of ["hook-actions", "replay"]) show(id, mayChange());
  $("hook-edit").href = hookHref(found.id, "/edit");
  setText("hook-pause", found.paused ? "Resume" : "Pause");
  fill($("deliveries"), entries.map(deliveryRow));
  setText("deliveries-text", "There was no event for it in the last 30 days.");
  show("deliveries-empty", entries.length === 0);
  show("deliveries-more", next !== null);
  show("hook-body", true);
  renderOutcome(openHook);
}

// A delivery has its webhook as `hook` where those of several webhooks are shown.
const deliveryId = ({ event, hook }) => hook ? `${hook.id} ${event}` : event;

function deliveryRow(delivery) {
  const { type, state, subject, attempts, created_at, due, hook } = delivery;
  return { id: deliveryId(delivery), cells: [
    [state, () => [el("span", { class: `badge ${DELIVERY_KINDS[state]}` }, state.replace("-", " ")), el("small", { class: "slim" }, when(created_at))]],
    [`${type} ${hook?.url ?? subject}`, () => [type, el("small", {}, hook ? hookLink(hook) : subjectLink(subject))]],
    [toJson([attempts, due]), () => answerCell(attempts, due)],
    [String(attempts.length), () => String(attempts.length), "wide number"],
    [created_at, () => when(created_at), "wide"],
    [String(mayChange()), () => mayChange() ? el("button", { type: "button", class: "quiet", "aria-label": `Replay ${type} ${hook ? `to ${hook.url}` : `of ${subject}`}` }, "Replay") : "", "number"],
  ] };
}

function subjectLink(subject) {
  const [first, id] = [subject.slice(0, subject.indexOf("/")), subject.slice(subject.indexOf("/") + 1)];
  if (first === "webhooks") return "this webhook";
  const text = bdi(`${first}/${shortId(decoded(id))}`);
  return first === "jobs" ? el("a", { href: `#/jobs/${id}` }, text) : documentLink(first, decoded(id), text);
}

const answerOf = ({ status, error, milliseconds }) => `${status === null ? `${error} after` : `${status} in`} ${milliseconds} ms`;

function answerCell(attempts, due) {
  const last = attempts.at(-1);
  if (!last) return "not attempted yet";
  const each = attempts.map((attempt) => el("li", {}, clock(attempt.at), ` ${answerOf(attempt)}${attempt.replay ? ", asked for" : ""}`));
  return [answerOf(last),
    ...due ? [el("small", {}, "next attempt ", clock(due))] : [],
    el("details", {}, el("summary", {}, attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`), el("ol", {}, ...each))];
}

const deliveryOf = (button, { entries }) => entries.find((each) => deliveryId(each) === button.closest("tr").dataset.id);
const replayPath = ({ event }) => `/deliveries/${encodeURIComponent(event)}/replay`;

// Wait for the next attempt to deliver an event, and show what the receiver has answered.
function awaitOutcome(view, delivery, name) {
  view.awaited = { id: deliveryId(delivery), after: delivery.attempts.at(-1)?.at, name, until: Date.now() + OUTCOME_WAIT };
  tellOutcome(view, null, `${name} is on its way. Waiting for the receiver's answer…`);
}

function renderOutcome(view) {
  const { awaited, entries } = view;
  if (!awaited) return;
  const last = entries.find((each) => deliveryId(each) === awaited.id)?.attempts.at(-1);
  if (last && last.at !== awaited.after) {
    const good = last.status >= 200 && last.status < 300;
    tellOutcome(view, good, `${awaited.name} ${good ? "is delivered" : "is not delivered"}. ${last.status === null ? "There was no answer:" : "The receiver answered"} ${answerOf(last)}.`);
  } else if (Date.now() > awaited.until) {
    tellOutcome(view, null, `${awaited.name} was not attempted yet. The list below will show what becomes of it.`);
  } else {
    return;
  }
  view.awaited = null;
}

function tellOutcome({ note }, good, text) {
  setText(note, text);
  $(note).classList.toggle("bad", good === false);
  $(note).classList.toggle("good", good === true);
  announce(text);
}

function showSecret(hook) {
  shownSecret = hook;
  location.hash = hookHref(hook.id);
  if (shown === "webhook" && openHook?.id === hook.id) renderSecret();
}

// The page keeps no secret beyond the view that shows it.
function forgetSecret() {
  shownSecret = null;
  renderSecret();
}

function renderSecret() {
  if (shownSecret && shownSecret.id !== openHook?.id) shownSecret = null;
  put($("hook-secret-text"), ...shownSecret ? [bdi(shownSecret.secret)] : []);
  const until = shownSecret?.old_secret_until;
  put($("hook-secret-old"), ...until ? ["Until ", clock(until), " the old secret signs too, so that the receiver can be given this one meanwhile."] : []);
  show("hook-secret", shownSecret !== null);
}

// Send a request about the open webhook; `done` gets the answer, and the webhook that was open.
const changeHook = (button, method, path, done, { headers, body } = {}) => whileBusy(button, async () => {
  const hook = openHook;
  setText("hook-error", "");
  try {
    const answer = await call(method, `webhooks/${hook.id}${path}`, { headers: { "Content-Type": "application/json", ...headers }, body: body && toJson(body) });
    hook.changes += 1;
    done(JSON.parse(answer.text), hook);
    hookPoll.soon();
  } catch (error) {
    if (openHook === hook) setText("hook-error", messageOf(error));
  }
});

function showChanged(found, hook) {
  if (openHook !== hook) return;
  hook.found = found;
  renderHook();
}

on($("hook-test"), "click", (event) => changeHook(event.currentTarget, "POST", "/test", ({ event: id }, hook) => awaitOutcome(hook, { event: id, attempts: [] }, "The test event")));
on($("hook-edit"), "click", () => {
  hookFormAt = null;
});
on($("hook-pause"), "click", (event) => changeHook(event.currentTarget, "PATCH", "", (found, hook) => {
  showChanged(found, hook);
  announce(found.paused ? "The webhook is paused." : "The webhook is resumed.");
}, { body: { paused: !openHook.found.paused } }));
on($("hook-rotate"), "click", (event) => {
  const button = event.currentTarget, hook = openHook;
  hook.rotateKey ??= randomKey(); // the same key is sent until a request succeeds, so that only one secret is made
  const text = "For a day the present secret signs beside the new one. An older one that still signs stops at once.";
  confirmAction("Make a new secret?", [text], () => changeHook(button, "POST", "/rotate", (found) => {
    hook.rotateKey = undefined;
    showChanged(found, hook);
    showSecret(found);
    announce("The webhook has a new secret.");
  }, { headers: { "Idempotency-Key": hook.rotateKey } }), "Make a new one");
});
on($("hook-delete"), "click", (event) => {
  const button = event.currentTarget;
  confirmAction("Delete this webhook?", [bdi(openHook.found.url), " is sent nothing more, and what waits for it is lost."], () => changeHook(button, "DELETE", "", (_, hook) => {
    hook.gone = true;
    announce("The webhook is deleted.");
    if (openHook === hook && shown === "webhook") location.hash = "#/webhooks";
  }));
});
on($("hook-secret-copy"), "click", () => copyText($("hook-secret-text"), "The secret"));
on($("deliveries"), "click", (event) => {
  const button = event.target.closest("button"), delivery = button && deliveryOf(button, openHook);
  if (delivery) changeHook(button, "POST", replayPath(delivery), (_, hook) => awaitOutcome(hook, delivery, "The event"));
});
on($("deliveries-more"), "click", () => {
  openHook.pages += 1;
  openHook.changes += 1;
  hookPoll.soon();
});
onSubmit("replay", () => {
  const since = new Date($("replay-since").value), wrong = isNaN(since) ? "A date and a time are needed." : "";
  setText("replay-error", wrong);
  setInvalid($("replay-since"), wrong);
  if (wrong) return $("replay-since").focus();
  changeHook($("replay-all"), "POST", "/replay", (_, hook) => openHook === hook && tellOutcome(hook, null, `All events since ${since.toLocaleString()} are delivered once more. The list below shows what becomes of each.`), { body: { since: since.toISOString() } });
});
