// The basemap as a MapLibre style: everything from one file of the hub's, texts drawn with the reader's own fonts.

const FONT = ["system-ui, sans-serif"];
const EMPTY = { type: "FeatureCollection", features: [] };
const SOURCES = ["land", "borders", "states", "counties", "labels"];

const line = (id, width, minzoom = 0) => ({ id, type: "line", source: id, minzoom, layout: { "line-join": "round" }, paint: { "line-width": width } });
const text = (id, kind, minzoom, maxzoom, layout) => ({
  id, type: "symbol", source: "labels", minzoom, maxzoom, filter: kind,
  layout: { "text-field": ["get", "name"], "text-font": FONT, "text-padding": 6, "text-max-width": 7, "symbol-sort-key": ["-", 0, ["get", "size"]], ...layout },
  paint: { "text-halo-width": 1.4 },
});
const kind = (name) => ["==", ["get", "kind"], name];

const LAYERS = [
  { id: "water", type: "background", paint: {} },
  { id: "land", type: "fill", source: "land", paint: { "fill-antialias": false } },
  line("counties", ["interpolate", ["linear"], ["zoom"], 6, 0.5, 10, 1.2], 6),
  line("states", ["interpolate", ["linear"], ["zoom"], 3, 0.4, 8, 1.4], 3),
  line("borders", ["interpolate", ["linear"], ["zoom"], 1, 0.5, 8, 1.8]),
  text("county-names", kind("counties"), 8.5, 13, { "text-size": 11, "text-transform": "uppercase", "text-letter-spacing": 0.12 }),
  text("place-names", ["all", kind("places"), [">=", ["get", "size"], ["step", ["zoom"], 3e6, 4, 1e6, 5, 5e5, 6, 2.5e5, 7, 1e5, 9, 4e4, 10, 0]]], 3.2, 24, {
    "text-size": ["interpolate", ["linear"], ["zoom"], 4, ["case", [">", ["get", "size"], 2e6], 12, 10.5], 11, ["case", [">", ["get", "size"], 2e5], 16, [">", ["get", "size"], 6e4], 13, 11.5]],
  }),
  text("state-names", kind("states"), 3.4, 6.5, { "text-size": 11, "text-transform": "uppercase", "text-letter-spacing": 0.15 }),
  text("country-names", ["all", kind("countries"), [">", ["get", "size"], ["step", ["zoom"], 120, 2, 40, 3, 8, 4, 0]]], 1, 5.5, { "text-size": ["interpolate", ["linear"], ["zoom"], 1, 10, 5, 14], "text-letter-spacing": 0.05 }),
];

/** @returns {object} a style of empty sources; `fillBasemap` brings the content */
export function basemapStyle(palette) {
  const sources = Object.fromEntries(SOURCES.map((name) => [name, { type: "geojson", data: EMPTY, tolerance: 0.3, maxzoom: name === "labels" ? 12 : 10 }]));
  const layers = LAYERS.map((layer) => ({ ...layer, paint: { ...layer.paint, ...paintOf(layer.id, palette) } }));
  return { version: 8, sources, layers };
}

/** @param {import("maplibre-gl").Map} map */
export function fillBasemap(map, basemap) {
  for (const name of SOURCES) map.getSource(name)?.setData(basemap[name]);
}

/** Other colours for the same map. */
export function repaintBasemap(map, palette) {
  for (const { id } of LAYERS) for (const [name, value] of Object.entries(paintOf(id, palette))) repaint(map, id, name, value);
}

/** Another paint of a layer, or none while the map has lost its layers with its graphics. */
export const repaint = (map, layer, name, value) => map.getLayer(layer) && map.setPaintProperty(layer, name, value);

function paintOf(id, c) {
  const words = (ink) => ({ "text-color": ink, "text-halo-color": c.paper });
  return {
    water: { "background-color": c.water }, land: { "fill-color": c.land }, counties: { "line-color": c.county }, states: { "line-color": c.state },
    borders: { "line-color": c.border }, "county-names": words(c.areaInk), "place-names": words(c.placeInk), "state-names": words(c.areaInk), "country-names": words(c.areaInk),
  }[id];
}

export { EMPTY, FONT };
