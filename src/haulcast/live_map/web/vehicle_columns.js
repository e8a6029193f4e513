// All vehicles in view as columns. What the graphics card needs of a vehicle is one record of 32 bytes in `records`, which is
// uploaded as it is; there is no object per vehicle. A slot is a place in the columns, a number is the hub's name for a vehicle.

import { latOfUnits, lonOfUnits, unitsPerMetre, unitsX, unitsY } from "./mercator.js";

export const RECORD_BYTES = 32, RECORD_WORDS = 8;
const FROM_X = 0, FROM_Y = 1, TO_X = 2, TO_Y = 3, START_MS = 4, GLIDE_MS = 5, HEADING = 6, LOOK = 7;

/** What a vehicle is doing, as in the low bits of LOOK. */
export const MOVING = 0, IDLE = 1, STOPPED = 2, SILENT = 3, OFF_ROUTE = 4;
export const STATES = ["moving", "idle", "stopped", "silent", "off route"];
export const SELECTED_BIT = 16, HIDDEN_BIT = 32;
const STATE_MASK = 15;

const MOVING_FROM_MPS = 1;
export const STOPPED_AFTER_MS = 300_000, SILENT_AFTER_MS = 180_000;
/** A glide lasts as long as the last fix took to come, so that motion is even; after a longer silence it is a short one. */
const LEAST_GLIDE_MS = 100, MOST_GLIDE_MS = 10_000, RETURN_GLIDE_MS = 800;
const FARTHEST_GLIDE_M = 5_000; // further than that is not a drive to be shown
const HEADING_FROM_M = 5;

export class VehicleColumns {
  constructor() {
    /** @type {(string | undefined)[]} by number */
    this.names = [];
    /** @type {Map<string, number>} */
    this.numberOf = new Map();
    this.count = 0;
    this.version = 0;
    this.namesVersion = 0;
    this.glideEndsMs = 0;
    this.selected = -1;
    /** @type {Set<string>} */
    this.offRouteIds = new Set();
    this.slotOf = new Int32Array(0);
    this.#grow(1024);
  }

  /** @param {string} name @returns {number} its slot, or -1 when it is not in view */
  find(name) {
    const number = this.numberOf.get(name) ?? -1;
    return this.names[number] === name ? this.slotOf[number] ?? -1 : -1; // a hub that was restarted numbers anew
  }

  /** @param {number} slot @returns {string} */
  nameAt(slot) {
    return this.names[this.number[slot]] ?? "";
  }

