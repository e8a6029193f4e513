// The vehicles in view as a list beside the map: for the keyboard, for screen readers, and to find one without looking for its marker.

import { $, el, say } from "./dom.js";
import { counted, span, speed } from "./format.js";
import { MOVING, OFF_ROUTE, SILENT, STATES } from "./vehicle_columns.js";
import { VehicleOrder } from "./vehicle_order.js";

const ROWS_AT_ONCE = 200;

export class VehicleList {
  /**
   * @param {import("./vehicle_columns.js").VehicleColumns} columns
   * @param {import("./vehicle_registry.js").VehicleRegistry} registry
   * @param {import("./vehicle_filter.js").VehicleFilter} filter
   * @param {(id: string) => void} onChosen
   */
  constructor(columns, registry, filter, onChosen) {
    Object.assign(this, { columns, registry, filter, onChosen, rows: [], order: new VehicleOrder(columns), most: ROWS_AT_ONCE, filtered: "" });
    this.tags = el("select", { "aria-label": "Only vehicles with this tag", onchange: () => filter.setTag(this.tags.value) }, el("option", { value: "" }, "All tags"));
    this.list = el("ul.rows", { "aria-label": "Vehicles in view" });
    this.note = el("p.empty", { hidden: true, role: "status" });
    this.more = el("button.more", { type: "button", hidden: true, onclick: () => this.#showMore() });
    $("vehicles").append(el("div.tools", {}, this.tags), this.note, this.list, this.more);
  }

  showTags() {
    this.tags.replaceChildren(el("option", { value: "" }, "All tags"), ...this.registry.tags.map((tag) => el("option", { value: tag }, tag)));
    this.tags.value = this.filter.tag;
    this.tags.parentElement.hidden = !this.registry.tags.length;
  }

  /** @param {string | null} selected @param {number} hubNowMs @param {number} clustered vehicles that the hub shows as aggregates */
  show(selected, hubNowMs, clustered) {
    if ($("vehicles").hidden) return;
    Object.assign(this, { selected, hubNowMs, clustered });
    this.#startAnew();
    const { slots, count } = this.order.first(this.most), shown = slots.map((slot) => ({ id: this.columns.nameAt(slot), slot }));
    if (this.filter.text) shown.push(...this.#elsewhere(new Set(shown.map(({ id }) => id))));
    shown.forEach((entry, place) => this.#fill(this.#row(place), entry, selected, hubNowMs));
    while (this.rows.length > shown.length) this.rows.pop().item.remove();
    this.note.hidden = shown.length > 0 && count <= ROWS_AT_ONCE;
    this.more.hidden = count <= this.most;
    say(this.more, `Show ${Math.min(ROWS_AT_ONCE, count - this.most)} more`);
    say(this.note, this.#noteOf(count, shown.length, clustered));
  }

  #noteOf(inView, shown, clustered) {
    if (inView > ROWS_AT_ONCE) return `${Math.min(this.most, inView).toLocaleString()} of ${counted(inView, "vehicle")} listed.`;
    if (shown) return "";
    if (this.filter.text || this.filter.states.size || this.filter.tag) return "No vehicle here is like that.";
    return clustered ? `${counted(clustered, "vehicle")} in view. Zoom in to list them, or search.` : "No vehicles in this part of the map.";
  }

  /** Another filter has another list, which begins at its beginning. */
  #startAnew() {
    const { text, tag, states } = this.filter, filtered = JSON.stringify([text, tag, [...states]]);
    if (filtered !== this.filtered) this.most = ROWS_AT_ONCE;
    this.filtered = filtered;
  }

  /** The next ones, of which the first gets the focus: reading goes on there. */
  #showMore() {
    const next = this.most;
    this.most += ROWS_AT_ONCE;
    this.show(this.selected, this.hubNowMs, this.clustered);
    this.rows[next]?.button.focus();
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
    const isCurrent = String(id === selected);
    if (row.button.getAttribute("aria-current") !== isCurrent) row.button.setAttribute("aria-current", isCurrent);
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
    if (state === OFF_ROUTE) return `${STATES[state]} ${speed(this.columns.speedMps[slot])}`;
    const since = state === SILENT ? this.columns.fixTimeMs[slot] : this.columns.standingSinceMs[slot];
    return `${STATES[state]} ${span(hubNowMs - since)}`;
  }
}
