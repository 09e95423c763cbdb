// What is known of a job's command: its title, and the form with it, to change it and send it again.

// Return the document in the command of a failed job, or the members of its operation.
const askedOf = (command) => ["item", "set", "merge"].map((name) => member(command, name)).find((text) => text !== undefined);

// The name of the job's document, as far as it is known.
function nameOfDocument(job) {
  const sent = sentJobs.find((each) => each.id === job.id)?.label;
  const collection = collections.get(job.collection) ?? ITEMS;
  const texts = [job.commandText && askedOf(job.commandText), job.operation === "delete" ? undefined : job.resultText];
  const names = texts.filter((text) => text?.trimStart()[0] === "{").map((text) => documentLabel(collection, text));
  return sent ?? names.find((each) => each !== undefined) ?? job.named;
}

function jobTitle(job) {
  if (!job.operation) return "Job";
  const name = nameOfDocument(job);
  return `${capital(job.operation)} ${name ?? `${noun(collections.get(job.collection) ?? ITEMS)} ${shortId(job.item_id)}`}`;
}

// Open the form with the command of a failed job.
function sendAgain(job) {
  const collection = collections.get(job.collection), command = new Map(parts(job.commandText));
  const op = job.operation === "update" ? command.has("merge") ? "merge" : "set" : job.operation;
  const asked = askedOf(job.commandText) ?? object([...command].filter(([name]) => !["operation", "collection", "item_id", "if_match", "not_before", "not_after"].includes(name)));
  chooseCollection(collection);
  resetForm();
  chooseOperation(op);
  if (usesOf(op).includes("item_id")) input("item_id").value = job.item_id;
  // A version that has passed would be refused again.
  if (command.has("if_match") && reasonOf(job.error) !== "version-mismatch") input("if_match").value = JSON.parse(command.get("if_match"));
  if (collection !== ITEMS) {
    if (usesOf(op).includes("document")) {
      renderForm();
      writeDocument(op, asked);
    }
    openForm = usesOf(op).includes("item_id") ? sendHref(collection.name, op, job.item_id) : sendHref(collection.name, op);
  } else if (usesOf(op).includes("name")) {
    const members = new Map(parts(asked));
    for (const name of ["name", "description"]) input(name).value = members.has(name) ? plain(members.get(name)) : "";
    input("fields").value = members.size > ["name", "description"].filter((name) => members.has(name)).length ? pretty(object([...members].filter(([name]) => name !== "name" && name !== "description"))) : "";
  }
  openVersion = formVersion;
  renderForm();
  location.hash = collection === ITEMS ? "#/send" : openForm;
  if (job.error?.type) showProblem(job.error);
}
