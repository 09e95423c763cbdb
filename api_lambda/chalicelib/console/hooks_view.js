// The caller's webhooks, and the form that creates or changes one.

const HOOK_FIELDS = ["url", "events", "collections"];
let formHook = null; // the webhook that the form changes; null for a new one
let hookFormAt = null; // the address at which the form was opened; at the same address it keeps its contents
let hookKey = ""; // the Idempotency-Key of the form; sending the same form again creates no second webhook

const mayChange = () => KEY_PARTS.exec(apiKey())?.[2] !== "R";
const hookHref = (id, more = "") => `#/webhooks/${encodeURIComponent(id)}${more}`;
const hookLink = ({ id, url }) => el("a", { href: hookHref(id) }, bdi(url));
const isOff = (error) => error.type?.endsWith(":events-off");

function hookBadge({ paused, paused_by_failures, failing_since }) {
  const [kind, text] = paused_by_failures ? ["failed", "paused by failures"] : paused ? ["cancelled", "paused"] : failing_since ? ["retrying", "failing"] : ["succeeded", "active"];
  return el("span", { class: `badge ${kind}` }, text);
}

const hooksPoll = repeat(async () => isShown("webhooks") ? readHooks() : 1);

function enterHooks() {
  show("new-hook", mayChange() && $("hooks-off").hidden);
  hooksPoll.soon();
}

async function readHooks() {
  let off = false;
  try {
    const hooks = await read("webhooks");
    fill($("hooks"), hooks.map(hookRow));
    setText("hooks-problem", "");
    setText("hooks-text", mayChange() ? "There is no webhook yet. Create one, and its receiver is notified and need not poll." : "There is no webhook yet.");
  } catch (error) {
    off = isOff(error);
    setText("hooks-problem", off ? "" : messageOf(error));
    if (!off) throw error;
  } finally {
    show("hooks-off", off);
    show("new-hook", !off && mayChange());
    show("hooks-empty", !off && $("hooks").hidden && $("hooks-problem").hidden);
  }
  return LIST_PAUSE;
}

function hookRow(hook) {
  const since = hook.failing_since;
  return { id: hook.id, cells: [
    [toJson([hook.paused, hook.paused_by_failures, since]), () => [hookBadge(hook), ...since ? [el("small", {}, "since ", when(since))] : []]],
    [toJson([hook.url, hook.events]), () => [hookLink(hook), el("small", { class: "slim" }, `${hook.events.join(", ")} · created `, when(hook.created_at))]],
    [toJson([hook.events, hook.collections]), () => [hook.events.join(", "), ...hook.collections.length ? [el("small", {}, bdi(hook.collections.join(", ")))] : []], "wide"],
    [hook.created_at, () => when(hook.created_at), "wide"],
  ] };
}

async function enterHookForm({ id }) {
  const at = location.hash;
  const isHere = () => location.hash === at && shown === "webhook-form";
  setText("hook-form-title", id ? "Change the webhook" : "New webhook");
  setText("hook-save", id ? "Save" : "Create");
  $("hook-cancel").href = id ? hookHref(id) : "#/webhooks";
  setText("hook-form-problem", mayChange() ? "" : "The role of this key, reader, does not allow changes.");
  show("hook-form", mayChange() && hookFormAt === at);
  if (!mayChange() || hookFormAt === at) return;
  try {
    const hook = id ? await read(`webhooks/${encodeURIComponent(id)}`) : null;
    await readCollections();
    if (!isHere()) return;
    fillHookForm(hook);
    hookFormAt = at;
  } catch (error) {
    if (isHere()) setText("hook-form-problem", messageOf(error));
  }
}

function fillHookForm(hook) {
  formHook = hook;
  hookKey = randomKey();
  const chosen = hook?.collections ?? [];
  $("hook-url").value = hook?.url ?? "";
  for (const box of $("hook-events").querySelectorAll("input")) box.checked = hook ? hook.events.includes(box.value) : box.value === "job.ended";
  const names = [...new Set([...collections.keys(), ...chosen])];
  put($("hook-collections-list"), ...names.map((name, place) => {
    const box = el("input", { type: "checkbox", id: `hook-collection-${place}`, value: name, checked: chosen.includes(name) ? "" : undefined });
    return el("label", { class: "choice", for: box.id }, box, bdi(name));
  }));
  show("hook-collections", names.length > 1);
  hookErrors({});
  show("hook-form", true);
}

// Show the errors by field, and return the input of the first of them.
function hookErrors(errors) {
  const inputs = { url: $("hook-url"), events: $("hook-job-ended"), collections: $("hook-collections-list").querySelector("input") };
  let first = null;
  for (const field of HOOK_FIELDS) {
    const text = errors[field] ?? "";
    setText(`hook-${field}-error`, text);
    setInvalid(inputs[field], text);
    if (text) first ??= inputs[field];
  }
  setText("hook-form-error", errors.form);
  return first;
}

const saveHook = () => whileBusy($("hook-save"), async () => {
  const hook = formHook, key = hookKey;
  const checked = (id) => [...$(id).querySelectorAll("input:checked")].map((box) => box.value);
  const wanted = { url: $("hook-url").value.trim(), events: checked("hook-events"), ...$("hook-collections").hidden ? {} : { collections: checked("hook-collections") } };
  const wrong = { ...wanted.url ? {} : { url: "The URL is needed." }, ...wanted.events.length ? {} : { events: "Choose at least one event." } };
  hookErrors(wrong);
  if (Object.keys(wrong).length) return hookErrors(wrong).focus();
  const text = (value) => toJson(Array.isArray(value) ? value.toSorted() : value);
  const sent = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => text(value) !== text(hook?.[name])));
  try {
    const headers = { "Content-Type": "application/json", ...hook ? {} : { "Idempotency-Key": key } };
    const answer = await call(hook ? "PATCH" : "POST", hook ? `webhooks/${hook.id}` : "webhooks", { headers, body: toJson(sent) });
    const saved = JSON.parse(answer.text);
    hookFormAt = null;
    announce(hook ? "The webhook is changed." : "The webhook is created.");
    if (saved.secret) showSecret(saved); // in any view, since the secret is shown only once
    else if (shown === "webhook-form") location.hash = hookHref(saved.id);
  } catch (error) {
    if (formHook === hook && !error.keyRefused) hookErrors(hookProblems(error))?.focus();
  }
});

// Return the texts of a problem by field.
function hookProblems(error) {
  const found = {};
  for (const { pointer, detail } of error.errors ?? []) {
    const name = String(pointer).split("/")[1], field = HOOK_FIELDS.includes(name) ? name : "form";
    found[field] = [found[field], detail].filter(Boolean).join(" ");
  }
  return Object.keys(found).length ? found : { form: messageOf(error) };
}

onSubmit("hook-form", () => {
  saveHook();
});
on($("hook-form"), "input", () => {
  hookKey = randomKey();
});
on($("hook-cancel"), "click", () => {
  hookFormAt = null;
});
