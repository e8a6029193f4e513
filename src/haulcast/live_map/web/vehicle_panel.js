// The chosen vehicle: what it does, how fresh that is, what it did in the last hour, and its way on the map.

import { $, el, say } from "./dom.js";
import { clock, metres, span, speed, wind } from "./format.js";
import { EMPTY, repaint } from "./map_style.js";
import { beside } from "./map_view.js";
import { speedChart } from "./speed_chart.js";
import { SILENT_AFTER_MS, STATES } from "./vehicle_columns.js";
import { VehicleAvailability } from "./vehicle_availability.js";
import { VehicleRoute } from "./vehicle_route.js";
import { TRACK_FORMATS, lastHour, saveTrack, today, visitsToday } from "./vehicle_history.js";

const HOUR_MS = 3_600_000, TRAIL_MS = 15 * 60_000, LEAST_CHART_MS = 5 * 60_000, DAY_EVERY_MS = 60_000, MOST_VISITS = 8, CHART_EVERY_MS = 5000;

export class VehiclePanel {
  /** @param {{map: any, api: any, columns: any, registry: any, hubNow: () => number, shownNow: () => number, play: (id: string) => void, mayRead: () => boolean, close: () => void}} ties */
  constructor(ties) {
    Object.assign(this, { ties, id: null, points: [], isFollowing: false, chartAt: -Infinity, dayAt: -Infinity, reading: 0 });
    this.route = new VehicleRoute(ties);
    this.availability = new VehicleAvailability(ties);
  }

  addTo(map) {
    this.route.addTo(map);
    map.addSource("trail", { type: "geojson", data: EMPTY, lineMetrics: true });
    map.addLayer({ id: "trail", type: "line", source: "trail", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-width": 3 } });
    map.on("dragstart", () => this.isFollowing && this.turnFollow());
  }

  paint(c) {
    this.route.paint(c);
    repaint(this.ties.map, "trail", "line-gradient", ["interpolate", ["linear"], ["line-progress"], 0, `${c.trail}00`, 0.4, `${c.trail}99`, 1, c.trail]);
  }

  /** On the map once more, which had lost it. */
  redraw() {
    this.#drawTrail();
    this.route.redraw();
  }

  /** @param {string | null} id @param {boolean} isToGo */
  open(id, isToGo) {
    const isOther = id !== this.id;
    this.id = id;
    if (isOther) for (const part of [this.route, this.availability]) part.open(id);
    if (id === null) {
      if (isOther) this.#close();
      return;
    }
    if (isOther) {
      Object.assign(this, { points: [], isFollowing: false, chartAt: -Infinity, dayAt: -Infinity });
      this.#build();
      this.#read();
    }
    if (isToGo) this.#go();
  }

  turnFollow() {
    if (this.id === null) return;
    this.isFollowing = !this.isFollowing;
    this.followButton.setAttribute("aria-pressed", String(this.isFollowing));
    if (this.isFollowing) this.#go();
  }

  /** A frame has come: the trail grows, and the map goes along. */
  follow() {
    const slot = this.id === null ? -1 : this.ties.columns.find(this.id);
    if (slot < 0) return;
    const { columns } = this.ties, timeMs = columns.fixTimeMs[slot];
    if (this.points.length && timeMs <= this.points.at(-1).timeMs) return;
    const [lon, lat] = columns.fixAt(slot);
    this.points.push({ timeMs, lon, lat, speedMps: columns.speedMps[slot] });
    if (this.points[0].timeMs < timeMs - HOUR_MS) this.points.shift();
    this.#drawTrail();
    if (this.isFollowing) this.ties.map.easeTo({ center: [lon, lat], duration: 500, ...beside($("detail")) });
  }

  /** Another time is shown: what is known of the way is of no use. */
  forget() {
    this.reading++;
    this.points = [];
    this.#drawTrail();
  }

  /** @param {boolean} isOn whether the past is shown now */
  replay(isOn) {
    this.forget();
    for (const part of [this.route, this.availability]) part.replay(isOn);
    if (!isOn && this.id !== null) this.#read();
  }

  /** Bring the panel up to date; called once a second. */
  show() {
    if (this.id === null) return;
    const { columns, shownNow } = this.ties, slot = columns.find(this.id);
    say(this.facts.state, slot < 0 ? "not in view" : STATES[columns.state[slot]]);
    this.mark.dataset.state = slot < 0 ? "" : STATES[columns.state[slot]];
    if (slot >= 0) {
      const [lon, lat] = columns.fixAt(slot), timeMs = columns.fixTimeMs[slot];
      say(this.facts.speed, `${speed(columns.speedMps[slot])} ${wind(columns.headingAt(slot))}`);
      say(this.facts.fix, `${span(shownNow() - timeMs)} ago, ${clock(timeMs)}`);
      say(this.facts.place, `${lat.toFixed(5)}, ${lon.toFixed(5)}`);
    }
    for (const part of [this.route, this.availability]) part.show();
    if (performance.now() - this.chartAt > CHART_EVERY_MS) this.#drawChart();
    if (performance.now() - this.dayAt > DAY_EVERY_MS) this.#readDay();
  }

  #build() {
    const { registry, close } = this.ties, known = registry.known.get(this.id);
    this.facts = Object.fromEntries(["state", "speed", "fix", "place", "day"].map((name) => [name, el("dd", {}, "–")]));
    const { state, speed: speedFact, fix, place, day } = this.facts;
    const pair = (name, value) => [el("dt", {}, name), value];
    this.mark = el("span.mark");
    this.chart = el("div");
    this.visits = el("div");
    this.followButton = el("button", { type: "button", "aria-pressed": "false", title: "Keep it in the middle (g)", onclick: () => this.turnFollow() }, "Follow");
    $("detail").replaceChildren(
      el("div.head", {}, this.mark, el("h2", {}, registry.nameOf(this.id)), el("button.icon", { type: "button", "aria-label": "Close", onclick: close }, "✕")),
      registry.nameOf(this.id) === this.id ? "" : el("div.tag", {}, this.id), ...(known?.tags ?? []).map((tag) => el("span.tag", {}, tag)),
      el("dl.facts", {}, ...pair("State", state), ...pair("Speed", speedFact), ...pair("Last fix", fix), ...pair("Place", place), ...(this.ties.mayRead() ? pair("Today", day) : []), ...this.availability.nodes),
      el("div.actions", {}, this.followButton, el("button", { type: "button", onclick: () => this.#go() }, "Show"),
        this.ties.mayRead() && el("button", { type: "button", onclick: () => this.ties.play(this.id) }, "Play back")),
      this.route.node, el("h3", {}, "Speed, last hour"), this.chart, this.visits, ...(this.ties.mayRead() ? this.#exports() : []),
    );
    $("detail").hidden = false;
    $("detail").dataset.shows = "vehicle";
  }

  #exports() {
    const hours = el("select", { "aria-label": "How much of the track" }, ...[[1, "Last hour"], [24, "Last 24 hours"], [168, "Last 7 days"]].map(([value, text]) => el("option", { value }, text)));
    hours.value = "24";
    const wrong = el("p.wrong", { role: "status" });
    const save = (format) => saveTrack(this.ties.api, this.id, format, Number(hours.value), this.ties.hubNow()).then(() => say(wrong, ""), (error) => say(wrong, error.message));
    const buttons = Object.entries(TRACK_FORMATS).map(([format, name]) => el("button", { type: "button", onclick: () => save(format) }, name));
    return [el("h3", {}, "Save the track"), el("div.actions", {}, hours, ...buttons), wrong];
  }

  async #read() {
    if (!this.ties.mayRead()) return;
    const turn = ++this.reading, past = await lastHour(this.ties.api, this.id, this.ties.hubNow()).catch(() => []);
    if (turn !== this.reading || !past.length) return;
    this.points = [...past, ...this.points.filter(({ timeMs }) => timeMs > past.at(-1).timeMs)];
    this.#drawTrail();
    this.#drawChart();
  }

  async #readDay() {
    this.dayAt = performance.now();
    if (!this.ties.mayRead()) return;
    const { id } = this, sums = await today(this.ties.api, id, this.ties.hubNow()).catch(() => null);
    if (id !== this.id) return;
    if (sums) say(this.facts.day, `${metres(sums.distanceKm * 1000)}, driving ${span(sums.drivingS * 1000)}`);
    const visits = await visitsToday(this.ties.api, id, this.ties.hubNow()).catch(() => []); // a hub that keeps no visits has none
    if (id === this.id) this.#showVisits(visits);
  }

  #showVisits(visits) {
    const row = ({ name, enteredMs, leftMs }) => [el("dt", {}, name), el("dd", {}, leftMs === null ? `since ${clock(enteredMs)}` : `${clock(enteredMs)}, ${span(leftMs - enteredMs)}`)];
    this.visits.replaceChildren(...(visits.length ? [el("h3", {}, `Visits today: ${visits.length}`), el("dl.facts", {}, ...visits.slice(0, MOST_VISITS).flatMap(row))] : []));
  }

