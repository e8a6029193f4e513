// Tiles on the page's own basemap, by setting: a PMTiles archive, which the browser reads in ranges, or images by {z}/{x}/{y}.

import { addProtocol } from "./vendor/maplibre-gl.mjs";
import { repaint } from "./map_style.js";
import { coloursOf, namesPlaces, tileLayers } from "./tile_style.js";

const BELOW = "county-names"; // the first text of the own basemap: tiles hide its land and lines only
const FIRST_WAIT_MS = 2000, LONGEST_WAIT_MS = 30_000;
const VECTOR = 1; // PMTiles' number for the type of tiles

let reader = null;
/** The reader of archives, which is loaded when there is one. */
async function archives() {
  return (reader ??= import("./vendor/pmtiles.mjs").then(({ PMTiles, Protocol }) => ({ PMTiles, protocol: new Protocol() })));
}

/** `pmtiles://` for every style, also one from elsewhere. */
export function tieArchives() {
  addProtocol("pmtiles", async (asked, abort) => (await archives()).protocol.tile(asked, abort));
}

/**
 * @param {import("maplibre-gl").Map} map with the own basemap
 * @param {string} address of an archive, or of images with {z}, {x} and {y} in it
 * @param {(listener: (palette: object) => void) => void} onPalette calls the listener now, and with every other palette
 */
export async function addTiles(map, address, onPalette) {
  if (address.includes("{z}")) {
    addImages(map, { tiles: [address] });
    return;
  }
  const url = new URL(address, location.href).href, { type, names, attribution } = await described(url);
  if (type !== VECTOR) {
    addImages(map, { url: `pmtiles://${url}`, attribution });
    return;
  }
  const layers = tileLayers(names);
  map.addSource("tiles", { type: "vector", url: `pmtiles://${url}`, attribution });
  for (const { colours, ...layer } of layers) map.addLayer(layer, BELOW);
  onPalette((palette) => { for (const layer of layers) for (const [name, value] of coloursOf(layer, palette)) repaint(map, layer.id, name, value); });
  if (namesPlaces(names)) map.setLayoutProperty("place-names", "visibility", "none");
}

/** Pictures have their own texts. */
function addImages(map, source) {
  map.addSource("tiles", { type: "raster", tileSize: 256, ...source });
  map.addLayer({ id: "tiles", type: "raster", source: "tiles", paint: { "raster-fade-duration": 0 } }, BELOW);
  for (const { id, source: own } of map.getStyle().layers) if (own === "labels") map.setLayoutProperty(id, "visibility", "none");
}

/** What an archive says of itself; tried until it can be read. @returns {Promise<{type: number, names: string[], attribution: string}>} */
async function described(url) {
  const { PMTiles, protocol } = await archives();
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, 2 * waitMs)) {
    try {
      const archive = new PMTiles(url), { tileType: type } = await archive.getHeader();
      const { vector_layers: layers = [], attribution = "" } = (await archive.getMetadata()) ?? {};
      protocol.add(archive);
      return { type, names: layers.map(({ id }) => id), attribution: textOf(attribution) };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

/** Archives say whom to name as HTML; its text is taken, and nothing in that is markup. */
const textOf = (markup) => new DOMParser().parseFromString(String(markup), "text/html").body.textContent.trim().replaceAll("&", "&amp;").replaceAll("<", "&lt;");
