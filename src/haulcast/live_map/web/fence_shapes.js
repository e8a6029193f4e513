// What a fence looks like: GeoJSON as the hub has it, a draft as the pointer draws it, and what the map shows of both.

import { distanceM } from "./mercator.js";

export const KINDS = { polygon: "Polygon", circle: "Circle", corridor: "Corridor" };
const CIRCLE_CORNERS = 72, METRES_PER_DEGREE = 111_195;
export const USUAL_WIDTH_M = 200, LEAST_RADIUS_M = 10;

/**
 * @typedef {object} Draft a fence whose shape can be edited
 * @property {"polygon" | "circle" | "corridor"} kind
 * @property {[number, number][]} points corners, places along a line, or the one centre
 * @property {number} radiusM of a circle
 * @property {number} widthM of a corridor
 */

/** @returns {Draft | null} null: a shape of several parts or with holes, which is not edited by hand */
export function draftOf({ geometry, properties }) {
  const { type, coordinates } = geometry, sizes = { radiusM: properties.radius_m ?? 0, widthM: properties.width_m ?? 0 };
  if (type === "Point") return { kind: "circle", points: [coordinates.slice(0, 2)], ...sizes };
  if (type === "LineString") return { kind: "corridor", points: coordinates.map((point) => point.slice(0, 2)), ...sizes };
  const rings = type === "MultiPolygon" && coordinates.length === 1 ? coordinates[0] : type === "Polygon" ? coordinates : [];
  return rings.length === 1 ? { kind: "polygon", points: rings[0].slice(0, -1).map((point) => point.slice(0, 2)), ...sizes } : null;
}

/** @param {Draft} draft @returns {{geometry: object, sizes: object}} for the hub */
export function featureOf({ kind, points, radiusM, widthM }) {
  const rounded = points.map(([lon, lat]) => [+lon.toFixed(7), +lat.toFixed(7)]);
  if (kind === "circle") return { geometry: { type: "Point", coordinates: rounded[0] }, sizes: { radius_m: Math.round(radiusM) } };
  if (kind === "corridor") return { geometry: { type: "LineString", coordinates: rounded }, sizes: { width_m: widthM } };
  return { geometry: { type: "Polygon", coordinates: [[...rounded, rounded[0]]] }, sizes: {} };
}

/** @param {Draft} draft whether it is an area already */
export const isWhole = ({ kind, points, radiusM }) => (kind === "circle" ? points.length === 1 && radiusM > 0 : points.length >= (kind === "polygon" ? 3 : 2));

/** A ring about a place, near enough to a geodesic circle for showing. @returns {[number, number][]} */
export function circleRing([lon, lat], radiusM) {
  const high = radiusM / METRES_PER_DEGREE, wide = high / Math.max(0.01, Math.cos((lat * Math.PI) / 180));
  return Array.from({ length: CIRCLE_CORNERS + 1 }, (_, i) => {
    const turn = (2 * Math.PI * i) / CIRCLE_CORNERS;
    return [lon + wide * Math.sin(turn), Math.max(-90, Math.min(90, lat + high * Math.cos(turn)))];
  });
}

/** Pixels that a width has at zoom 0 there; the map doubles them with each zoom. */
export const pixelsAtZoom0 = (widthM, latDeg) => (widthM * 512) / (40_030_229 * Math.cos((latDeg * Math.PI) / 180));

/** A fence of the hub as the map draws it. */
export function shownFence({ id, geometry, properties }) {
  const shown = { id, name: properties.name };
  if (geometry.type === "Point") return feature({ type: "Polygon", coordinates: [circleRing(geometry.coordinates, properties.radius_m)] }, shown);
  if (geometry.type.endsWith("LineString")) {
    const first = geometry.type === "LineString" ? geometry.coordinates[0] : geometry.coordinates[0][0];
    return feature(geometry, { ...shown, px0: pixelsAtZoom0(properties.width_m, first[1]) });
  }
  return feature(geometry, shown);
}

/** Where a fence's name stands: in the middle of a line, or of the box around the first ring. */
export function labelPlace({ geometry, properties }) {
  const line = geometry.type.endsWith("LineString");
  let points = geometry.coordinates;
  while (Array.isArray(points[0][0])) points = points[0];
  if (line) return feature({ type: "Point", coordinates: points[Math.floor(points.length / 2)] }, properties);
  const [lons, lats] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const middle = (values) => (values.reduce((a, b) => Math.min(a, b)) + values.reduce((a, b) => Math.max(a, b))) / 2;
  return feature({ type: "Point", coordinates: [middle(lons), middle(lats)] }, properties);
}

/** A draft and its handles as the map draws them; `pointer` is where the next point would come. */
export function shownDraft(draft, pointer, isDrawing) {
  const points = isDrawing && pointer && draft.kind !== "circle" ? [...draft.points, pointer] : draft.points, shown = [];
  if (draft.kind === "circle" && points.length) shown.push(feature({ type: "Polygon", coordinates: [circleRing(points[0], draft.radiusM || 1)] }, {}));
  else if (draft.kind === "polygon" && points.length > 2) shown.push(feature({ type: "Polygon", coordinates: [[...points, points[0]]] }, {}));
  else if (points.length > 1) shown.push(feature({ type: "LineString", coordinates: points }, draft.kind === "corridor" ? { px0: pixelsAtZoom0(draft.widthM, points[0][1]) } : {}));
  return { type: "FeatureCollection", features: [...shown, ...handlesOf(draft, isDrawing)] };
}

/** Corners, between them places for new ones, and the edge of a circle. */
export function handlesOf(draft, isDrawing) {
  const handles = draft.points.map((point, at) => feature({ type: "Point", coordinates: point }, { handle: "corner", at }));
  if (isDrawing) return handles;
  if (draft.kind === "circle") {
    const edge = circleRing(draft.points[0], draft.radiusM)[CIRCLE_CORNERS / 4];
    return [...handles, feature({ type: "Point", coordinates: edge }, { handle: "edge", at: 0 })];
  }
  const last = draft.kind === "polygon" ? draft.points.length : draft.points.length - 1;
  for (let at = 0; at < last; at++) {
    const [a, b] = [draft.points[at], draft.points[(at + 1) % draft.points.length]];
    handles.push(feature({ type: "Point", coordinates: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] }, { handle: "middle", at: at + 1 }));
  }
  return handles;
}

/** @returns {[number, number, number, number]} west, south, east, north of a fence */
export function boundsOf(fence) {
  const { geometry } = shownFence(fence), flat = geometry.coordinates.flat(Infinity);
  const lons = flat.filter((_, i) => i % 2 === 0), lats = flat.filter((_, i) => i % 2 === 1);
  const least = (values) => values.reduce((a, b) => Math.min(a, b)), most = (values) => values.reduce((a, b) => Math.max(a, b));
  return [least(lons), least(lats), most(lons), most(lats)];
}

/** @returns {string} */
export function kindOf({ geometry }) {
  return { Point: "circle", LineString: "corridor", MultiLineString: "corridor" }[geometry.type] ?? "polygon";
}

export const radiusTo = ([lon, lat], [toLon, toLat]) => Math.max(LEAST_RADIUS_M, distanceM(lon, lat, toLon, toLat));

const feature = (geometry, properties) => ({ type: "Feature", geometry, properties });
