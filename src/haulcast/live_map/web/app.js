// The page: makes the parts and ties them together. What a part knows of another stands here.

import { ClusterLayer } from "./cluster_layer.js";
import { ConnectionState } from "./connection_state.js";
import { $, say } from "./dom.js";
import { EventFeed } from "./event_feed.js";
import { FencePanel } from "./fence_panel.js";
import { FirstView } from "./first_view.js";
import { FleetClock } from "./fleet_clock.js";
import { counted } from "./format.js";
import { HubApi } from "./hub_api.js";
import { tieKeys } from "./keyboard.js";
import { LiveSocket } from "./live_socket.js";
import { isViewKept, makeMap, viewOf } from "./map_view.js";
import { colours, vehiclePalette } from "./palette.js";
import { OffRoute } from "./off_route.js";
import { Playback } from "./playback.js";
import { claimsOf, forgetToken, isSameBearer, isShared, isToken, keepToken, mayWrite, takeToken } from "./session.js";
import { SignIn } from "./sign_in.js";
import { tieTabs } from "./tabs.js";
import { applyTheme, currentTheme, onTheme, turnTheme } from "./theme.js";
import { VehicleColumns } from "./vehicle_columns.js";
import { VehicleFilter } from "./vehicle_filter.js";
import { VehicleLayer } from "./vehicle_layer.js";
import { VehicleList } from "./vehicle_list.js";
import { VehiclePanel } from "./vehicle_panel.js";
import { VehicleRegistry } from "./vehicle_registry.js";

const MOVE_EVERY_MS = 200, REFRESH_MS = 1000, PICK_PIXELS = 16;

applyTheme();
const connection = new ConnectionState();
const api = new HubApi(() => live?.token ?? "");
const columns = new VehicleColumns(), registry = new VehicleRegistry();
const filter = new VehicleFilter(columns, registry, () => refresh());
const list = new VehicleList(columns, registry, filter, (id) => choose(id, true));
const said = (name) => document.querySelector(`meta[name=${name}]`).content;
const fleetClock = new FleetClock(), isKept = isViewKept();
const map = makeMap("map", said("map-style"), said("map-tiles"));
const firstView = new FirstView(map, { isKept, mayRead: () => live !== null && !isShared(claims) && !playback.isOn, api });
const layer = new VehicleLayer(columns, (id) => registry.nameOf(id));
const showPanel = tieTabs(() => refresh());
let live = null, claims = claimsOf(""), selected = null, hubAheadMs = 0, moveTimer = 0, clusters = null, epoch = "";

const feed = new EventFeed({ nameOf: (id) => registry.nameOf(id), goTo });
const fences = new FencePanel({ map, api, mayWrite: () => mayWrite(claims), hint, closeDetail: () => choose(null), registry });
const panel = new VehiclePanel({ map, api, columns, registry, hubNow: fleetNow, shownNow, play: (id) => { if (!panel.isFollowing) panel.turnFollow(); playback.start(id); }, mayRead: () => !isShared(claims), close: () => choose(null) });
const playback = new Playback({ send: (command) => live?.send(command), hubNow: fleetNow, view: () => viewOf(map), changed: onPlayback, sought: () => panel.forget(), hint });
const offRoute = new OffRoute({ api, changed: showOffRoute });
const signIn = new SignIn(take);

function hubNow() { return Date.now() + hubAheadMs; }
/** The hub's time, or that of a recording which is being sent. */
function fleetNow() { return fleetClock.nowMs(hubNow(), performance.now()); }
/** The time that the map shows. */
function shownNow() { return playback.isOn ? playback.nowMs : fleetNow(); }

function onPlayback(isOn) {
  connection.isPlaying = live.isPlaying = isOn;
  document.body.classList.toggle("is-playing", isOn);
  $("play-back").setAttribute("aria-pressed", String(isOn));
  columns.clear();
  panel.replay(isOn);
  columns.setOffRoute(isOn ? new Set() : offRoute.ids); // who was off route then is not known
  if (isOn) return;
  live.moved();
  if (!isShared(claims)) fences.readAll(); // edits of meanwhile
  refresh();
}

function watch(token) {
  claims = claimsOf(token);
  live?.stop();
  columns.clear();
  offRoute.forget();
  columns.setOffRoute(offRoute.ids);
  say($("fleet"), isShared(claims) ? `${claims.fleet}, shared view` : claims.fleet);
  document.body.classList.toggle("is-shared", isShared(claims));
  signIn.watch(claims.expiresMs || Infinity);
  live = new LiveSocket(token, () => viewOf(map), {
    frame: takeFrame,
    event: happened,
    gap: (why) => feed.gap(why, api),
    told,
    state: (name, detail) => connection.set(name, detail),
    refused,
  });
  connection.set("connecting");
}

/** A token that was typed in, or came with the address. @returns {Promise<string>} "" or why it was not taken */
async function take(token) {
  if (!isToken(token)) return "That is no token.";
  const isRenewal = live && !live.isStopped && isSameBearer(claims, claimsOf(token));
  const why = isRenewal ? await live.renew(token) : "";
  if (why) return why;
  keepToken(token);
  if (isRenewal) signIn.watch(claimsOf(token).expiresMs);
  else watch(token);
  return "";
}