  /**
   * @param {import("./map_frames.js").MapFrame} frame of positions
   * @param {number} nowMs of `performance.now()`
   * @returns {number} the newest fix by which a vehicle in view has moved on; -Infinity: none has
   */
  apply(frame, nowMs) {
    for (const [number, name] of frame.names) {
      this.names[number] = name;
      this.numberOf.set(name, number);
    }
    if (frame.names.length) this.namesVersion++;
    if (frame.isSnapshot) this.#keepOnly(frame.number);
    const now = nowMs >>> 0;
    let newestMs = -Infinity;
    for (let row = 0; row < frame.rows; row++) if (this.#take(frame, row, now)) newestMs = Math.max(newestMs, frame.fixTimeMs[row]);
    for (const number of frame.gone) this.#drop(number);
    this.version++;
    return newestMs;
  }

  /** Who has left its route; the hub says so. @param {Set<string>} ids */
  setOffRoute(ids) {
    this.offRouteIds = ids;
    for (let slot = 0; slot < this.count; slot++) this.offRoute[slot] = Number(ids.has(this.nameAt(slot)));
  }

  clear() {
    for (let slot = 0; slot < this.count; slot++) this.slotOf[this.number[slot]] = -1;
    this.count = 0;
    this.version++;
  }

  /** Where a slot is drawn now. @returns {[number, number]} longitude, latitude */
  placeAt(slot, nowMs) {
    return [lonOfUnits(this.#unitsAt(slot, FROM_X, TO_X, nowMs >>> 0)), latOfUnits(this.#unitsAt(slot, FROM_Y, TO_Y, nowMs >>> 0))];
  }

  /** The newest fix of a slot. @returns {[number, number]} longitude, latitude */
  fixAt(slot) {
    const at = slot * RECORD_WORDS;
    return [lonOfUnits(this.words[at + TO_X]), latOfUnits(this.words[at + TO_Y])];
  }

  headingAt(slot) {
    return this.floats[slot * RECORD_WORDS + HEADING];
  }

  isHidden(slot) {
    return (this.words[slot * RECORD_WORDS + LOOK] & HIDDEN_BIT) !== 0;
  }

  /**
   * What every vehicle is doing by now, and whether it is shown.
   * @param {number} hubNowMs the hub's clock
   * @param {(slot: number, state: number) => boolean} isShown
   * @param {number} selected its slot, or -1
   * @returns {Uint32Array} how many are in each state
   */
  refresh(hubNowMs, isShown, selected) {
    const counts = new Uint32Array(STATES.length);
    this.selected = selected;
    for (let slot = 0; slot < this.count; slot++) {
      const state = this.#stateOf(slot, hubNowMs);
      counts[state]++;
      this.state[slot] = state;
      const look = slot === selected ? SELECTED_BIT : isShown(slot, state) ? 0 : HIDDEN_BIT;
      this.words[slot * RECORD_WORDS + LOOK] = state | look;
    }
    this.version++;
    return counts;
  }

  /** The shown slot nearest to a place, within `mostUnits`. @returns {number} or -1 */
  nearest(lonDeg, latDeg, mostUnits, nowMs) {
    const x = unitsX(lonDeg), y = unitsY(latDeg), now = nowMs >>> 0;
    let best = -1, bestSquare = mostUnits * mostUnits;
    for (let slot = 0; slot < this.count; slot++) {
      if (this.isHidden(slot)) continue;
      const dx = (this.#unitsAt(slot, FROM_X, TO_X, now) - x) | 0, dy = (this.#unitsAt(slot, FROM_Y, TO_Y, now) - y) | 0;
      const square = dx * dx + dy * dy;
      if (square < bestSquare) [best, bestSquare] = [slot, square];
    }
    return best;
  }

  #unitsAt(slot, from, to, now) {
    const at = slot * RECORD_WORDS, words = this.words;
    const glideMs = words[at + GLIDE_MS], share = glideMs ? Math.min(1, ((now - words[at + START_MS]) >>> 0) / glideMs) : 1;
    return (words[at + from] + share * ((words[at + to] - words[at + from]) | 0)) >>> 0;
  }

  #take(frame, row, now) {
    const number = frame.number[row], latDeg = frame.lat1e7[row] / 1e7;
    const x = unitsX(frame.lon1e7[row] / 1e7), y = unitsY(latDeg), perMetre = unitsPerMetre(latDeg);
    let slot = number < this.slotOf.length ? this.slotOf[number] : -1;
    const isNew = slot < 0;
    if (isNew) slot = this.#add(number);
    const at = slot * RECORD_WORDS, words = this.words;
    let heading = frame.headingDeg[row], speedMps = frame.speedMps[row];
    const fixTimeMs = frame.fixTimeMs[row], hasMovedOn = !isNew && fixTimeMs > this.fixTimeMs[slot];
    if (isNew) {
      [words[at + FROM_X], words[at + FROM_Y], words[at + GLIDE_MS]] = [x, y, 0];
    } else {
      const dx = (x - words[at + TO_X]) | 0, dy = (y - words[at + TO_Y]) | 0, movedM = Math.hypot(dx, dy) / perMetre;
      if (Number.isNaN(heading)) heading = movedM > HEADING_FROM_M ? (Math.atan2(dx, -dy) * 180) / Math.PI : this.floats[at + HEADING];
      const sinceMs = fixTimeMs - this.fixTimeMs[slot];
      if (Number.isNaN(speedMps) && sinceMs > 0) speedMps = (movedM / sinceMs) * 1000;
      this.#glide(at, slot, now, movedM > FARTHEST_GLIDE_M ? [x, y] : null);
    }
    [words[at + TO_X], words[at + TO_Y], words[at + START_MS]] = [x, y, now];
    this.floats[at + HEADING] = heading;
    if (speedMps >= MOVING_FROM_MPS) this.standingSinceMs[slot] = 0;
    else if (this.standingSinceMs[slot] === 0) this.standingSinceMs[slot] = fixTimeMs;
    [this.fixTimeMs[slot], this.speedMps[slot], this.receivedMs[slot]] = [fixTimeMs, speedMps, now];
    return hasMovedOn;
  }

  #glide(at, slot, now, jumpTo) {
    const words = this.words;
    const fromX = jumpTo ? jumpTo[0] : this.#unitsAt(slot, FROM_X, TO_X, now), fromY = jumpTo ? jumpTo[1] : this.#unitsAt(slot, FROM_Y, TO_Y, now);
    const waitedMs = now - this.receivedMs[slot];
    const glideMs = waitedMs > MOST_GLIDE_MS ? RETURN_GLIDE_MS : Math.max(LEAST_GLIDE_MS, waitedMs * 1.05);
    [words[at + FROM_X], words[at + FROM_Y], words[at + GLIDE_MS]] = [fromX, fromY, jumpTo ? 0 : glideMs];
    this.glideEndsMs = Math.max(this.glideEndsMs, now + glideMs);
  }

  #stateOf(slot, hubNowMs) {
    if (hubNowMs - this.fixTimeMs[slot] > SILENT_AFTER_MS) return SILENT;
    if (this.offRoute[slot]) return OFF_ROUTE;
    if (!this.standingSinceMs[slot]) return MOVING;
    return hubNowMs - this.standingSinceMs[slot] > STOPPED_AFTER_MS ? STOPPED : IDLE;
  }

