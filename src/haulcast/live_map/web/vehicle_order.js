// The order of the list: who is off its route first, then by what vehicles do, then by id, with the numbers in ids as numbers. Ids
// are ranked when there are new ones; what remains each time is a sort of plain numbers, also with every vehicle of a fleet in view.

import { OFF_ROUTE } from "./vehicle_columns.js";

export class VehicleOrder {
  /** @param {import("./vehicle_columns.js").VehicleColumns} columns */
  constructor(columns) {
    Object.assign(this, { columns, names: [], keys: [], sorted: [], rankOf: new Uint32Array(0), ranked: -1, places: new Float64Array(0) });
  }

  /** @param {number} most @returns {{slots: number[], count: number}} the first so many that are shown, and how many there are in all */
  first(most) {
    const { columns } = this, { count } = columns;
    if (this.ranked !== columns.namesVersion) this.#rank();
    if (this.places.length < count) this.places = new Float64Array(2 * count);
    const all = this.sorted.length;
    let shown = 0;
    for (let slot = 0; slot < count; slot++) {
      if (columns.isHidden(slot)) continue;
      const state = columns.state[slot], group = state === OFF_ROUTE ? 0 : state + 1;
      this.places[shown++] = group * all + this.rankOf[columns.number[slot]];
    }
    const places = this.places.subarray(0, shown).sort(), slots = [];
    for (const place of places.subarray(0, most)) slots.push(columns.slotOf[this.sorted[place % all]]);
    return { slots, count: shown };
  }

  /** The sorted ones of before are a run, which makes sorting cheap when a few are new. */
  #rank() {
    const { names } = this.columns, { keys } = this;
    names.forEach((name, number) => {
      if (name === this.names[number]) return;
      if (this.names[number] === undefined) this.sorted.push(number);
      [this.names[number], keys[number]] = [name, keyOf(name)];
    });
    this.sorted.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0));
    if (this.rankOf.length < names.length) this.rankOf = new Uint32Array(2 * names.length);
    this.sorted.forEach((number, rank) => { this.rankOf[number] = rank; });
    this.ranked = this.columns.namesVersion;
  }
}

const keyOf = (name) => name.toLowerCase().replaceAll(/\d+/g, (digits) => digits.padStart(12, "0"));
