// The vehicles in view as a list beside the map: for the keyboard, for screen readers, and to find one without looking for its marker.

import { $, el, say } from "./dom.js";
import { counted, span, speed } from "./format.js";
import { MOVING, SILENT, STATES } from "./vehicle_columns.js";

const MOST_ROWS = 200, MOST_SORTED = 1000;

export class VehicleList {
  /**
   * @param {import("./vehicle_columns.js").VehicleColumns} columns
   * @param {import("./vehicle_registry.js").VehicleRegistry} registry
   * @param {import("./vehicle_filter.js").VehicleFilter} filter
   * @param {(id: string) => void} onChosen
   */
  constructor(columns, registry, filter, onChosen) {
    Object.assign(this, { columns, registry, filter, onChosen, rows: [] });
    this.tags = el("select", { "aria-label": "Only vehicles with this tag", onchange: () => filter.setTag(this.tags.value) }, el("option", { value: "" }, "All tags"));
    this.list = el("ul.rows", { "aria-label": "Vehicles in view" });
    this.note = el("p.empty", { hidden: true });
    $("vehicles").append(el("div.tools", {}, this.tags), this.note, this.list);
  }

  showTags() {
    this.tags.replaceChildren(el("option", { value: "" }, "All tags"), ...this.registry.tags.map((tag) => el("option", { value: tag }, tag)));
    this.tags.value = this.filter.tag;
    this.tags.parentElement.hidden = !this.registry.tags.length;
  }

  /** @param {string | null} selected @param {number} hubNowMs @param {number} clustered vehicles that the hub shows as aggregates */
  show(selected, hubNowMs, clustered) {
    if ($("vehicles").hidden) return;
    const { entries, count } = this.#inView(), shown = entries.slice(0, MOST_ROWS);
    if (this.filter.text) shown.push(...this.#elsewhere(new Set(shown.map(({ id }) => id))));
    shown.forEach((entry, place) => this.#fill(this.#row(place), entry, selected, hubNowMs));
    while (this.rows.length > shown.length) this.rows.pop().item.remove();
    this.note.hidden = shown.length > 0 && count <= MOST_ROWS;
    say(this.note, this.#noteOf(count, shown.length, clustered));
  }

  #noteOf(inView, shown, clustered) {
    if (inView > MOST_ROWS) return `The first ${MOST_ROWS} of ${inView.toLocaleString()}; zoom in, filter or search for others.`;
    if (shown) return "";
    if (this.filter.text || this.filter.states.size || this.filter.tag) return "No vehicle here is like that.";
    return clustered ? `${counted(clustered, "vehicle")} in view. Zoom in to list them, or search.` : "No vehicles in this part of the map.";
  }

  #inView() {
    const { columns } = this, entries = [];
    let count = 0;
    for (let slot = 0; slot < columns.count; slot++) {
      if (!columns.isHidden(slot) && count++ < MOST_SORTED) entries.push({ id: columns.nameAt(slot), slot });
    }
    const order = ({ slot }) => (columns.state[slot] === SILENT ? 3 : columns.state[slot]);
    entries.sort((a, b) => order(a) - order(b) || compare(a.id, b.id));
    return { entries, count };
  }

  #elsewhere(here) {
    return this.registry.search(this.filter.text, 50).filter((id) => !here.has(id)).map((id) => ({ id, slot: -1 }));
  }

  #row(place) {
    if (!this.rows[place]) {
      const [mark, title, side] = [el("span.mark"), el("span.title"), el("span.side")];
      const row = { mark, title, side, id: "" };
      row.button = el("button.row", { type: "button", onclick: () => this.onChosen(row.id) }, mark, title, side);
      row.item = el("li", {}, row.button);
      this.list.append(row.item);
      this.rows[place] = row;
    }
    return this.rows[place];
  }

  #fill(row, { id, slot }, selected, hubNowMs) {
    row.id = id;
    say(row.title, this.registry.nameOf(id));
    row.button.setAttribute("aria-current", String(id === selected));
    if (slot < 0) {
      delete row.mark.dataset.state;
      say(row.side, "not in view");
      return;
    }
    const state = this.columns.state[slot];
    if (row.mark.dataset.state !== STATES[state]) row.mark.dataset.state = STATES[state];
    say(row.side, this.#sideOf(slot, state, hubNowMs));
  }

  #sideOf(slot, state, hubNowMs) {
    if (state === MOVING) return speed(this.columns.speedMps[slot]);
    const since = state === SILENT ? this.columns.fixTimeMs[slot] : this.columns.standingSinceMs[slot];
    return `${STATES[state]} ${span(hubNowMs - since)}`;
  }
}

const { compare } = new Intl.Collator(undefined, { numeric: true });
