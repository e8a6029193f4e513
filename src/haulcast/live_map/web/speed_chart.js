// Speed over time as a small chart.

import { clock } from "./format.js";

const WIDE = 300, HIGH = 80, NS = "http://www.w3.org/2000/svg";
const GAP_MS = 120_000; // a pause longer than that is not drawn across

/**
 * @param {{timeMs: number, speedMps: number}[]} points in order of time
 * @param {number} fromMs @param {number} toMs
 * @returns {Node[]} the chart and its scale
 */
export function speedChart(points, fromMs, toMs) {
  const kmh = points.map(({ speedMps }) => speedMps * 3.6).filter(Number.isFinite);
  const mostKmh = Math.max(20, Math.ceil(Math.max(0, ...kmh) / 20) * 20);
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img",
    "aria-label": kmh.length ? `Speed from ${clock(fromMs)} to ${clock(toMs)}, at most ${Math.round(Math.max(...kmh))} km/h` : "No speeds are known" });
  for (const share of [0, 0.5, 1]) chart.append(svg("line", { x1: 0, x2: WIDE, y1: HIGH * share, y2: HIGH * share }));
  for (const run of runsOf(points)) {
    const at = ({ timeMs, speedMps }) => `${(((timeMs - fromMs) / (toMs - fromMs)) * WIDE).toFixed(1)} ${(HIGH - (speedMps * 3.6 * HIGH) / mostKmh).toFixed(1)}`;
    const line = run.map(at).join(" L");
    const [first, last] = [at(run[0]), at(run.at(-1))].map((pair) => pair.split(" ")[0]);
    chart.append(svg("path", { class: "area", d: `M${first} ${HIGH} L${line} L${last} ${HIGH} Z` }), svg("path", { d: `M${line}` }));
  }
  const scale = document.createElement("div");
  scale.className = "scale";
  for (const text of [clock(fromMs), `0 to ${mostKmh} km/h`, clock(toMs)]) scale.append(Object.assign(document.createElement("span"), { textContent: text }));
  return [chart, scale];
}

function* runsOf(points) {
  let run = [];
  for (const point of points) {
    if (!Number.isFinite(point.speedMps)) continue;
    if (run.length && point.timeMs - run.at(-1).timeMs > GAP_MS) {
      yield run;
      run = [];
    }
    run.push(point);
  }
  if (run.length) yield run;
}

function svg(tag, attributes) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
