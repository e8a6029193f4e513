// When the driver of the chosen vehicle will be free, in its panel: one line, "in 12 min, 87 %".

import { el, say } from "./dom.js";
import { minute, span } from "./format.js";

const AGAIN_MS = 10_000, PATH = "/v1/vehicles/{vehicle_id}/availability";
const STATES = { off: "off duty", busy: "busy", free: "now" };
const BASES = { route: "by its route", model: "by what was learned of the fleet", own: "by its own past weeks", fleet: "by its fleet: nothing is known of itself", none: "nothing is known yet" };

export class VehicleAvailability {
  /** @param {{api: import("./hub_api.js").HubApi, hubNow: () => number, mayRead: () => boolean}} ties */
  constructor(ties) {
    Object.assign(this, { ties, id: null, known: null, readAt: -Infinity, turn: 0, isPast: false });
    this.value = el("dd", { id: "free" });
    this.nodes = [el("dt", {}, "Free"), this.value];
    this.#say();
  }

  /** @param {string | null} id */
  open(id) {
    Object.assign(this, { id, known: null, readAt: -Infinity });
    this.turn++;
    this.#say();
  }

  /** It is of now: while the past is shown there is none. @param {boolean} isOn */
  replay(isOn) {
    this.isPast = isOn;
    this.#say();
  }

  /** Bring it up to date; called once a second. */
  show() {
    if (this.id === null || this.isPast) return;
    if (performance.now() - this.readAt > AGAIN_MS) this.#read();
    this.#say();
  }

  async #read() {
    this.readAt = performance.now();
    const { id } = this, { api, mayRead } = this.ties, turn = ++this.turn;
    if (!mayRead() || !(await api.offers(PATH))) return;
    const known = await api.get(`v1/vehicles/${encodeURIComponent(id)}/availability`).catch(() => null);
    if (turn !== this.turn) return;
    this.known = known;
    this.#say();
  }

  #say() {
    const known = this.isPast ? null : this.known;
    for (const node of this.nodes) node.hidden = known === null;
    if (known === null) return;
    say(this.value, freeWords(known, this.ties.hubNow()));
    this.value.title = BASES[known.basis] ?? "";
  }
}

/** @param {{state: string, free: {at_ms: number, p: number} | null}} known @param {number} nowMs by the hub's clock @returns {string} */
export function freeWords({ state, free }, nowMs) {
  if (state === "free") return STATES.free;
  if (free === null) return `${STATES[state] ?? state}; not likely within 8 h`;
  const inMs = free.at_ms - nowMs, share = `${Math.round(free.p * 100)} %`;
  return inMs < 60_000 ? `any moment, ${share}` : `in ${span(inMs)}, ${share} (${minute(free.at_ms, nowMs)})`;
}
