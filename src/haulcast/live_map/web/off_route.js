// Who is off its route: read when the page opens, kept up to date by the events of the live socket, and read again now and then,
// because a route that is cancelled ends without an event.

const AT_ONCE = 1000, AGAIN_MS = 60_000;

export class OffRoute {
  /** @param {{api: import("./hub_api.js").HubApi, changed: (ids: Set<string>) => void}} ties told of everybody who is off its route */
  constructor(ties) {
    Object.assign(this, { ties, ids: new Set(), heardSince: null, isWanted: false, bearer: 0 });
    setInterval(() => this.isWanted && !document.hidden && this.#read(), AGAIN_MS);
  }

  /** The connection is a new one. @param {boolean} mayRead whether this view may read routes */
  async start(mayRead) {
    const { bearer } = this, isWanted = mayRead && (await this.ties.api.offers("/v1/routes"));
    if (bearer !== this.bearer) return;
    this.isWanted = isWanted;
    if (isWanted) await this.#read();
  }

  /** Somebody else watches, maybe another fleet. */
  forget() {
    Object.assign(this, { isWanted: false, ids: new Set(), heardSince: null });
    this.bearer++;
  }

  /** @param {object} event of the live socket */
  heard(event) {
    if (event.event === "off_route" || event.event === "on_route") {
      this.heardSince?.push(event);
      this.#take(this.ids, event);
      this.ties.changed(this.ids);
    } else if (event.event === "departed" && this.isWanted && this.ids.has(event.vehicle)) this.#read(); // of its last stop, maybe
  }

  async #read() {
    if (this.heardSince) return;
    const { bearer } = this, heard = (this.heardSince = []); // what happens while it is read may be missing in the answer
    try {
      const ids = new Set();
      for await (const page of this.ties.api.pages(`v1/routes?status=active&off_route=true&limit=${AT_ONCE}`, "routes")) for (const { vehicle } of page) ids.add(vehicle);
      if (bearer !== this.bearer) return;
      for (const event of heard) this.#take(ids, event);
      this.ids = ids;
      this.ties.changed(ids);
    } catch { /* what was known stays; it is read again */ } finally {
      if (bearer === this.bearer) this.heardSince = null;
    }
  }

  #take(ids, { event, vehicle }) {
    if (event === "off_route") ids.add(vehicle);
    else ids.delete(vehicle);
  }
}
