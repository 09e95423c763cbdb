// The form's inputs for an item, and the form's content when an item is edited.

const HELP = {
  create: "Creates an item. No other item may have its name.",
  read: "Reads the item through the queue, after all commands that were accepted for it before.",
  set: "Sets these fields of the item; the others stay as they are.",
  merge: "Merges into the item (RFC 7396): null removes a field, objects are merged, other values are replaced.",
  delete: "Deletes the item and frees its name.",
};
const USES = {
  create: ["name", "description", "fields", "key"],
  read: ["item_id", "key"],
  set: ["item_id", "name", "description", "fields", "if_match", "key"],
  merge: ["item_id", "name", "description", "fields", "if_match", "key"],
  delete: ["item_id", "if_match", "key"],
};

// Return the members of the further fields as [name, JSON]; throw an Error that says what is wrong.
function furtherFields() {
  const text = value("fields").trim();
  if (!text) return [];
  let read;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  if (read === null || typeof read !== "object" || Array.isArray(read)) throw new Error('The further fields must be an object, as {"price": 12.95}.');
  return parts(text);
}

// Return the members that the command has; put what is wrong into errors, by field.
function itemMembers(op, edited, errors) {
  const members = [];
  const name = value("name"), description = value("description");
  if (op === "create" || (edited ? name !== edited.name : name !== "")) members.push(["name", toJson(name)]);
  if (op === "create" || (edited ? description !== edited.description : description !== "")) members.push(["description", toJson(description)]);
  const needed = op === "create" || edited;
  if (needed && !name.trim()) errors.name = "An item needs a name.";
  else if ([...name].length > 255) errors.name = "The name must have at most 255 characters.";
  try {
    const further = furtherFields();
    const twice = further.find(([each]) => each === "id" || (each === "name" || each === "description") && members.some(([name]) => name === each));
    if (twice) errors.fields = twice[0] === "id" ? "The id is assigned by the service." : `There is a field for the ${twice[0]} above.`;
    const same = ([each, text]) => edited?.further.get(each) === pretty(text);
    members.push(...further.filter((each) => !same(each)));
    const removed = edited && [...edited.further.keys()].filter((each) => !further.some(([name]) => name === each));
    if (removed?.length && op === "set") errors.fields = `Set would leave ${removed.join(", ")} as it is. To remove a field, choose Merge.`;
    if (removed?.length && op === "merge") members.push(...removed.map((each) => [each, "null"]));
    const unremoved = edited && op === "merge" && further.flatMap(([name, text]) => removedPaths(edited.further.get(name), text, name));
    if (unremoved?.length) errors.fields = `Merge would leave ${unremoved.join(", ")} as it is. Write null for it, or choose Set.`;
  } catch (error) {
    errors.fields = error.message;
  }
  if (!members.length && !Object.keys(errors).length) errors.fields = edited ? "Nothing is changed yet." : "At least one field is needed.";
  return members;
}

// Return the paths, at any depth, that `before` has and `after` lacks: a merge would not remove them.
function removedPaths(before, after, path) {
  if (before === undefined || before.trimStart()[0] !== "{" || after.trimStart()[0] !== "{") return [];
  const now = new Map(parts(after));
  return parts(before).flatMap(([name, text]) => now.has(name) ? removedPaths(text, now.get(name), `${path}.${name}`) : [`${path}.${name}`]);
}

// Write an item, given as its JSON, into the inputs; return its further fields.
function writeItem(text) {
  const item = JSON.parse(text), further = parts(text).filter(([name]) => !["id", "name", "description"].includes(name));
  for (const name of ["name", "description"]) input(name).value = item[name] ?? "";
  input("fields").value = further.length ? pretty(object(further)) : "";
  return further;
}

// Fill the form with an item, given as its JSON and its entity tag.
function edit(id, text, etag) {
  chooseCollection(ITEMS);
  resetForm();
  const item = JSON.parse(text);
  chooseOperation("set");
  input("item_id").value = id;
  const further = writeItem(text);
  input("if_match").value = etag ?? "";
  // Read the values back, because inputs normalize line ends.
  loaded = { id, label: item.name, name: value("name"), description: value("description"), further: new Map(further.map(([name, each]) => [name, pretty(each)])) };
  renderForm();
  location.hash = "#/send";
}