  #drawTrail() {
    const { points } = this, sinceMs = (points.at(-1)?.timeMs ?? 0) - TRAIL_MS;
    const begin = points.findLastIndex(({ timeMs }, at) => timeMs < sinceMs || timeMs - points[at - 1]?.timeMs > SILENT_AFTER_MS); // nobody knows the way through a silence
    const coordinates = points.slice(Math.max(0, begin)).map(({ lon, lat }) => [lon, lat]);
    const data = coordinates.length > 1 ? { type: "Feature", geometry: { type: "LineString", coordinates }, properties: {} } : EMPTY;
    this.ties.map.getSource("trail")?.setData(data);
  }

  #drawChart() {
    this.chartAt = performance.now();
    const toMs = this.ties.shownNow(), points = this.points.filter(({ timeMs }) => timeMs > toMs - HOUR_MS);
    const fromMs = Math.min(points[0]?.timeMs ?? toMs, toMs - LEAST_CHART_MS);
    this.chart.replaceChildren(...speedChart(points, fromMs, toMs));
  }

  async #go() {
    const { columns, map, api } = this.ties, slot = columns.find(this.id), zoom = Math.max(map.getZoom(), 13);
    if (slot >= 0) {
      map.easeTo({ center: columns.placeAt(slot, performance.now()), zoom, ...beside($("detail")) });
      return;
    }
    const { positions } = this.ties.mayRead() ? await api.get(`v1/positions?id=${encodeURIComponent(this.id)}`).catch(() => ({ positions: [] })) : { positions: [] };
    if (positions.length) map.easeTo({ center: [positions[0].lon, positions[0].lat], zoom, ...beside($("detail")) });
    else say(this.facts.state, "nowhere yet");
  }

  #close() {
    this.reading++;
    this.points = [];
    this.#drawTrail();
    if ($("detail").dataset.shows === "vehicle") $("detail").hidden = true;
  }
}
