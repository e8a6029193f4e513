// The chosen vehicle's route on the map: the line it should follow, fainter where it has been, and its stops in order.

import { EMPTY, FONT, repaint } from "./map_style.js";
import { isOver, stopName } from "./route_words.js";
import { distanceM } from "./mercator.js";

const OVER = ["get", "isOver"], NAMES_FROM_ZOOM = 10;

export class RouteLayer {
  /** @param {import("maplibre-gl").Map} map */
  constructor(map) {
    Object.assign(this, { map, colour: "#000000", share: 0 });
    map.addSource("route", { type: "geojson", data: EMPTY, lineMetrics: true });
    map.addSource("route-stops", { type: "geojson", data: EMPTY });
    map.addLayer({ id: "route", type: "line", source: "route", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-width": 6 } });
    map.addLayer({ id: "route-stops", type: "circle", source: "route-stops", paint: { "circle-radius": ["case", OVER, 6, 10], "circle-opacity": ["case", OVER, 0.7, 1], "circle-stroke-width": 2 } });
    map.addLayer({ id: "route-numbers", type: "symbol", source: "route-stops", filter: ["!", OVER], layout: { "text-field": ["get", "number"], "text-font": FONT, "text-size": 11, "text-allow-overlap": true, "text-ignore-placement": true } });
    map.addLayer({ id: "route-names", type: "symbol", source: "route-stops", minzoom: NAMES_FROM_ZOOM,
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 11.5, "text-anchor": "top", "text-offset": [0, 1], "text-max-width": 9, "text-padding": 4 }, paint: { "text-halo-width": 1.6 } });
  }

  paint(c) {
    const set = (layer, name, value) => repaint(this.map, layer, name, value);
    this.colour = c.route;
    this.#paintLine();
    set("route-stops", "circle-color", ["case", OVER, c.stopped, c.route]);
    set("route-stops", "circle-stroke-color", c.halo);
    set("route-numbers", "text-color", c.halo);
    set("route-names", "text-color", c.ink);
    set("route-names", "text-halo-color", c.paper);
  }

  /** @param {object | null} route its document, or null for none */
  show(route) {
    const points = route ? lineOf(route) : [];
    const lengthM = points.slice(1).reduce((sum, [lon, lat], i) => sum + distanceM(...points[i], lon, lat), 0);
    this.share = route?.line && lengthM > 0 ? Math.min(1, Math.max(0, (route.progress?.along_m ?? 0) / lengthM)) : 0;
    this.#paintLine();
    this.map.getSource("route")?.setData(points.length > 1 ? { type: "Feature", geometry: { type: "LineString", coordinates: points }, properties: {} } : EMPTY);
    const stops = (route?.stops ?? []).map((stop, place) => ({ type: "Feature", geometry: { type: "Point", coordinates: [stop.lon, stop.lat] },
      properties: { number: String(place + 1), name: stopName(stop), isOver: isOver(stop) } }));
    this.map.getSource("route-stops")?.setData({ type: "FeatureCollection", features: stops });
  }

  #paintLine() {
    const ahead = `${this.colour}b3`, behind = `${this.colour}40`;
    repaint(this.map, "route", "line-gradient", this.share > 0 ? ["step", ["line-progress"], behind, this.share, ahead] : ["step", ["line-progress"], ahead, 1, ahead]);
  }
}

/** Without a line of its own a route goes straight from stop to stop. */
const lineOf = ({ line, stops }) => line?.coordinates ?? stops.filter(({ state }) => state !== "skipped").map(({ lon, lat }) => [lon, lat]);