/** One that this tab has or was given by its address. */
async function takeKept(token) {
  const why = await take(token);
  if (why) signIn.ask(why);
}

function refused(why, isFinal) {
  connection.set("refused");
  if (!isFinal) forgetToken();
  signIn.ask(why);
}

function told(message) {
  if (message.type === "welcome") {
    if (message.epoch !== epoch) columns.clear(); // another run of the hub numbers vehicles anew
    epoch = message.epoch;
    readFleet();
    playback.reconnected();
  } else if (message.type === "playback") playback.told(message);
  else if (message.type === "error" && !playback.refused(message)) connection.set("live", `${message.code}: ${message.reason}`);
  else if (message.type === "fences_changed") fences.read();
  else if (message.type === "rules_changed") fences.readRules();
}

function happened(event) {
  feed.add(event);
  offRoute.heard(event);
  panel.route.heard(event);
}

function showOffRoute(ids) {
  filter.offerOffRoute();
  if (!playback.isOn) columns.setOffRoute(ids);
}

async function readFleet() {
  fences.setVisible(!isShared(claims));
  $("tab-fences").hidden = isShared(claims);
  offRoute.start(!isShared(claims));
  if (isShared(claims)) return;
  fences.readAll();
  feed.fill(api);
  await registry.read(api).catch(() => {}); // the list then shows ids
  list.showTags();
}

function takeFrame(frame) {
  connection.frameCame();
  hubAheadMs = frame.timeMs - Date.now();
  if (frame.isClusters) {
    if (frame.isSnapshot) columns.clear();
    clusters?.apply(frame);
  } else {
    if (frame.isSnapshot) clusters?.clear();
    const newestMs = columns.apply(frame, performance.now());
    if (!frame.isSnapshot && !playback.isOn && newestMs > -Infinity) fleetClock.heard(newestMs, frame.timeMs, performance.now());
  }
  recount();
  panel.follow();
  map.triggerRepaint();
}

function recount() {
  const counts = columns.refresh(shownNow(), filter.isShown, selected === null ? -1 : columns.find(selected));
  filter.tell(counts);
  const clustered = clusters?.vehicles ?? 0;
  say($("shown"), clustered ? `${counted(clustered, "vehicle")} in ${counted(clusters.cells.size, "cluster")}` : counted(columns.count, "vehicle"));
  $("states").hidden = clustered > 0;
}

function refresh() {
  connection.recordedMs = fleetClock.isRecorded(performance.now()) ? fleetNow() : null;
  firstView.look(performance.now());
  recount();
  list.show(selected, shownNow(), clusters?.vehicles ?? 0);
  panel.show();
  map.triggerRepaint();
}

/** @param {string | null} id @param {boolean} [isToGo] whether the map goes there */
function choose(id, isToGo = false) {
  selected = id;
  if (isToGo) firstView.forgo();
  if (id !== null) fences.close();
  panel.open(id, isToGo);
  refresh();
}

function goTo(lon, lat, id) {
  firstView.forgo();
  map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 13) });
  if (id) choose(id);
}

function hint(text) {
  $("map-hint").hidden = !text;
  say($("map-hint"), text);
}

function paint(theme) {
  layer.paint(vehiclePalette(theme));
  clusters?.paint(colours(theme));
  fences.paint(colours(theme));
  panel.paint(colours(theme));
}

/** The browser has given the map its graphics back; the map made its own layers anew, but not ours, nor what has changed meanwhile. */
function comeBack() {
  map.addLayer(layer);
  for (const part of [fences, panel]) part.redraw();
  clusters.show();
  applyTheme();
  $("map-away").hidden = true;
}

function pick(event) {
  if (fences.isDrawing) return;
  const { lng, lat } = event.lngLat, mostUnits = (PICK_PIXELS * 2 ** 32) / (512 * 2 ** map.getZoom());
  const slot = columns.nearest(lng, lat, mostUnits, performance.now());
  if (slot >= 0) choose(columns.nameAt(slot));
  else if (!fences.pick(event.point)) choose(null);
}

map.on("load", () => {
  fences.addTo(map);
  panel.addTo(map);
  clusters = new ClusterLayer(map);
  map.addLayer(layer);
  paint(currentTheme());
  onTheme(paint);
  map.on("click", pick);
  map.on("style.load", comeBack);
  $("map-away").hidden = true;
  live?.moved();
});
map.on("webglcontextlost", () => { $("map-away").hidden = false; });
map.on("move", () => { moveTimer ||= setTimeout(() => { moveTimer = 0; if (playback.hasView) live?.moved(); }, MOVE_EVERY_MS); });
setInterval(refresh, REFRESH_MS);
$("theme").addEventListener("click", turnTheme);
$("play-back").addEventListener("click", () => (playback.isOn ? playback.stop() : playback.start(null)));
$("leave").addEventListener("click", () => { forgetToken(); location.reload(); });
addEventListener("hashchange", () => { const given = takeToken(); if (given) takeKept(given); });
tieKeys({ map, showPanel, turnTheme, close: () => (fences.isOpen ? fences.close() : choose(null)), follow: () => panel.turnFollow(), play: () => (playback.isOn ? playback.turnPause() : playback.start(selected)) });

const token = takeToken();
if (token) takeKept(token);
else signIn.ask("");
