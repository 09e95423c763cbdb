// The inputs of a form that is made from a schema. Each reads and writes JSON text: what is not changed stays as it was.
// A field has: element, read(fail), write(text), need(needed), rename(label), at(path), error(...content), focus().

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NEEDED = "This is needed.";
const FORMATS = {
  date: "a date, as 2026-05-31", "date-time": "a time, as 2026-05-31T12:00:00Z", time: "a time of day, as 12:00:00Z", duration: "a duration, as P1M",
  email: "an e-mail address", uri: "an address, as https://…", uuid: "a UUID",
};
let fieldCount = 0;

// Say in a few words what a schema allows.
function hintOf(words) {
  const limit = (word) => words.get(word);
  const range = (low, high, unit) => low && high ? low === high ? `${low}${unit}` : `${low} to ${high}${unit}` : low ? `at least ${low}${unit}` : high ? `at most ${high}${unit}` : null;
  // Of a text that is needed anyway it goes without saying that it is not empty.
  const length = (word) => ["0", high(word) ? "" : "1"].includes(limit(word)) ? null : limit(word);
  const high = (word) => limit(word.replace("min", "max"));
  const { types } = typesOf(words), found = words.has("description") ? [JSON.parse(words.get("description"))] : [];
  const said = [
    types.includes("string") && !words.has("enum") ? range(length("minLength"), limit("maxLength"), " characters") : null,
    words.has("format") ? FORMATS[JSON.parse(words.get("format"))] : null,
    words.has("pattern") && !words.has("format") ? `as ${JSON.parse(words.get("pattern"))}` : null,
    range(limit("minimum"), limit("maximum"), ""),
    words.has("exclusiveMinimum") ? `more than ${limit("exclusiveMinimum")}` : null,
    words.has("exclusiveMaximum") ? `less than ${limit("exclusiveMaximum")}` : null,
    words.has("multipleOf") ? `in steps of ${limit("multipleOf")}` : null,
    types.includes("array") ? range(length("minItems"), limit("maxItems"), " entries") : null,
  ].filter(Boolean).join(", ");
  if (said) found.push(found.length ? said[0].toUpperCase() + said.slice(1) : said);
  return found.join(" · ");
}

// Make a control with its label, hint and place for an error, and what all fields have in common.
function labelled(spec, control, ...beside) {
  const id = `d${fieldCount += 1}`, hint = hintOf(spec.words);
  const label = el("label", { for: id }, bdi(spec.label)), mark = el("span", { class: "dim", "aria-hidden": "true" }, "required");
  const error = el("p", { class: "error", id: `${id}-error` });
  control.id = id;
  control.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-error` : error.id);
  const field = {
    control, needed: spec.required,
    element: el("div", { class: "field" },
      el("div", { class: "name" }, label, mark, ...beside), hint ? el("p", { class: "hint", id: `${id}-hint` }, bdi(hint)) : null, control, error),
    need(needed) {
      field.needed = needed;
      mark.hidden = !needed || Boolean(spec.unmarked);
      if (needed) field.control.setAttribute("aria-required", "true");
      else field.control.removeAttribute("aria-required");
    },
    rename: (text) => put(label, bdi(text)),
    at: () => field,
    error(...content) {
      put(error, ...content);
      setInvalid(field.control, content.length);
    },
    clear() {
      field.shownErrors = undefined;
      field.error();
    },
    focus: () => field.control.focus(),
  };
  field.element.field = field;
  field.need(spec.required);
  return field;
}

// A string or number. The label has a box for null where the schema allows it.
function textField(spec, type, nullable) {
  const { words } = spec, long = type === "string" && Number(words.get("maxLength")) > 200;
  const control = el(long ? "textarea" : "input", { autocomplete: "off", dir: type === "string" ? "auto" : undefined, autocapitalize: "none",
    rows: long ? "2" : undefined, inputmode: { integer: "numeric", number: "decimal" }[type] });
  const box = nullable ? el("input", { type: "checkbox" }) : null;
  const field = labelled(spec, control, box && el("label", { class: "box" }, box, "null"));
  const maybeEmpty = type === "string" && !["format", "pattern"].some((each) => words.has(each)) && !(Number(words.get("minLength")) > 0);
  let before = null;
  box?.addEventListener("input", () => {
    field.control.disabled = box.checked;
  });
  field.read = (fail) => {
    const { value } = field.control;
    if (box?.checked) return "null";
    if (before && value === before.shown) return before.text;
    if (value === "" || type !== "string" && !value.trim()) {
      if (field.needed && !maybeEmpty) fail(field, NEEDED, true);
      return field.needed && maybeEmpty ? '""' : undefined;
    }
    if (type === "string") return toJson(value);
    if ((type === "integer" ? INTEGER : NUMBER).test(value.trim())) return value.trim();
    fail(field, type === "integer" ? "A whole number is needed, as 42." : "A number is needed, as 12.95.");
  };
  field.write = (text) => {
    if (box) field.control.disabled = box.checked = text === "null";
    const value = text === undefined || box?.checked ? "" : plain(text);
    if (/[\r\n]/.test(value) && field.control.tagName === "INPUT") {
      const area = el("textarea", { rows: "3", ...Object.fromEntries([...field.control.attributes].map((each) => [each.name, each.value])) });
      field.control.replaceWith(area);
      field.control = area;
    }
    field.control.value = value;
    before = text === undefined || box?.checked ? null : { text, shown: field.control.value }; // read back, because inputs normalize line ends
  };
  return field;
}

// One of several values, each given as JSON.
function selectField(spec, values) {
  const select = el("select", {}, el("option", { value: "" }, "–"), ...values.map((each) => el("option", { value: oneLine(each) }, plain(each))));
  const field = labelled(spec, select);
  field.read = (fail) => {
    if (!select.value && field.needed) fail(field, NEEDED, true);
    return select.value || undefined;
  };
  field.write = (text) => {
    const wanted = text === undefined ? "" : oneLine(text);
    // A document may have a value that its schema no longer allows.
    if (![...select.options].some((each) => each.value === wanted)) select.append(el("option", { value: wanted }, plain(text)));
    select.value = wanted;
  };
  if (values.length === 1 && spec.required) select.value = oneLine(values[0]);
  return field;
}

// Anything else, as JSON.
function jsonField(spec, check = () => null) {
  const control = el("textarea", { class: "mono", rows: "4", autocapitalize: "none" });
  const field = labelled(spec, control, el("span", { class: "dim" }, "as JSON"));
  let before = null;
  field.isJson = true;
  field.read = (fail) => {
    if (before && control.value === before.shown) return before.text;
    const text = control.value.trim();
    if (!text) return void (field.needed && fail(field, NEEDED, true));
    let wrong;
    try {
      wrong = check(JSON.parse(text));
    } catch (error) {
      wrong = `This is not JSON: ${error.message}`;
    }
    if (wrong) return void fail(field, wrong);
    return text;
  };
  field.write = (text) => {
    control.value = text === undefined ? "" : pretty(text);
    before = text === undefined ? null : { text, shown: control.value };
  };
  return field;
}

// The value that tells alternatives from one another: it is chosen with them, so that no input is needed.
function fixedField(text) {
  let now = text;
  const write = (written) => {
    now = written !== undefined && equal(text, written) ? written : text;
  };
  return { element: null, fixed: true, read: () => now, write, need() {}, rename() {}, at: () => null, error() {}, clear() {}, focus() {} };
}
