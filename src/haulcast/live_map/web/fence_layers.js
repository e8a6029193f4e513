// Fences and the one that is being drawn, as layers of the map.

import { EMPTY, FONT, repaint } from "./map_style.js";
import { labelPlace, shownFence } from "./fence_shapes.js";

const AREA = ["==", ["geometry-type"], "Polygon"], LINE = ["==", ["geometry-type"], "LineString"], HANDLE = ["has", "handle"];
const CORRIDOR_WIDTH = ["interpolate", ["exponential", 2], ["zoom"], 0, ["max", 0.001, ["get", "px0"]], 22, ["*", ["get", "px0"], 2 ** 22]];
const NAMES_FROM_ZOOM = 9.5;

export class FenceLayers {
  constructor(map) {
    this.map = map;
    map.addSource("fences", { type: "geojson", data: EMPTY, promoteId: "id", tolerance: 0.05, maxzoom: 16 });
    map.addSource("fence-labels", { type: "geojson", data: EMPTY });
    map.addSource("draft", { type: "geojson", data: EMPTY, tolerance: 0, maxzoom: 18 });
    const chosen = (yes, no) => ["case", ["boolean", ["feature-state", "chosen"], false], yes, no];
    map.addLayer({ id: "fence-areas", type: "fill", source: "fences", filter: AREA, paint: { "fill-opacity": chosen(0.28, 0.13) } });
    map.addLayer({ id: "fence-corridors", type: "line", source: "fences", filter: ["has", "px0"], layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-width": CORRIDOR_WIDTH, "line-opacity": chosen(0.34, 0.18) } });
    map.addLayer({ id: "fence-edges", type: "line", source: "fences", paint: { "line-width": chosen(2.5, 1.2), "line-opacity": 0.85 } });
    // below the middle, where vehicles stop
    map.addLayer({ id: "fence-names", type: "symbol", source: "fence-labels", minzoom: NAMES_FROM_ZOOM,
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 11.5, "text-max-width": 8, "text-padding": 4, "text-anchor": "top", "text-offset": [0, 0.8] }, paint: { "text-halo-width": 1.4 } });
    map.addLayer({ id: "draft-area", type: "fill", source: "draft", filter: AREA, paint: { "fill-opacity": 0.2 } });
    map.addLayer({ id: "draft-corridor", type: "line", source: "draft", filter: ["has", "px0"], layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-width": CORRIDOR_WIDTH, "line-opacity": 0.25 } });
    map.addLayer({ id: "draft-edge", type: "line", source: "draft", filter: ["any", AREA, LINE], paint: { "line-width": 2, "line-dasharray": [2, 1] } });
    const isMiddle = ["==", ["get", "handle"], "middle"];
    map.addLayer({ id: "draft-handles", type: "circle", source: "draft", filter: HANDLE, paint: { "circle-radius": ["case", isMiddle, 4, 6.5], "circle-stroke-width": 2, "circle-opacity": ["case", isMiddle, 0.6, 1] } });
  }

  paint(c) {
    const set = (layer, name, value) => repaint(this.map, layer, name, value);
    for (const [layer, name] of [["fence-areas", "fill-color"], ["fence-corridors", "line-color"], ["fence-edges", "line-color"], ["fence-names", "text-color"]]) set(layer, name, c.fence);
    set("fence-names", "text-halo-color", c.paper);
    for (const [layer, name] of [["draft-area", "fill-color"], ["draft-corridor", "line-color"], ["draft-edge", "line-color"], ["draft-handles", "circle-stroke-color"]]) set(layer, name, c.draft);
    set("draft-handles", "circle-color", c.halo);
  }

  /** @param {object[]} fences of the hub, but for the one that is being edited */
  show(fences) {
    const shown = fences.map(shownFence), names = shown.map(labelPlace); // a name that is not a point would stand in every tile
    this.map.getSource("fences")?.setData({ type: "FeatureCollection", features: shown });
    this.map.getSource("fence-labels")?.setData({ type: "FeatureCollection", features: names });
  }

  /** @param {string | null} id */
  mark(id) {
    if (!this.map.getSource("fences")) return;
    this.map.removeFeatureState({ source: "fences" });
    if (id !== null) this.map.setFeatureState({ source: "fences", id }, { chosen: true });
  }

  showDraft(data) {
    this.map.getSource("draft")?.setData(data ?? EMPTY);
  }

  /** @returns {string | null} id of the fence at a pixel */
  at(point) {
    if (!this.map.getLayer("fence-areas")) return null;
    const [found] = this.map.queryRenderedFeatures(point, { layers: ["fence-areas", "fence-corridors"] });
    return found ? found.properties.id : null;
  }
}
