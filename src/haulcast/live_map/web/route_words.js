// What is said of a stop of a route: when, in the viewer's zone, and how late.

import { clock, minute, span } from "./format.js";

const KINDS = { pickup: "Pickup", delivery: "Delivery", stop: "Stop" };
const LATE_FROM_S = 60; // less than that is on time for people

const isKnown = (value) => value !== undefined && value !== null;

/** @returns {string} */
export const stopName = ({ name, kind, load, id }) => name || `${KINDS[kind] ?? "Stop"} ${load || id}`;

export const isOver = ({ state }) => state === "done" || state === "skipped";

/** When somebody comes, is there, or has been. @param {object} stop of a route's document @param {number} nowMs by the hub's clock */
export function timesOf(stop, nowMs) {
  if (stop.state === "skipped") return "passed over";
  if (stop.state === "done") return isKnown(stop.left) ? `left ${clock(stop.left)}` : "done";
  if (stop.state === "arrived") return isKnown(stop.arrived) ? `there since ${clock(stop.arrived)}` : "there now";
  const due = isKnown(stop.closes) ? `, due by ${minute(stop.closes, nowMs)}` : "";
  if (isKnown(stop.eta)) return `ETA ${minute(stop.eta, nowMs)}, ${stop.eta > nowMs ? `in ${span(stop.eta - nowMs)}` : "any moment"}${due}`;
  return (isKnown(stop.planned) ? `planned ${minute(stop.planned, nowMs)}` : "no ETA yet") + due;
}

/** @returns {{text: string, isLate: boolean}} "" when nothing is known */
export function latenessOf({ state, late_s: lateS }) {
  if (!isKnown(lateS) || state !== "ahead") return { text: "", isLate: false };
  return lateS < LATE_FROM_S ? { text: "on time", isLate: false } : { text: `${span(lateS * 1000)} late`, isLate: true };
}
