// What is known of a job's command: its title, and the form with it, to change it and send it again.

// The members of a raw command that are not those of an operation.
const COMMON = ["operation", "collection", "item_id", "if_match", "not_before", "not_after"];

// Return the document in a command, or the members of its operation.
function askedOf(command) {
  const members = parts(command), [found] = members.filter(([name]) => ["item", "set", "merge"].includes(name));
  return found ? found[1] : object(members.filter(([name]) => !COMMON.includes(name)));
}

function jobTitle(job) {
  const { operation: op, resultText } = job;
  if (!op) return "Job";
  const of = collections.get(job.collection) ?? ITEMS;
  const name = labelOf(job) ?? (resultText && op !== "delete" ? documentLabel(of, resultText) : "");
  return [capital(op), name || `${noun(of)} ${shortId(job.item_id)}`].join(" ");
}

// Open the form with the command of a failed job.
function sendAgain({ operation: op, collection: name, item_id, commandText, error }) {
  const collection = collections.get(name), command = new Map(parts(commandText)), asked = askedOf(commandText);
  const form = op !== "update" ? op : command.has("merge") ? "merge" : "set";
  chooseCollection(collection);
  resetForm();
  chooseOperation(form);
  const uses = usesOf(form);
  if (uses.includes("item_id")) input("item_id").value = item_id;
  // An If-Match that was refused is left out, since the service would refuse it again.
  if (command.has("if_match") && reasonOf(error) !== "version-mismatch") input("if_match").value = plain(command.get("if_match"));
  if (uses.includes("name")) writeItem(asked);
  if (uses.includes("document")) writeDocument(form, asked);
  openForm = uses.includes("item_id") ? sendHref(name, form, item_id) : sendHref(name, form);
  openVersion = formVersion;
  renderForm();
  location.hash = collection === ITEMS ? "#/send" : openForm;
  showProblem(error);
}
