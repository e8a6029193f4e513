// How the layers of vector tiles are drawn, whoever made them: those that Protomaps, OpenMapTiles and Shortbread name, by what they
// are; others as lines.

import { FONT } from "./map_style.js";

const CLASS = ["coalesce", ["get", "kind"], ["get", "class"], ["get", "type"], ""];
const NAME = ["coalesce", ["get", "name"], ["get", "name:en"], ""];
const isOf = (...classes) => ["in", CLASS, ["literal", classes]];
const BIG = isOf("highway", "motorway", "trunk", "motorway_link"), MAIN = isOf("major_road", "primary", "secondary", "tertiary", "medium_road");
const ROAD_WIDTH = ["interpolate", ["exponential", 1.6], ["zoom"], 6, ["case", BIG, 1, MAIN, 0.4, 0], 12, ["case", BIG, 3, MAIN, 1.8, 0.6], 18, ["case", BIG, 18, MAIN, 14, 9]];

const fill = (colour, filter) => ({ type: "fill", filter, paint: { "fill-antialias": false }, colours: { "fill-color": colour } });
const line = (colour, width, minzoom = 0) => ({ type: "line", minzoom, layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-width": width }, colours: { "line-color": colour } });
const AREA = ["==", ["geometry-type"], "Polygon"];

/** By the names of the layers, in the order in which they are drawn. */
const KINDS = [
  [/^(earth|land)$/, fill("land", AREA)],
  [/^(landuse|landcover|park|natural|sites|globallandcover)$/, fill("green", ["all", AREA, isOf("wood", "forest", "park", "grass", "national_park", "nature_reserve", "golf_course", "farmland", "scrub", "cemetery", "meadow")])],
  [/^(water|ocean|water_polygons)$/, fill("water", AREA)],
  [/^(waterway|water_lines|physical_line)$/, line("water", ["interpolate", ["linear"], ["zoom"], 8, 0.5, 16, 3])],
  [/^buildings?$/, { ...fill("building", AREA), minzoom: 13 }],
  [/^(boundary|boundaries)$/, line("border", ["interpolate", ["linear"], ["zoom"], 2, 0.5, 10, 1.4])],
  [/^(roads|transportation|streets|ferries|bridges)$/, { ...line("road", ROAD_WIDTH, 5), colours: { "line-color": ["bigRoad", "mainRoad", "road"] } }],
  [/^(roads|transportation_name|street_labels)$/, { type: "symbol", minzoom: 13, colours: { "text-color": "areaInk", "text-halo-color": "paper" }, paint: { "text-halo-width": 1.2 },
    layout: { "symbol-placement": "line", "text-field": NAME, "text-font": FONT, "text-size": 11 } }],
  [/^(places?|place_labels)$/, { type: "symbol", minzoom: 3, colours: { "text-color": "placeInk", "text-halo-color": "paper" }, paint: { "text-halo-width": 1.4 },
    layout: { "text-field": NAME, "text-font": FONT, "text-size": ["interpolate", ["linear"], ["zoom"], 4, 10.5, 12, 14], "text-max-width": 7, "text-padding": 6 } }],
];
const NOT_DRAWN = /^(pois?|housenumber|addresses|aeroway|aerodrome_label|mountain_peak|water_name|water_polygons_labels|physical_point|.*_labels|public_transport|transit|street_polygons|pier_.*|dam_.*)$/;
const OTHER = { ...line("state", 1), filter: ["!=", ["geometry-type"], "Point"] };

/** @param {string[]} names of the layers in the tiles @returns {object[]} MapLibre layers of the source "tiles", each with its `colours` */
export function tileLayers(names) {
  const known = KINDS.flatMap(([pattern, layer], place) => names.filter((name) => pattern.test(name)).map((name) => made(layer, name, place)));
  const others = names.filter((name) => !NOT_DRAWN.test(name) && !KINDS.some(([pattern]) => pattern.test(name))).map((name) => made(OTHER, name, "other"));
  return [...known, ...others];
}

/** @returns {boolean} whether the tiles name places themselves */
export const namesPlaces = (names) => names.some((name) => /^(places?|place_labels)$/.test(name));

/** Paint properties of a layer in a palette. @returns {[string, any][]} */
export const coloursOf = ({ colours }, palette) =>
  Object.entries(colours).map(([property, name]) => [property, Array.isArray(name) ? ["case", BIG, palette[name[0]], MAIN, palette[name[1]], palette[name[2]]] : palette[name]]);

const made = (layer, name, place) => Object.fromEntries(Object.entries({ ...layer, id: `tiles-${place}-${name}`, source: "tiles", "source-layer": name }).filter(([, value]) => value !== undefined));
