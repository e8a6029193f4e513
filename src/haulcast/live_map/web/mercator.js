// Web Mercator in whole numbers: the world is 2^32 units wide and high, about 9 mm each at the equator. Differences of unsigned
// integers wrap at the antimeridian by themselves, and near the middle of the screen they are exact where floats are not.

export const WORLD_UNITS = 2 ** 32;
const EARTH_CIRCUMFERENCE_M = 40_030_228.88; // of the mean radius, 6,371,008.8 m
const MOST_LAT_DEG = 85.0511;
const RADIANS = Math.PI / 180;

/** @param {number} lonDeg @returns {number} units eastward from 180° west */
export function unitsX(lonDeg) {
  return (((lonDeg + 180) / 360) * WORLD_UNITS) >>> 0;
}

/** @param {number} latDeg @returns {number} units southward from 85.05° north */
export function unitsY(latDeg) {
  const sine = Math.sin(Math.max(-MOST_LAT_DEG, Math.min(MOST_LAT_DEG, latDeg)) * RADIANS);
  const share = 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
  return Math.max(0, Math.min(WORLD_UNITS - 1, share * WORLD_UNITS)) >>> 0;
}

/** @param {number} x units @returns {number} degrees */
export const lonOfUnits = (x) => (x / WORLD_UNITS) * 360 - 180;

/** @param {number} y units @returns {number} degrees */
export const latOfUnits = (y) => Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / WORLD_UNITS))) / RADIANS;

/** @param {number} latDeg @returns {number} how many units a metre is there */
export const unitsPerMetre = (latDeg) => WORLD_UNITS / (EARTH_CIRCUMFERENCE_M * Math.cos(latDeg * RADIANS));

/** Great-circle distance (haversine). @returns {number} metres */
export function distanceM(lonA, latA, lonB, latB) {
  const a = Math.sin(((latB - latA) * RADIANS) / 2) ** 2;
  const b = Math.cos(latA * RADIANS) * Math.cos(latB * RADIANS) * Math.sin(((lonB - lonA) * RADIANS) / 2) ** 2;
  return (EARTH_CIRCUMFERENCE_M / Math.PI) * Math.asin(Math.min(1, Math.sqrt(a + b)));
}
