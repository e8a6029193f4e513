// The page: signs in, ties the socket to the map, and says honestly how fresh the picture is.

import { LiveSocket } from "./live.js";
import { FleetMap, SPEED_STEPS } from "./map.js";

const MOST_EVENTS = 50, QUIET_AFTER_MS = 5000, MOVE_EVERY_MS = 200;
const $ = (id) => document.getElementById(id);
const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
const clock = (ms) => new Date(ms).toLocaleTimeString();
let live = null, moveTimer = 0, lastFrameAt = 0, state = ["down", "not connected"];

const map = new FleetMap($("map"), () => {
  moveTimer ||= setTimeout(() => { moveTimer = 0; live?.moved(); }, MOVE_EVERY_MS);
});

/** The token of the address's fragment, which is taken out of the address bar at once, or the one this tab has. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem("token");
}

function signIn(why) {
  sessionStorage.removeItem("token");
  if (why) $("why").textContent = why;
  $("sign-in").hidden = false;
  $("token").focus();
}

function watch(token) {
  $("sign-in").hidden = true;
  live?.stop();
  map.vehicles.clear();
  live = new LiveSocket(token, () => map.view(), {
    frame: (frame) => { lastFrameAt = Date.now(); map.apply(frame, performance.now()); },
    event: (event) => addEvent(`${clock(event.time_ms)} ${wordsOf(event)}`),
    gap: () => addEvent("some events may be missing here"),
    state: (name, detail) => { state = [name, detail]; if (name === "live") readFences(token); },
    refused: (reason) => { state = ["down", reason]; signIn(reason); },
  });
}

function wordsOf(event) {
  const amount =
    event.speed_mps !== undefined
      ? ` at ${Math.round(event.speed_mps * 3.6)} km/h`
      : event.distance_m !== undefined
        ? ` ${Math.round(event.distance_m)} m`
        : "";
  const said = `${event.vehicle} ${event.event} ${event.name ?? event.other}${amount}`;
  return event.rule === undefined ? said : `${said} (${event.rule_name})`;
}

function addEvent(text) {
  const item = document.createElement("li");
  item.textContent = text;
  $("events").prepend(item);
  while ($("events").children.length > MOST_EVENTS) $("events").lastChild.remove();
}

async function readFences(token) {
  const fences = [];
  try {
    for (let path = "v1/fences?limit=1000"; path;) {
      const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
      if (answer.status === 403) return; // a shared view has vehicles and no fences
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const page = await answer.json();
      fences.push(...page.features);
      path = page.next;
    }
    map.fences = fences;
  } catch (error) {
    addEvent(`fences cannot be read: ${error.message}`);
  }
}

function showState() {
  const [name, detail] = state, ageMs = Date.now() - lastFrameAt;
  let text = detail || "live";
  if (name === "live" && ageMs > QUIET_AFTER_MS && lastFrameAt) text = `live, nothing new since ${clock(lastFrameAt)}`;
  if (name === "down" && lastFrameAt) text = `${detail}, stale since ${clock(lastFrameAt)}`;
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").dataset.state = name;
}

function showLegend() {
  const words = ["standing", "< 8 m/s", "< 18 m/s", "faster"];
  for (const [i, [, colour]] of SPEED_STEPS.entries()) {
    const entry = document.createElement("span"), dot = document.createElement("i");
    dot.style.background = colour;
    entry.append(dot, words[i]);
    $("legend").append(entry);
  }
}

function turn(nowMs) {
  const shown = map.draw(nowMs);
  const clustered = [...map.clusters.values()].reduce((sum, cluster) => sum + cluster.count, 0);
  $("shown").textContent = clustered ? `${counted(clustered, "vehicle")} in ${counted(map.clusters.size, "cluster")}` : counted(shown, "vehicle");
  requestAnimationFrame(turn);
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  watch(sessionStorage.getItem("token"));
});
addEventListener("hashchange", () => { const token = takeToken(); if (token) watch(token); });
showLegend();
setInterval(showState, 250);
requestAnimationFrame(turn);
const token = takeToken();
if (token) watch(token);
else signIn("");
