// Reads vendor/basemap.json (vendoring/basemap.py says what it holds) into GeoJSON, a layer at a time.

const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 30_000;

/** Tries until it is there. @returns {Promise<Record<string, object>>} GeoJSON by the name of its source */
export async function readBasemap() {
  const { topologies, labels } = await fetched("vendor/basemap.json");
  const polygons = [], lines = {};
  for (const topology of topologies) {
    const arcs = topology.arcs.map((arc) => pointsOf(arc, topology));
    polygons.push(...topology.polygons.land.map((rings) => rings.map((ring) => ringOf(ring, arcs))));
    for (const [name, numbers] of Object.entries(topology.lines)) lines[name] = { type: "MultiLineString", coordinates: numbers.map((number) => arcs[number]) };
  }
  const texts = Object.entries(labels).flatMap(([kind, places]) => places.map(([name, lon, lat, size]) => ({
    type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties: { kind, name, size },
  })));
  const land = polygons.map((coordinates) => ({ type: "Feature", geometry: { type: "Polygon", coordinates }, properties: {} }));
  return { land: collection(land), ...lines, labels: collection(texts) };
}

async function fetched(path) {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, 2 * waitMs)) {
    const answer = await fetch(path).catch(() => null);
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

const collection = (features) => ({ type: "FeatureCollection", features });

function pointsOf(arc, { scale, translate }) {
  const points = new Array(arc.length / 2);
  let x = 0, y = 0;
  for (let i = 0; i < points.length; i++) {
    [x, y] = [x + arc[2 * i], y + arc[2 * i + 1]];
    points[i] = [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  }
  return points;
}

/** The arcs of a ring end to end; ~i is arc i backwards, and each begins where the one before has ended. */
function ringOf(numbers, arcs) {
  const ring = [];
  for (const number of numbers) {
    const arc = number >= 0 ? arcs[number] : arcs[~number].toReversed();
    for (let i = ring.length ? 1 : 0; i < arc.length; i++) ring.push(arc[i]);
  }
  return ring;
}
