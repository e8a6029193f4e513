// Names and tags of all vehicles of the fleet, also of those that are not in view. Read once in the background, and anew when asked.

const AT_ONCE = 1000;

/** @typedef {{id: string, name: string, tags: string[]}} Known */

export class VehicleRegistry {
  constructor() {
    /** @type {Map<string, Known>} */
    this.known = new Map();
    this.tags = [];
  }

  /** @param {import("./hub_api.js").HubApi} api */
  async read(api) {
    const known = new Map(), tags = new Set();
    for await (const page of api.pages(`v1/vehicles?limit=${AT_ONCE}`, "vehicles")) {
      for (const { id, name, tags: own } of page) {
        known.set(id, { id, name, tags: own });
        for (const tag of own) tags.add(tag);
      }
    }
    [this.known, this.tags] = [known, [...tags].sort()];
  }

  /** @param {string} id @returns {string} what people call it */
  nameOf(id) {
    return this.known.get(id)?.name || id;
  }

  /** @param {string} id @param {string} tag */
  hasTag(id, tag) {
    return this.known.get(id)?.tags.includes(tag) ?? false;
  }

  /** @param {string} text @param {number} most @returns {string[]} ids whose id or name has the text in it, those that begin with it first */
  search(text, most) {
    const wanted = text.toLowerCase(), first = [], others = [];
    for (const { id, name } of this.known.values()) {
      const at = Math.min(...[id, name].map((word) => word.toLowerCase().indexOf(wanted)).map((place) => (place < 0 ? Infinity : place)));
      if (at === 0) first.push(id);
      else if (at < Infinity) others.push(id);
      if (first.length >= most) break;
    }
    return [...first.sort(), ...others.sort()].slice(0, most);
  }
}
