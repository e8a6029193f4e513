// The order of the list: who is off its route first, then by what vehicles do, then by id, with the numbers in ids as numbers. Ids
// are sorted when there are new ones; what remains each time is one walk through them, also with every vehicle of a fleet in view.

import { IDLE, MOVING, OFF_ROUTE, SILENT, STATES, STOPPED } from "./vehicle_columns.js";

const GROUPS = [OFF_ROUTE, MOVING, IDLE, STOPPED, SILENT];

export class VehicleOrder {
  /** @param {import("./vehicle_columns.js").VehicleColumns} columns */
  constructor(columns) {
    Object.assign(this, { columns, names: [], keys: [], sorted: [], ranked: -1 });
  }

  /** @param {number} most @returns {{slots: number[], count: number}} the first so many that are shown, and how many there are in all */
  first(most) {
    const { columns } = this, found = STATES.map(() => []);
    if (this.ranked !== columns.namesVersion) this.#rank();
    let count = 0;
    for (const number of this.sorted) {
      const slot = columns.slotOf[number] ?? -1;
      if (slot < 0 || columns.isHidden(slot)) continue;
      count++;
      const group = found[columns.state[slot]];
      if (group.length < most) group.push(slot);
    }
    return { slots: GROUPS.flatMap((state) => found[state]).slice(0, most), count };
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
    this.ranked = this.columns.namesVersion;
  }
}

const keyOf = (name) => name.toLowerCase().replaceAll(/\d+/g, (digits) => digits.padStart(12, "0"));
