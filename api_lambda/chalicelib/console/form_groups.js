// The parts of a form that have fields of their own: objects, arrays, and the choice between alternatives.

const MOST = 200; // entries of an array that have inputs
const DEEPEST = 5; // below it a value is JSON text, which also ends schemas that contain themselves

// Make the field for a schema. spec: {schema, root, label, required, depth, first: whether defaults are filled in,
// top: whether it is the document, chosen: whether it is an alternative, inChosen: whether it is a member of one, plain: whether a label is above it}
function fieldFor(given) {
  const words = keywords(given.schema, given.root), { types, nullable } = typesOf(words);
  const spec = { ...given, words };
  const [type] = types;
  const every = alternatives(words, given.root), branches = every.filter((each) => each.own !== '{"type": "null"}');
  const orNull = nullable || branches.length < every.length;
  let field;
  if (words.has("const") && given.required && (given.chosen || given.inChosen)) return fixedField(words.get("const"));
  if (words.has("const")) field = selectField(spec, [words.get("const")]);
  else if (words.has("enum")) field = selectField(spec, parts(words.get("enum")).map(([, each]) => each));
  else if (branches.length === 1 && types.length === 0) return fieldFor({ ...given, schema: only(branches[0].schema, words, orNull, given.root) });
  else if (given.depth < DEEPEST && branches.length > 1) field = choiceField(spec, branches);
  else if (types.length !== 1) field = jsonField(spec);
  else if (type === "boolean") field = selectField(spec, ["true", "false", ...orNull ? ["null"] : []]);
  else if (type === "string" || type === "integer" || type === "number") field = textField(spec, type, orNull);
  else if (given.depth < DEEPEST && type === "object" && words.has("properties")) field = replaceable(spec, objectField(spec), "{");
  else if (given.depth < DEEPEST && type === "array" && words.has("items") && !words.has("prefixItems")) field = replaceable(spec, arrayField(spec), "[");
  else field = jsonField(spec);
  if (words.has("default") && given.first) field.write(words.get("default"));
  return field;
}

// Return the single alternative beside null as a schema.
function only(schema, around, orNull, root) {
  const words = keywords(schema, root), { types } = typesOf(words);
  if (orNull && types.length) words.set("type", toJson([...types, "null"]));
  if (around.has("description") && !words.has("description")) words.set("description", around.get("description"));
  return object([...words]);
}

// Show JSON text instead of a group if a document has something of another kind in its place.
function replaceable(spec, group, opening) {
  let inner = group;
  const element = el("div", { class: "slot" }, group.element);
  const change = (other) => {
    if (inner === other) return;
    put(element, other.element);
    other.need(inner.needed);
    inner = other;
  };
  return {
    element, get needed() { return inner.needed; },
    read: (fail) => inner.read(fail),
    write(text) {
      const is = text === undefined || text.trimStart()[0] === opening && (opening === "{" || parts(text).length <= MOST);
      change(is ? group : jsonField(spec));
      inner.write(text);
    },
    need: (needed) => inner.need(needed),
    rename: (label) => inner.rename(label),
    at: (path) => inner.at(path),
    error: (...content) => inner.error(...content),
    clear: () => inner.clear(),
    focus: () => inner.focus(),
    partial: (isPart) => inner.partial?.(isPart),
    names: () => inner.names?.(),
  };
}

// Make a fieldset, and what all groups have in common.
function grouped(spec, ...content) {
  const id = `d${fieldCount += 1}`, hint = spec.plain ? "" : hintOf(spec.words);
  const name = el("span", {}, bdi(spec.label ?? "")), mark = el("span", { class: "dim", "aria-hidden": "true" }, "required");
  const error = el("p", { class: "error", id: `${id}-error` });
  const element = el("fieldset", { class: spec.plain ? "stack" : "stack nested", "aria-describedby": hint ? `${id}-hint ${error.id}` : error.id },
    spec.plain ? null : el("legend", {}, name, mark), hint ? el("p", { class: "hint", id: `${id}-hint` }, bdi(hint)) : null, error, ...content);
  const group = {
    element, needed: spec.required,
    need(needed) {
      group.needed = needed;
      mark.hidden = !needed || Boolean(spec.unmarked);
    },
    rename: (label) => put(name, bdi(label)),
    error: (...found) => put(error, ...found),
  };
  group.need(spec.required);
  return group;
}

