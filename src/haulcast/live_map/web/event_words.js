// An event of the hub (docs/protocol.md) as a sentence.

import { metres, span, speed } from "./format.js";

export const KINDS = { enter: "entered", exit: "left", dwell: "stayed in", cross: "crossed", overspeed: "too fast in", unauthorised: "not allowed in",
  near: "near", apart: "apart from", corrected: "corrected", withdrawn: "withdrawn",
  arrived: "arrived at", departed: "departed from", late_risk: "will be late at", off_route: "left its route", on_route: "is back on its route" };

/** Kinds that somebody should look at; the feed marks them, and they alone make a sound. */
const ALARMS = new Set(["overspeed", "unauthorised", "dwell", "near", "apart", "late_risk", "off_route"]);
export const isAlarm = (event) => ALARMS.has(event.event) || event.rule !== undefined;

/** @param {object} event @param {(id: string) => string} nameOf @returns {string} */
export function sentenceOf(event, nameOf) {
  const who = nameOf(event.vehicle), where = event.name || (event.other === undefined ? event.stop ?? "" : nameOf(event.other));
  if (event.event === "corrected") return `${who}: visit to ${where} corrected by a late fix`;
  if (event.event === "withdrawn") return `${who}: visit to ${where} withdrawn by a late fix`;
  return `${who} ${KINDS[event.event] ?? event.event} ${where}`.trim();
}

/** What there is to say besides. @returns {string} */
export function detailOf(event) {
  const said = [];
  if (event.speed_mps !== undefined) said.push(speed(event.speed_mps));
  if (event.distance_m !== undefined) said.push(metres(event.distance_m));
  if (event.entered_ms && event.event !== "enter" && event.event !== "arrived") said.push(`after ${span((event.left_ms ?? event.time_ms) - event.entered_ms)}`);
  if (event.event === "late_risk" && event.late_s > 0) said.push(`by ${span(event.late_s * 1000)}`);
  if (event.route !== undefined) said.push(`route ${event.route}`);
  if (event.rule !== undefined) said.push(event.rule_name);
  if (event.cause === "fence_changed") said.push("the fence was changed");
  if (event.cause === "route_changed") said.push("the route was changed");
  return said.join(" · ");
}
