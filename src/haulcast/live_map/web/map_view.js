// The MapLibre map itself: made without turning and tilting, its view in the words of the live socket, its theme.

import { Map as LibreMap, AttributionControl, ScaleControl } from "./vendor/maplibre-gl.mjs";
import { readBasemap } from "./basemap.js";
import { basemapStyle, fillBasemap, repaintBasemap } from "./map_style.js";
import { addTiles, tieArchives } from "./map_tiles.js";
import { colours } from "./palette.js";
import { currentTheme, onTheme } from "./theme.js";

const START = { center: [-122.2, 37.7], zoom: 8.6 };
const MARGIN = 0.15; // of the view to each side, so that a small move shows vehicles at once
const KEPT_VIEW = "haulcast.view";

/**
 * @param {string} container id of an element
 * @param {string} styleUrl another basemap than the hub's own, or ""
 * @param {string} tiles what lies on the hub's own basemap (map_tiles.js), or ""
 * @returns {import("maplibre-gl").Map}
 */
export function makeMap(container, styleUrl, tiles) {
  tieArchives();
  const map = new LibreMap({
    container, ...keptView(), style: styleUrl || basemapStyle(colours(currentTheme())),
    dragRotate: false, pitchWithRotate: false, touchPitch: false, maxPitch: 0, rollEnabled: false, minZoom: 1, maxZoom: 19,
    attributionControl: false, fadeDuration: 0, canvasContextAttributes: { antialias: false, preserveDrawingBuffer: false },
    locale: { "Map.Title": "Map of the fleet" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-left");
  map.addControl(new AttributionControl({ compact: true, customAttribution: styleUrl ? [] : ["Natural Earth, U.S. Census Bureau, GeoNames (CC BY 4.0)"] }), "bottom-right");
  let basemap = null;
  map.once("load", async () => {
    if (!styleUrl) fillBasemap(map, (basemap = await readBasemap()));
    if (!styleUrl && tiles) await addTiles(map, tiles, onPalette);
    map.once("idle", () => { document.documentElement.dataset.map = "ready"; });
  });
  map.on("style.load", () => basemap && fillBasemap(map, basemap)); // it may have come while the map was without its graphics
  if (!styleUrl) onTheme((theme) => repaintBasemap(map, colours(theme)));
  if (matchMedia("(max-width: 720px)").matches) map.once("idle", () => document.querySelector(".maplibregl-ctrl-attrib")?.classList.remove("maplibregl-compact-show"));
  map.on("moveend", () => keepView(map));
  return map;
}

function onPalette(listener) {
  listener(colours(currentTheme()));
  onTheme((theme) => listener(colours(theme)));
}

/** Where the middle of what is seen is, when the panel lies over the map's right side. @returns {{offset: [number, number]}} */
export function beside(panel) {
  const map = document.getElementById("map").getBoundingClientRect(), taken = panel.hidden ? null : panel.getBoundingClientRect();
  return { offset: taken && taken.width < map.width / 2 ? [-taken.width / 2, 0] : [0, 0] };
}

/** What to subscribe to. @returns {{bbox: number[], zoom: number}} */
export function viewOf(map) {
  const bounds = map.getBounds(), zoom = Math.round(Math.max(0, map.getZoom()) * 100) / 100;
  const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const wide = (east - west) * MARGIN, high = (north - south) * MARGIN;
  const lat = (degrees) => Math.max(-90, Math.min(90, degrees));
  if (east - west + 2 * wide >= 360) return { bbox: [-180, lat(south - high), 180, lat(north + high)], zoom };
  return { bbox: [wrapped(west - wide), lat(south - high), wrapped(east + wide), lat(north + high)], zoom };
}

/** Whether this browser has looked at the map before. */
export const isViewKept = () => keptView() !== START;

const wrapped = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;

function keptView() {
  try {
    const { lon, lat, zoom } = JSON.parse(localStorage.getItem(KEPT_VIEW));
    if ([lon, lat, zoom].every(Number.isFinite)) return { center: [lon, lat], zoom };
  } catch { /* nothing kept, or nothing that is of use */ }
  return START;
}

function keepView(map) {
  const { lng, lat } = map.getCenter();
  localStorage.setItem(KEPT_VIEW, JSON.stringify({ lon: lng, lat, zoom: map.getZoom() }));
}