function objectField(spec) {
  const { words, root, depth } = spec;
  const required = new Set(JSON.parse(words.get("required") ?? "[]"));
  const first = spec.first && spec.required;
  const children = new Map(parts(words.get("properties")).map(([name, schema]) =>
    [name, fieldFor({ schema, root, label: name, required: required.has(name), depth: depth + 1, first, inChosen: spec.chosen })]));
  const open = words.has("patternProperties") || (words.get("additionalProperties") ?? String(Boolean(spec.top))) !== "false";
  const restSpec = { words: new Map(), label: "Further fields", required: false };
  const rest = jsonField(restSpec, (value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return 'The further fields must be an object, as {"note": "x"}.';
    const twice = Object.keys(value).find((name) => children.has(name) || spec.top && name === "id");
    return twice === undefined ? null : twice === "id" ? "The id is assigned by the service." : `There is a field for ${twice} above.`;
  });
  rest.element.hidden = !open;
  const group = grouped(spec, ...[...children.values()].map((child) => child.element), rest.element);
  const all = [...children.values(), rest];
  let wasEmpty = false; // an empty object in the document is not nothing
  return Object.assign(group, {
    read(fail) {
      const failed = [];
      const later = (...failure) => failed.push(failure);
      const members = [...children].map(([name, child]) => [name, child.read(later), child.fixed]).filter(([, text]) => text !== undefined);
      const more = rest.element.hidden ? undefined : rest.read(later);
      if (more) members.push(...parts(more));
      const filled = members.some(([, , fixed]) => !fixed) || failed.some(([, , missing]) => !missing);
      if (!group.needed && !filled && !wasEmpty) return undefined;
      for (const each of failed) fail(...each);
      return object(members);
    },
    write(text) {
      const members = new Map(text === undefined ? [] : parts(text));
      wasEmpty = text !== undefined && members.size === 0;
      for (const [name, child] of children) child.write(members.get(name));
      const unknown = [...members].filter(([name]) => !children.has(name));
      if (unknown.length) rest.element.hidden = false;
      rest.write(unknown.length ? object(unknown) : undefined);
    },
    // Of a part of a document, as for set and merge, nothing is required.
    partial(isPart) {
      for (const name of required) children.get(name)?.need(!isPart);
    },
    at([name, ...more]) {
      if (name === undefined) return group;
      return children.get(name)?.at(more) ?? (children.has(name) || rest.element.hidden ? group : rest);
    },
    clear() {
      group.shownErrors = undefined;
      group.error();
      for (const each of all) each.clear();
    },
    focus: () => all.find((each) => each.element && !each.element.hidden)?.focus(),
    names: () => [...children.keys()],
  });
}

function arrayField(spec) {
  const { words, root, depth, label } = spec;
  const schema = words.get("items"), entries = [];
  const list = el("div", { class: "stack" });
  const add = el("button", { type: "button", class: "quiet" }, "Add ", el("span", { class: "away" }, `to ${label}`));
  const group = grouped(spec, list, el("div", { class: "actions" }, add));
  let present = false;
  const number = () => entries.forEach((entry, place) => {
    entry.field.rename(`${group.label} ${place + 1}`);
    entry.remove.setAttribute("aria-label", `Remove ${group.label} ${place + 1}`);
  });
  const append = (first) => {
    const field = fieldFor({ schema, root, label, required: true, unmarked: true, depth: depth + 1, first });
    const remove = el("button", { type: "button", class: "quiet" }, "Remove");
    const entry = { field, remove, row: el("div", { class: "entry" }, field.element, remove) };
    on(remove, "click", () => {
      const place = entries.indexOf(entry);
      entries.splice(place, 1);
      entry.row.remove();
      number();
      (entries[Math.min(place, entries.length - 1)]?.remove ?? add).focus();
      announce("Removed.");
      add.dispatchEvent(new Event("input", { bubbles: true }));
    });
    entries.push(entry);
    list.append(entry.row);
    number();
    return field;
  };
  const empty = () => {
    entries.length = 0;
    put(list);
  };
  on(add, "click", () => {
    append(true).focus();
    add.dispatchEvent(new Event("input", { bubbles: true }));
  });
  group.label = label;
  const renameGroup = group.rename;
  Object.assign(group, {
    read: (fail) => entries.length || group.needed || present ? `[${entries.map((entry) => entry.field.read(fail) ?? "null").join(", ")}]` : undefined,
    write(text) {
      present = text !== undefined;
      empty();
      if (present) for (const [, each] of parts(text)) append(false).write(each);
    },
    rename(text) {
      group.label = text;
      renameGroup(text);
      number();
    },
    at([place, ...more]) {
      return place === undefined ? group : entries[Number(place)]?.field.at(more) ?? group;
    },
    clear() {
      group.shownErrors = undefined;
      group.error();
      for (const { field } of entries) field.clear();
    },
    focus: () => (entries[0]?.field ?? add).focus(),
  });
  if (spec.first && spec.required) for (let n = 0; n < Math.min(3, Number(words.get("minItems") ?? 0)); n += 1) append(true);
  return group;
}

