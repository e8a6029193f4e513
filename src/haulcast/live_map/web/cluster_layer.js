// The hub's own aggregates at low zoom: a circle a cell with the number of vehicles in it.

import { EMPTY, FONT, repaint } from "./map_style.js";

export class ClusterLayer {
  /** @param {import("maplibre-gl").Map} map */
  constructor(map) {
    this.map = map;
    this.cells = new Map();
    map.addSource("clusters", { type: "geojson", data: EMPTY });
    const radius = ["interpolate", ["linear"], ["log10", ["max", 1, ["get", "count"]]], 0, 11, 1, 14, 2, 19, 3, 26, 4, 36];
    map.addLayer({ id: "clusters", type: "circle", source: "clusters", paint: { "circle-radius": radius, "circle-opacity": 0.88, "circle-stroke-width": 2 } });
    map.addLayer({ id: "cluster-counts", type: "symbol", source: "clusters",
      layout: { "text-field": ["to-string", ["get", "count"]], "text-font": FONT, "text-size": 12, "text-allow-overlap": true, "text-ignore-placement": true } });
    map.on("click", "clusters", ({ features: [cell] }) => map.easeTo({ center: cell.geometry.coordinates, zoom: Math.max(7.6, map.getZoom() + 2) }));
    map.on("mouseenter", "clusters", () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", "clusters", () => (map.getCanvas().style.cursor = ""));
  }

  get vehicles() {
    let sum = 0;
    for (const { properties } of this.cells.values()) sum += properties.count;
    return sum;
  }

  paint(c) {
    repaint(this.map, "clusters", "circle-color", c.cluster);
    repaint(this.map, "clusters", "circle-stroke-color", c.halo);
    repaint(this.map, "cluster-counts", "text-color", c.clusterInk);
  }

  /** @param {import("./map_frames.js").MapFrame} frame of clusters */
  apply(frame) {
    if (frame.isSnapshot) this.cells.clear();
    for (let i = 0; i < frame.rows; i++) {
      const geometry = { type: "Point", coordinates: [frame.lon1e7[i] / 1e7, frame.lat1e7[i] / 1e7] };
      this.cells.set(frame.number[i], { type: "Feature", geometry, properties: { count: frame.count[i] } });
    }
    for (const cell of frame.gone) this.cells.delete(cell);
    this.show();
  }

  clear() {
    if (!this.cells.size) return;
    this.cells.clear();
    this.show();
  }

  /** All of it, anew. */
  show() {
    this.map.getSource("clusters")?.setData({ type: "FeatureCollection", features: [...this.cells.values()] });
  }
}
