// The queues now and the scheduled commands, with small plots of their history since the page was opened.

const STATS_PAUSE = 5;
const STATS_PAUSE_REFUSED = 3600;
const MAX_POINTS = 360; // half an hour
const TILES = [
  ["waiting", "Waiting"],
  ["in_flight", "In flight"],
  ["oldest", "Oldest message"],
  ["scheduled", "Scheduled"],
  ["dead", "Dead letters"],
  ["parked", "Parked"],
];
const pointsOf = new Map(TILES.map(([id]) => [id, []]));

for (const [id, name] of TILES) {
  $("tiles").append(el("div", { class: "tile", id: `tile-${id}`, hidden: "" }, el("dt", { id: `name-${id}` }, name), el("dd", { id: `now-${id}` }, "–"), el("dd", { class: "dim", id: `plot-${id}` })));
}

function tile(id, now, shown, unit) {
  const points = pointsOf.get(id);
  points.push({ at: Date.now(), value: now });
  if (points.length > MAX_POINTS) points.shift();
  setText(`now-${id}`, shown);
  const values = points.map((point) => point.value ?? 0);
  const low = Math.min(...values), high = Math.max(...values);
  const inUnit = (value) => unit === "s" ? span(value) : digits(value);
  const since = (at) => span((points.at(-1).at - at) / 1000);
  const text = points.length < 2 ? "first reading" : low === high ? `unchanged for ${since(points[0].at)}`
    : values.at(-1) === high ? `highest in ${since(points[0].at)}` : `highest ${inUnit(high)}, ${since(points[values.lastIndexOf(high)].at)} ago`;
  $(`plot-${id}`).replaceChildren(spark(values, `${$(`name-${id}`).textContent}: now ${shown}, ${text}`), text);
  show(`tile-${id}`, high > 0);
}

// Numbers that have been zero all the time need one line together.
function renderZeros() {
  const zeros = TILES.filter(([id]) => $(`tile-${id}`).hidden && id !== "oldest").map(([, name]) => name.toLowerCase());
  setText("tiles-zero", zeros.length === TILES.length - 1 ? "Nothing is waiting." : zeros.length ? `None so far: ${zeros.join(", ")}.` : "");
}

function spark(values, text) {
  const high = Math.max(...values, 1), last = Math.max(values.length - 1, 1);
  const points = values.length > 1 ? values : [values[0], values[0]];
  const line = points.map((value, place) => `${place ? "L" : "M"}${(100 * place / last).toFixed(2)} ${(29 - 27 * value / high).toFixed(2)}`).join("");
  return svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": text },
    svg("path", { class: "area", d: `${line}L100 30L0 30Z` }), svg("path", { d: line }));
}

function oldestOfThisTab() {
  const waiting = sentJobs.filter((job) => !job.done).map((job) => Date.parse(job.created_at));
  return waiting.length ? Math.max(0, (serverNow() - Math.min(...waiting)) / 1000) : 0;
}

function showPause(at) {
  $("paused").hidden = !at;
  if (at) put($("paused"), "The stage was paused by an operator, ", when(at), ": commands are accepted, and wait until it is resumed.");
}

repeat(async () => {
  if (["R", "W"].includes(KEY_PARTS.exec(apiKey())?.[2])) {
    setText("stats-at", "shown to operators' keys only");
    $("tiles").hidden = $("tiles-zero").hidden = true;
    if (!isShown("jobs")) await call("GET", KEY_CHECK); // so that a revoked key is noticed
    return LIST_PAUSE;
  }
  let stats;
  try {
    stats = await read("stats");
  } catch (error) {
    if (error.status) setText("stats-at", error.message);
    if (error.status !== 403 || error.keyRefused) throw error;
    $("tiles").hidden = $("tiles-zero").hidden = true; // the role of the key does not show them
    return STATS_PAUSE_REFUSED;
  }
  $("tiles").hidden = $("tiles-zero").hidden = false;
  showPause(stats.paused_at);
  const { queue } = stats;
  const ageIsKnown = queue.oldest_seconds !== null;
  // Emulators do not report the age; the page then shows the oldest unfinished job of this tab.
  setText("name-oldest", ageIsKnown ? "Oldest message" : "Oldest job of this tab");
  const oldest = ageIsKnown ? queue.oldest_seconds : oldestOfThisTab();
  tile("waiting", queue.waiting + queue.delayed, digits(queue.waiting + queue.delayed));
  tile("in_flight", queue.in_flight, digits(queue.in_flight));
  tile("oldest", oldest, oldest ? span(oldest) : "none", "s");
  tile("scheduled", stats.scheduled, stats.scheduled < 1000 ? digits(stats.scheduled) : "1,000+"); // no more are counted
  tile("dead", stats.dead_letters, digits(stats.dead_letters));
  tile("parked", stats.parked, digits(stats.parked));
  $("tile-dead").classList.toggle("alarm", stats.dead_letters > 0);
  $("tile-parked").classList.toggle("alarm", stats.parked > 0);
  renderZeros();
  setText("stats-at", `as of ${timeOf(stats.at)}`);
  return STATS_PAUSE;
});
