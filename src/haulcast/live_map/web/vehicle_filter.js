// Which vehicles are shown: by what they are doing, by tag, and by name. It dims nobody out of the counts.

import { $, el, say } from "./dom.js";
import { OFF_ROUTE, STATES } from "./vehicle_columns.js";

export class VehicleFilter {
  /**
   * @param {import("./vehicle_columns.js").VehicleColumns} columns
   * @param {import("./vehicle_registry.js").VehicleRegistry} registry
   * @param {() => void} onChange
   */
  constructor(columns, registry, onChange) {
    Object.assign(this, { columns, registry, onChange, states: new Set(), tag: "", text: "" });
    this.buttons = STATES.slice(0, OFF_ROUTE).map((state, number) => this.#button(state, number));
    $("search").addEventListener("input", () => {
      this.text = $("search").value.trim().toLowerCase();
      onChange();
    });
  }

  /** @param {number} state */
  turn(state) {
    if (!this.states.delete(state)) this.states.add(state);
    this.buttons.forEach(({ button }, number) => button.setAttribute("aria-pressed", String(this.states.has(number))));
    $("states").classList.toggle("is-filtered", this.states.size > 0);
    this.onChange();
  }

  /** The hub knows routes: who is off them can be told apart. */
  offerOffRoute() {
    this.buttons[OFF_ROUTE] ??= this.#button(STATES[OFF_ROUTE], OFF_ROUTE);
  }

  setTag(tag) {
    this.tag = tag;
    this.onChange();
  }

  /** @returns {(slot: number, state: number) => boolean} */
  get isShown() {
    const { states, tag, text, columns, registry } = this;
    if (!states.size && !tag && !text) return () => true;
    return (slot, state) => {
      if (states.size && !states.has(state)) return false;
      if (!tag && !text) return true;
      const id = columns.nameAt(slot);
      if (tag && !registry.hasTag(id, tag)) return false;
      return !text || id.toLowerCase().includes(text) || registry.nameOf(id).toLowerCase().includes(text);
    };
  }

  /** @param {Uint32Array} counts by state */
  tell(counts) {
    this.buttons.forEach(({ count }, number) => say(count, counts[number].toLocaleString()));
  }

  #button(state, number) {
    const count = el("span", {}, "0");
    const button = el("button", { type: "button", "aria-pressed": "false", title: `Only ${state} vehicles`, onclick: () => this.turn(number) },
      el("span.mark", { "data-state": state }), count, el("span.word", {}, ` ${state}`), el("span.unseen", {}, ` ${state}`));
    $("states").append(button);
    return { button, count };
  }
}
