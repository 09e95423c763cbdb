// The deliveries of the open job's events to the caller's webhooks.

const TOLD_SOON = 60_000; // milliseconds after an end or a replay in which something is expected
const TOLD_PAUSE = 2;
let eventsOff = false; // as the stage has said
let told = {}; // {end, since, entries, awaited, note}; `end` is the end of the job that is shown

$("told").tBodies[0].before($("deliveries").tHead.cloneNode(true));

listeners.add((job) => {
  const end = job.done ? `${job.id} ${job.updated_at}` : "";
  if (job.id !== openJob?.id || told.end === end) return;
  told = { end, since: Date.parse(job.updated_at), entries: [], awaited: null, note: "told-outcome" };
  show("job-told", false);
  setText("told-error", "");
  setText("told-outcome", "");
  toldPoll.soon();
});

const toldPoll = repeat(async () => !eventsOff && isShown("job") && openJob?.done ? readTold(openJob, told) : 1);

async function readTold(job, view) {
  try {
    const hooks = await read("webhooks");
    const answers = await Promise.all(hooks.map(({ id }) => call("GET", `webhooks/${id}/deliveries?job=${job.id}`)));
    if (told !== view) return 0;
    view.entries = hooks.flatMap((hook, place) => JSON.parse(answers[place].text).map((each) => ({ ...each, hook })));
    const isSoon = serverNow() - view.since < TOLD_SOON;
    const untold = hooks.filter((hook) => !view.entries.some((each) => each.hook === hook)).map((hook) => {
      const why = whyNot(hook, job);
      return { hook, why, isExpected: isSoon && !why };
    });
    fill($("told"), [...view.entries.map(deliveryRow), ...untold.map(untoldRow)]);
    setText("told-error", "");
    show("job-told", hooks.length > 0);
    renderOutcome(view);
    const waits = view.entries.some(({ state }) => state === "pending") || untold.some(({ isExpected }) => isExpected);
    if (isSoon && (waits || view.awaited)) return TOLD_PAUSE;
    return isSoon || waits ? LIST_PAUSE : Infinity; // nothing changes any more, unless it is asked for
  } catch (error) {
    if (told !== view) return 0;
    eventsOff = isOff(error);
    if (eventsOff) return 1;
    setText("told-error", messageOf(error));
    show("job-told", true);
    throw error;
  }
}

// Say why a webhook is not notified of the end of a job; "" if it should be.
function whyNot({ created_at, events, collections }, job) {
  if (created_at > job.updated_at) return "It was created later.";
  const wants = events.includes("job.ended") && (!collections.length || collections.includes(job.collection));
  return wants ? "" : `It asks for ${events.join(", ")}${collections.length ? ` of ${collections.join(", ")}` : ""}.`;
}

function untoldRow({ hook, why, isExpected }) {
  const [kind, text] = isExpected ? ["queued", "not yet"] : ["cancelled", "not sent"];
  return { id: hook.id, cells: [
    [text, () => el("span", { class: `badge ${kind}` }, text)],
    [hook.url, () => hookLink(hook)],
    [why, () => bdi(why)],
    ...["wide number", "wide", "number"].map((each) => ["", () => "", each]),
  ] };
}

on($("told"), "click", (event) => {
  const button = event.target.closest("button"), view = told, delivery = button && deliveryOf(button, view);
  if (delivery) whileBusy(button, async () => {
    setText("told-error", "");
    try {
      await call("POST", `webhooks/${delivery.hook.id}${replayPath(delivery)}`);
      if (told !== view) return;
      view.since = serverNow();
      awaitOutcome(view, delivery, "The event");
      toldPoll.soon();
    } catch (error) {
      if (told === view) setText("told-error", messageOf(error));
    }
  });
});