// The name of an alternative: its title, else the fixed values in it, else its type.
function alternativeName({ own }, root, place) {
  const words = keywords(own, root);
  if (words.has("title")) return JSON.parse(words.get("title"));
  if (words.has("const")) return plain(words.get("const"));
  const fixed = parts(words.get("properties") ?? "{}").map(([, each]) => keywords(each, root).get("const")).filter(Boolean);
  if (fixed.length) return fixed.map(plain).join(", ");
  const required = JSON.parse(words.get("required") ?? "[]");
  return required.length ? `with ${required.join(", ")}` : typesOf(words).types.join(" or ") || `${place + 1}`;
}

const OTHER = "other";

function choiceField(spec, branches) {
  const { root, depth, label } = spec;
  const select = el("select", {}, el("option", { value: "" }, "–"), ...branches.map((each, place) => el("option", { value: String(place) }, alternativeName(each, root, place))));
  const field = labelled({ ...spec, label: label ?? "Kind" }, select);
  const body = el("div", { class: "branch" });
  let current = null, untouched = true, part = false;
  const choose = (place, first) => {
    select.value = place;
    current = place === "" ? null : place === OTHER ? jsonField({ ...spec, label: label ?? "Kind" }) : fieldFor({ schema: branches[place].schema, root, label: label ?? "Kind", required: true, depth: depth + 1, first, top: spec.top, chosen: true, plain: true });
    current?.partial?.(part);
    put(body, ...current?.element ? [current.element] : []);
  };
  on(body, "input", () => {
    untouched = false;
  });
  on(select, "input", () => {
    untouched = false;
    const before = current?.read(() => {}), known = current?.names;
    choose(select.value, true);
    // Keep what both alternatives have.
    const names = current?.names?.();
    if (known && names && before) current.write(object(parts(before).filter(([name]) => names.includes(name))));
  });
  if (spec.required) choose("0", spec.first);
  return {
    element: el("div", { class: "stack" }, field.element, body), get needed() { return field.needed; },
    read(fail) {
      if (!current && field.needed) fail(field, NEEDED, true);
      if (current && !field.needed) current.need(false);
      else current?.need(true);
      return current?.read(fail);
    },
    write(text) {
      const place = text === undefined ? -1 : branches.findIndex((each) => fits(text, each.schema, root));
      untouched = false;
      // A document may have something that is none of the alternatives.
      if (text !== undefined && place < 0 && select.lastChild.value !== OTHER) select.append(el("option", { value: OTHER }, "other"));
      choose(text === undefined ? "" : place < 0 ? OTHER : String(place), false);
      current?.write(text);
    },
    partial(isPart) {
      part = isPart;
      this.need(spec.required && !isPart);
      current?.partial?.(isPart);
    },
    // What was chosen only because something must be is no part of a change.
    need(needed) {
      field.need(needed);
      if (untouched && spec.required && needed !== Boolean(current)) choose(needed ? "0" : "", spec.first);
    },
    names: () => current?.names?.(), rename: field.rename, error: field.error, focus: field.focus,
    at: (path) => path.length ? current?.at(path) ?? field : field,
    clear() {
      field.clear();
      current?.clear();
    },
  };
}
