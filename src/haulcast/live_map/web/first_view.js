// On a first visit the map goes to where the fleet is: once, and not if somebody has moved it before.

const LOOK_EVERY_MS = 3000, MOST_LOOKS = 100, MOST_LOOKED_AT = 1000;
/** Fewer that are seen already are left where they are: what is around them says more than they do. */
const ENOUGH = 10;
const TRIMMED = 0.03; // of each side, so that a stray one does not make the map a continent
const FIT = { padding: 56, maxZoom: 13, duration: 0 };

export class FirstView {
  /** @param {any} map @param {{isKept: boolean, mayRead: () => boolean, api: import("./hub_api.js").HubApi}} ties */
  constructor(map, ties) {
    Object.assign(this, { map, ties, isWanted: !ties.isKept, lookedAt: -Infinity, looks: 0 });
    map.on("movestart", ({ originalEvent }) => { if (originalEvent) this.isWanted = false; });
  }

  /** Somebody has chosen where to look. */
  forgo() {
    this.isWanted = false;
  }

  /** Called once a second. @param {number} nowMs of `performance.now()` */
  async look(nowMs) {
    if (!this.isWanted || !this.ties.mayRead() || nowMs - this.lookedAt < LOOK_EVERY_MS) return;
    this.lookedAt = nowMs;
    if (++this.looks > MOST_LOOKS) return this.forgo();
    const { positions } = await this.ties.api.get(`v1/positions?limit=${MOST_LOOKED_AT}`).catch(() => ({ positions: [] }));
    if (!this.isWanted || !positions.length) return;
    const view = this.map.getBounds(), isSeen = positions.some(({ lon, lat }) => view.contains([lon, lat]));
    if (isSeen && positions.length < ENOUGH) return;
    this.isWanted = false;
    const [west, east] = middle(positions.map(({ lon }) => lon)), [south, north] = middle(positions.map(({ lat }) => lat));
    this.map.fitBounds([[west, south], [east, north]], FIT);
  }
}

/** Least and greatest, but for a few at each end. @param {number[]} values @returns {[number, number]} */
function middle(values) {
  const sorted = values.sort((a, b) => a - b), trimmed = Math.floor(sorted.length * TRIMMED);
  return [sorted[trimmed], sorted[sorted.length - 1 - trimmed]];
}
