// What a vehicle has done lately, as far as the hub's history has it: fixes of the last hour, and the day's sums.

import { zone } from "./format.js";

const HOUR_MS = 3_600_000, MOST_PAGES = 8;
const path = (id) => `v1/vehicles/${encodeURIComponent(id)}`;

/**
 * @typedef {{timeMs: number, lon: number, lat: number, speedMps: number}} Point
 * @param {import("./hub_api.js").HubApi} api
 * @param {string} id
 * @param {number} nowMs by the hub's clock
 * @returns {Promise<Point[]>} of the last hour, in order of time
 */
export async function lastHour(api, id, nowMs) {
  const points = [];
  let next = `${path(id)}/fixes?from=${Math.round(nowMs - HOUR_MS)}&to=${Math.round(nowMs + HOUR_MS)}&limit=1000`;
  for (let page = 0; next && page < MOST_PAGES; page++) {
    const answer = await api.get(next);
    for (const fix of answer.fixes) points.push({ timeMs: fix.time_ms, lon: fix.lon, lat: fix.lat, speedMps: fix.speed_mps ?? NaN });
    next = answer.next;
  }
  return points;
}

/** @returns {Promise<{distanceKm: number, drivingS: number, stoppedS: number} | null>} of today in the viewer's zone */
export async function today(api, id, nowMs) {
  const date = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" }).format(nowMs);
  const { days } = await api.get(`${path(id)}/days?from=${date}&to=${date}&time_zone=${encodeURIComponent(zone())}`);
  return days.length ? { distanceKm: days[0].distance_km, drivingS: days[0].driving_s, stoppedS: days[0].stopped_s } : null;
}

/** @returns {Promise<{fence: string, name: string, enteredMs: number, leftMs: number | null}[]>} of today in the viewer's zone, newest first */
export async function visitsToday(api, id, nowMs) {
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  const { visits } = await api.get(`${path(id)}/visits?from=${midnight}&to=${Math.round(nowMs + 60_000)}&limit=200`);
  return visits.map((visit) => ({ fence: visit.fence, name: visit.name, enteredMs: visit.entered_ms, leftMs: visit.left_ms ?? null })).reverse();
}

export const TRACK_FORMATS = { gpx: "GPX", geojson: "GeoJSON", csv: "CSV" };

/** Save the way of the last so many hours as a file. */
export function saveTrack(api, id, format, hours, nowMs) {
  const query = `from=${Math.round(nowMs - hours * HOUR_MS)}&to=${Math.round(nowMs + 60_000)}&format=${format}`;
  return api.download(`${path(id)}/track?${query}`, `${id.replaceAll(/[^\w.-]+/g, "_")}.${format}`);
}
