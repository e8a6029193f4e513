// The route of the chosen vehicle in its panel: what is next, when, and how late; and on the map.

import { $, el, say } from "./dom.js";
import { metres } from "./format.js";
import { beside } from "./map_view.js";
import { RouteLayer } from "./route_layer.js";
import { isOver, latenessOf, stopName, timesOf } from "./route_words.js";

const MOST_STOPS = 6, AGAIN_MS = 30_000;
const KINDS = new Set(["arrived", "departed", "late_risk", "off_route", "on_route"]);

export class VehicleRoute {
  /** @param {{map: any, api: import("./hub_api.js").HubApi, hubNow: () => number, mayRead: () => boolean}} ties */
  constructor(ties) {
    Object.assign(this, { ties, id: null, route: null, layer: null, readAt: -Infinity, turn: 0, isPast: false, rows: [], shown: "" });
    this.title = el("h3");
    this.progress = el("p.soft");
    this.list = el("ol.stops", { "aria-label": "Next stops" });
    this.node = el("div", { id: "route", hidden: true }, this.title, this.progress, this.list);
  }

  addTo(map) {
    this.layer = new RouteLayer(map);
    this.#show();
  }

  paint(c) { this.layer?.paint(c); }

  /** On the map once more, which had lost it. */
  redraw() { this.#show(); }

  /** @param {string | null} id */
  open(id) {
    Object.assign(this, { id, route: null, readAt: -Infinity });
    this.turn++;
    this.#show();
  }

  /** @param {object} event of the live socket */
  heard(event) {
    if (event.vehicle === this.id && KINDS.has(event.event)) this.readAt = -Infinity;
  }

  /** Routes are of now: while the past is shown there is none. @param {boolean} isOn */
  replay(isOn) {
    this.isPast = isOn;
    this.#show();
  }

  /** Bring it up to date; called once a second. */
  show() {
    if (this.id === null || this.isPast) return;
    if (performance.now() - this.readAt > AGAIN_MS) this.#read();
    this.#say();
  }

  async #read() {
    this.readAt = performance.now();
    const { id } = this, { api, mayRead } = this.ties, turn = ++this.turn;
    if (!mayRead() || !(await api.offers("/v1/routes"))) return;
    try {
      // to ask for the route of one that has none would be an error on the console
      const { routes } = await api.get(`v1/routes?status=active&vehicle=${encodeURIComponent(id)}&limit=1`);
      const route = routes.length ? await api.get(`v1/vehicles/${encodeURIComponent(id)}/route`) : null;
      if (turn === this.turn) this.route = route;
    } catch (error) {
      if (turn === this.turn && error.status === 404) this.route = null; // it has ended in between
    }
    if (turn === this.turn) this.#show();
  }

  #show() {
    const route = this.isPast ? null : this.route;
    this.layer?.show(route);
    this.node.hidden = !route;
    if (!route) return;
    const next = route.stops.filter((stop) => !isOver(stop)).slice(0, MOST_STOPS), shown = JSON.stringify([route.id, ...next.map(({ id }) => id)]);
    if (shown !== this.shown) { // else they keep their elements, and the focus
      this.rows = next.map((stop) => this.#row(String(route.stops.indexOf(stop) + 1)));
      this.list.replaceChildren(...this.rows.map(({ button }) => el("li", {}, button)));
      this.shown = shown;
    }
    next.forEach((stop, place) => { this.rows[place].stop = stop; });
    this.#say();
  }

  #row(number) {
    const row = { title: el("span.title"), times: el("span.more"), late: el("span.side") };
    const go = () => this.ties.map.easeTo({ center: [row.stop.lon, row.stop.lat], zoom: Math.max(13, this.ties.map.getZoom()), ...beside($("detail")) });
    row.button = el("button.row", { type: "button", onclick: go }, el("span.number", {}, number), row.title, row.late, row.times);
    return row;
  }

  #say() {
    if (!this.route || this.isPast) return;
    const { stops, progress } = this.route, over = stops.filter(isOver).length, nowMs = this.ties.hubNow();
    say(this.title, over === stops.length ? "Route: all stops done" : `Route: ${over} of ${stops.length} stops done`);
    say(this.progress, [progress?.is_off_route && "off route", progress?.left_m > 0 && `${metres(progress.left_m)} to go`].filter(Boolean).join(" · "));
    this.progress.hidden = !this.progress.textContent;
    for (const { stop, title, times, late } of this.rows) {
      say(title, stopName(stop));
      const { text, isLate } = latenessOf(stop);
      say(times, timesOf(stop, nowMs));
      say(late, text);
      late.classList.toggle("late", isLate);
    }
  }
}
