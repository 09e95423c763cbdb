// Parts of the page. External text becomes text nodes, never markup.

const $ = (id) => document.getElementById(id);

const all = (selector) => document.querySelectorAll(selector);

const on = (target, type, act) => target.addEventListener(type, act);

// Act when a form is submitted, in place of the browser.
const onSubmit = (id, act) => on($(id), "submit", (event) => {
  event.preventDefault();
  act(event);
});

const setInvalid = (input, is) => input?.setAttribute("aria-invalid", String(Boolean(is)));

// Show these children in the element, and no others.
const put = (element, ...children) => element.replaceChildren(...children);

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const digits = (number) => number.toLocaleString("en");

const timeOf = (at) => new Date(at).toTimeString().slice(0, 8);

const bdi = (text) => el("bdi", {}, String(text));

const code = (text) => el("code", {}, bdi(text));

const badge = (status) => el("span", { class: `badge ${status}` }, status);

function show(id, shown) {
  const element = $(id);
  // A hidden button must not keep the focus.
  if (!shown && element.contains(document.activeElement) && element.tagName === "BUTTON") heading()?.focus();
  element.hidden = !shown;
}

const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// Tell users of screen readers.
function announce(text) {
  setText("say", text);
}

function setText(id, text) {
  $(id).textContent = text ?? "";
  if ($(id).classList.contains("note")) show(id, Boolean(text));
}

function facts(list, pairs) {
  const shownAs = toJson(pairs.map(([name, value]) => [name, value?.outerHTML ?? value]));
  if (list.shownAs === shownAs) return;
  list.shownAs = shownAs;
  put(list, ...pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

const MAX_COLOURED = 100_000; // characters; coloured text needs an element for each piece

function showJson(pre, text) {
  if (pre.source === text) return;
  pre.source = text;
  if (text.length > MAX_COLOURED) return put(pre, pretty(text));
  const made = document.createDocumentFragment(); // appended one by one: there may be too many for one call
  for (const [kind, piece] of pieces(text)) {
    made.append(kind === "mark" ? piece : kind === "name" ? el("b", {}, piece) : el("span", { class: kind[0] }, piece));
  }
  put(pre, made);
}

// Show rows; keep the elements of rows and cells that have not changed, so that the focus stays with its row.
function fill(table, rows) {
  const body = table.tBodies[0];
  const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
  const before = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const wanted = rows.map(({ id, cells }) => {
    const row = before.get(id) ?? el("tr", { "data-id": id, role: "row" });
    cells.forEach(([shownAs, make, kind], place) => {
      const cell = row.cells[place] ?? row.appendChild(el("td", { class: kind || undefined, role: "cell" }));
      if (cell.shownAs === shownAs) return;
      cell.shownAs = shownAs;
      put(cell, ...[make()].flat());
    });
    return row;
  });
  if (wanted.some((row, place) => body.rows[place] !== row) || body.rows.length !== wanted.length) {
    put(body, ...wanted);
  }
  table.hidden = rows.length === 0;
  if (!focused || body.contains(document.activeElement)) return;
  if (wanted.includes(focused)) focused.querySelector("a")?.focus({ preventScroll: true });
  else heading()?.focus({ preventScroll: true });
}

let clockLead = 0; // of this machine's clock over the service's, in milliseconds
const serverNow = () => Date.now() - clockLead;

function span(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

function ago(at) {
  const seconds = Math.floor((serverNow() - Date.parse(at)) / 1000);
  return seconds < 2 ? "just now" : `${span(seconds).replace(".0", "")} ago`;
}

const when = (at) => el("time", { datetime: at, title: at, "data-ago": "" }, ago(at));

// With "short" the text has no seconds.
const clock = (at, timeStyle = "medium") => el("time", { datetime: at, title: at }, new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle }));

setInterval(() => {
  if (document.hidden) return;
  for (const time of all("time[data-ago]")) {
    const text = ago(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}, 1000);

// Run what a button starts; clicks during the run have no effect.
async function whileBusy(button, step) {
  if (button.ariaBusy) return;
  button.ariaBusy = "true";
  try {
    await step();
  } finally {
    button.ariaBusy = null;
  }
}

// Copy the text of an element, which `name` names.
async function copyText(element, name) {
  getSelection().selectAllChildren(element);
  try {
    await navigator.clipboard.writeText(element.textContent);
    announce("Copied.");
  } catch {
    announce(`${name} is selected: copy it with the keyboard.`); // the clipboard needs HTTPS or localhost
  }
}

// Ask for a confirmation in a dialog. The browser restores the focus afterwards.
function confirmAction(title, text, onConfirm, yes = "Delete") {
  const dialog = $("ask");
  setText("ask-title", title);
  put($("ask-text"), ...text);
  setText("ask-yes", yes);
  $("ask-yes").className = yes === "Delete" ? "danger" : "primary";
  $("ask-yes").onclick = () => {
    dialog.close();
    onConfirm();
  };
  dialog.showModal();
}
