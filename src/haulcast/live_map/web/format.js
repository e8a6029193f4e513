// Numbers and times as people read them, in the viewer's own language and zone.

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hourMinute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
const DAY_MS = 86_400_000;

/** @param {number} ms since 1970 */
export const clock = (ms) => time.format(ms);

/** The time of day, with the date when it is not of the last day. */
export const moment = (ms, nowMs = Date.now()) => (Math.abs(nowMs - ms) < DAY_MS / 2 ? time : day).format(ms);

/** To the minute, with the date when it is far from now. */
export const minute = (ms, nowMs) => (Math.abs(nowMs - ms) < DAY_MS / 2 ? hourMinute : day).format(ms);

/** The day of the week and the time of day, for what is of the last days. */
export const dayAndTime = (ms) => weekday.format(ms);

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @param {number} mps @returns {string} */
export const speed = (mps) => (Number.isFinite(mps) ? `${Math.round(mps * 3.6)} km/h` : "–");

/** @param {number} ms @returns {string} how long, in the largest unit that says something */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export const metres = (m) => (m < 1000 ? `${Math.round(m)} m` : `${(m / 1000).toFixed(m < 10_000 ? 1 : 0)} km`);

export const counted = (count, thing) => `${count.toLocaleString()} ${thing}${count === 1 ? "" : "s"}`;

const WINDS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
export const wind = (deg) => (Number.isFinite(deg) ? WINDS[Math.round(deg / 45) % 8] : "–");
