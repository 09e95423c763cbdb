// JSON as text, so that numbers beyond 2^53 and fractions of 38 digits stay exact, unlike with JSON.parse.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
// These characters change the direction of the JSON around them; their escapes are the same strings.
const DIRECTION_MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const toJson = JSON.stringify;

const visible = (text) => text.replace(DIRECTION_MARKS, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);

// Return the parts of an object or array of valid JSON: [name or undefined, text of the value], unchanged.
function parts(text) {
  const found = [];
  let depth = 0, from = null, to = 0, name;
  const isObject = text.trimStart()[0] === "{";
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (depth === 0 && closes || depth === 1 && token === ",") {
      if (from !== null) found.push([name, text.slice(from, to)]);
      from = null;
      name = undefined;
    } else if (depth > 0) {
      if (depth === 1 && isObject && name === undefined) name = JSON.parse(token);
      else if (!(depth === 1 && isObject && from === null && token === ":")) from ??= index;
    }
    to = index + token.length;
    if (token === "{" || token === "[") depth += 1;
  }
  return found;
}

const member = (text, wanted) => parts(text).findLast(([name]) => name === wanted)?.[1];

const oneLine = (text) => text.match(TOKEN).map((token) => token === "," || token === ":" ? `${token} ` : token).join("");

const object = (members) => `{${members.map(([name, value]) => `${toJson(name)}: ${oneLine(value)}`).join(", ")}}`;

// Return the JSON with a line for each member, as pieces [kind, text]: name, string, number (and other words) or mark.
function pieces(text) {
  const tokens = text.match(TOKEN) ?? [];
  const made = [];
  let depth = 0;
  const line = () => made.push(["mark", `\n${"  ".repeat(depth)}`]);
  tokens.forEach((token, place) => {
    const next = tokens[place + 1];
    if (token === "{" || token === "[") {
      made.push(["mark", token]);
      depth += 1;
      if (next !== "}" && next !== "]") line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      if (!["{", "["].includes(tokens[place - 1])) line();
      made.push(["mark", token]);
    } else if (token === ",") {
      made.push(["mark", token]);
      line();
    } else if (token === ":") {
      made.push(["mark", ": "]);
    } else {
      made.push([token[0] !== '"' ? "number" : next === ":" ? "name" : "string", visible(token)]);
    }
  });
  return made;
}

const pretty = (text) => pieces(text).map(([, piece]) => piece).join("");
