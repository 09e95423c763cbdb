// The collections, from the service's OpenAPI document, which the page reads once.
// Their schemas stay JSON text, so that the numbers in them stay exact.

const ITEMS = { name: "items", title: "Item", key: null, unique: ["name"], indexes: [], types: {}, operations: new Map(), schema: "{}" };
const collections = new Map([["items", ITEMS]]);
let openapi = "{}";
let collectionsReading = null;
let collectionsProblem = "";

function readCollections() {
  collectionsReading ??= fetchCollections().catch((error) => {
    collectionsReading = null; // the next view that needs them tries again
    collectionsProblem = error.message;
  });
  return collectionsReading;
}

async function fetchCollections() {
  const answer = await fetch("openapi.json", { cache: "no-cache", credentials: "omit", redirect: "error" }).catch(() => null);
  if (!answer?.ok) throw new Error("The collections cannot be read from the service.");
  openapi = await answer.text();
  const listed = member(openapi, "x-jobpipe-collections");
  if (listed) for (const [name, text] of parts(listed)) if (name !== "items") collections.set(name, collectionOf(name, text));
  collectionsProblem = "";
  setText("nav-items", several() ? "Documents" : "Items");
  for (const chooser of ["items", "send"]) renderChooser(chooser);
  offerCollections();
  const [, own] = collections.keys();
  if (!own || /^#\/(send|items)/.test(location.hash)) return;
  $("nav-items").href = documentsHref(own);
  for (const link of all("#nav-send,#mine-empty a")) link.href = sendHref(own);
}

function collectionOf(name, text) {
  const known = JSON.parse(text);
  const operations = new Map(parts(member(text, "operations") ?? "{}").map(([operation, each]) => [operation, operationOf(operation, each)]));
  return {
    name, operations, title: known.title ?? name, key: known.key ?? null, unique: known.unique ?? [], indexes: known.indexes ?? [], types: known.types ?? {},
    schema: resolved(member(text, "schema") ?? "{}", openapi),
  };
}

// An operation's members as the schema of an object.
function operationOf(name, text) {
  const takes = parts(member(text, "takes") ?? "{}"), optional = parts(member(text, "optional") ?? "{}");
  const required = toJson(takes.map(([each]) => each));
  const schema = `{"type": "object", "additionalProperties": false, "required": ${required}, "properties": ${object([...takes, ...optional])}}`;
  return { name, schema, description: JSON.parse(member(text, "description") ?? '""'), empty: takes.length + optional.length === 0 };
}

// Unlike URLSearchParams, write a space as %20: not every gateway reads + as a space.
const queryOf = (pairs) => pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
const several = () => collections.size > 1;
const capital = (text) => text[0].toUpperCase() + text.slice(1).replaceAll("-", " ");
const noun = ({ title }) => /^.[A-Z]/.test(title) ? title : title[0].toLowerCase() + title.slice(1);
const plural = ({ name }) => capital(name);
const collectionPath = ({ name }) => encodeURIComponent(name);
const documentPath = (collection, id) => `${collectionPath(collection)}/${encodeURIComponent(id)}`;
const documentsHref = (name) => name === "items" ? "#/items" : `#/collections/${encodeURIComponent(name)}`;
const documentHref = (name, id) => `${documentsHref(name)}/${encodeURIComponent(id)}`;
const sendHref = (name, ...more) => `#/send/${[name, ...more].map(encodeURIComponent).join("/")}`;
const documentLink = (name, id, content) => el("a", { href: documentHref(name, id) }, content);
// The name of a job's collection beside its command, unless there are items only.
const tag = (name = "items") => several() || name !== "items" ? el("span", { class: "tag" }, bdi(name)) : null;
const shortId = (id) => id.length > 14 ? `${id.slice(0, 8)}…` : id;
const lookUpFields = ({ key, unique, indexes }) => [...new Set([...key ? [key] : [], ...unique, ...indexes])];

// What a person calls the document: its key, else its first unique value.
function documentLabel({ key, unique }, text) {
  const found = [...key ? [key] : [], ...unique].map((name) => member(text, name)).find((each) => each !== undefined && each !== "null");
  return found === undefined ? undefined : plain(found);
}

// A string as itself, another value as its JSON.
const plain = (text) => text[0] === '"' ? JSON.parse(text) : oneLine(text);

function renderChooser(view) {
  const select = $(`${view}-collection`);
  put(select, ...[...collections.keys()].map((name) => el("option", { value: name }, name)));
  show(`${view}-chooser`, several());
}

// Return the part of a JSON document at a reference such as #/$defs/line.
function pointed(text, reference) {
  const [first, ...segments] = reference.split("/");
  if (first !== "#") return undefined;
  return segments.reduce((at, segment) => {
    const name = decoded(segment).replaceAll("~1", "/").replaceAll("~0", "~");
    return at?.trimStart()[0] === "{" ? member(at, name) : at === undefined ? at : parts(at)[Number(name)]?.[1];
  }, text);
}

function resolved(text, root) {
  const reference = text.trimStart()[0] === "{" ? member(text, "$ref") : undefined;
  return reference === undefined ? text : pointed(root, JSON.parse(reference)) ?? pointed(openapi, JSON.parse(reference)) ?? "{}";
}

// Return the keywords of a schema as a map of JSON texts, with those of its references and of allOf.
function keywords(text, root, hops = 0) {
  const own = new Map(text.trimStart()[0] === "{" ? parts(text) : []);
  if (hops > 20) return own; // references in a circle
  if (own.has("$ref")) {
    const target = resolved(text, root);
    own.delete("$ref");
    combine(own, keywords(target, root, hops + 1));
  }
  const all = own.get("allOf");
  own.delete("allOf");
  if (all) for (const [, each] of parts(all)) combine(own, keywords(each, root, hops + 1));
  return own;
}

function combine(own, more) {
  for (const [word, text] of more) {
    if (!own.has(word)) {
      own.set(word, text);
    } else if (word === "properties") {
      const both = new Map(parts(own.get(word)));
      for (const [name, each] of parts(text)) both.set(name, both.has(name) ? `{"allOf": [${both.get(name)}, ${each}]}` : each);
      own.set(word, object([...both]));
    } else if (word === "required") {
      own.set(word, toJson([...new Set([...JSON.parse(own.get(word)), ...JSON.parse(text)])]));
    }
  }
  return own;
}

// Return the types that a schema names or implies, without null, and whether it allows null.
function typesOf(words) {
  const named = words.has("type") ? [JSON.parse(words.get("type"))].flat() : words.has("properties") ? ["object"] : words.has("items") ? ["array"] : [];
  return { types: named.filter((each) => each !== "null"), nullable: named.includes("null") };
}

// Return the alternatives of a schema: each as it is, and with the keywords around it.
function alternatives(words, root) {
  const word = words.has("oneOf") ? "oneOf" : "anyOf";
  if (!words.has(word)) return [];
  const around = new Map([...words].filter(([each]) => each !== word && each !== "description" && each !== "title" && each !== "default"));
  return parts(words.get(word)).map(([, each]) => ({ own: oneLine(each), schema: object([...combine(keywords(each, root), around)]) }));
}

// Two numbers may be equal in different digits.
const equal = (one, other) => pretty(one) === pretty(other) || /^[-\d]/.test(one) && /^[-\d]/.test(other) && Number(one) === Number(other);

// Tell roughly whether JSON fits a schema: enough to choose between alternatives.
function fits(text, schema, root, depth = 0) {
  const words = keywords(schema, root), { types, nullable } = typesOf(words), first = text.trimStart()[0];
  if (words.has("const") && !equal(text, words.get("const"))) return false;
  if (words.has("enum") && !parts(words.get("enum")).some(([, each]) => equal(text, each))) return false;
  const type = { "{": "object", "[": "array", '"': "string", t: "boolean", f: "boolean", n: "null" }[first] ?? "number";
  const named = type === "null" ? nullable : types.includes(type) || type === "number" && types.includes("integer") && !/[.eE]/.test(text);
  if (words.has("type") && !named) return false;
  if (type !== "object" || depth > 4) return true;
  const members = new Map(parts(text)), properties = new Map(parts(words.get("properties") ?? "{}"));
  return JSON.parse(words.get("required") ?? "[]").every((name) => members.has(name))
    && [...members].every(([name, each]) => properties.has(name) ? fits(each, properties.get(name), root, depth + 1) : words.get("additionalProperties") !== "false");
}