  #add(number) {
    if (this.count === this.number.length) this.#grow(2 * this.count);
    if (number >= this.slotOf.length) {
      const wider = new Int32Array(Math.max(1024, 2 * this.slotOf.length, number + 1)).fill(-1);
      wider.set(this.slotOf);
      this.slotOf = wider;
    }
    const slot = this.count++;
    [this.slotOf[number], this.number[slot], this.standingSinceMs[slot], this.state[slot]] = [slot, number, 0, MOVING];
    this.offRoute[slot] = Number(this.offRouteIds.has(this.names[number]));
    this.words[slot * RECORD_WORDS + LOOK] = MOVING;
    return slot;
  }

  /** The last slot moves into the place of the one that leaves. */
  #drop(number) {
    const slot = number < this.slotOf.length ? this.slotOf[number] : -1;
    if (slot < 0) return;
    const last = --this.count;
    this.slotOf[number] = -1;
    if (slot === last) return;
    this.words.copyWithin(slot * RECORD_WORDS, last * RECORD_WORDS, (last + 1) * RECORD_WORDS);
    for (const column of [this.number, this.fixTimeMs, this.speedMps, this.receivedMs, this.standingSinceMs, this.state, this.offRoute]) column[slot] = column[last];
    this.slotOf[this.number[slot]] = slot;
  }

  #keepOnly(numbers) {
    const kept = new Set(numbers);
    for (let slot = this.count - 1; slot >= 0; slot--) if (!kept.has(this.number[slot])) this.#drop(this.number[slot]);
  }

  #grow(size) {
    const records = new ArrayBuffer(size * RECORD_BYTES), words = new Uint32Array(records);
    if (this.words) words.set(this.words);
    [this.records, this.words, this.floats] = [records, words, new Float32Array(records)];
    const columns = { number: Uint32Array, fixTimeMs: Float64Array, speedMps: Float32Array, receivedMs: Float64Array,
      standingSinceMs: Float64Array, state: Uint8Array, offRoute: Uint8Array };
    for (const [name, Type] of Object.entries(columns)) {
      const column = new Type(size);
      if (this[name]) column.set(this[name]);
      this[name] = column;
    }
  }
}
