// Fences: the list, the layers, and the one that is open. Edits of others come in live.

import { $, el, say } from "./dom.js";
import { FenceDrawing } from "./fence_drawing.js";
import { fenceForm } from "./fence_form.js";
import { FenceLayers } from "./fence_layers.js";
import { KINDS, boundsOf, draftOf, featureOf, kindOf } from "./fence_shapes.js";
import { RuleForm } from "./rule_form.js";

const MOST_ROWS = 300, AT_ONCE = 1000, STOPS_KEPT = "haulcast.stops";

export class FencePanel {
  /** @param {{map: any, api: any, mayWrite: () => boolean, hint: (text: string) => void, closeDetail: () => void}} ties */
  constructor(ties) {
    Object.assign(this, { ties, fences: [], open: null, layers: null, drawing: null, text: "", isReading: false, isStale: false, rules: null });
    this.search = el("input", { type: "search", placeholder: "Filter fences", "aria-label": "Only fences with this text", oninput: () => this.#showList() });
    this.tools = el("div.tools", {}, ...Object.entries(KINDS).map(([kind, name]) => el("button", { type: "button", id: `draw-${kind}`, onclick: () => this.#draw(kind) }, `+ ${name}`)));
    this.areStopsShown = localStorage.getItem(STOPS_KEPT) === "shown";
    this.stops = el("button", { type: "button", hidden: true, title: "Fences that stand for stops of routes", onclick: () => this.#turnStops() });
    this.list = el("ul.rows", { "aria-label": "Fences" });
    this.note = el("p.empty", {}, "No fences yet.");
    $("fences").append(this.tools, el("div.tools", {}, this.search, this.stops), this.note, this.list);
  }

  get isOpen() { return this.open !== null || this.isDrawing; }
  get isDrawing() { return this.drawing?.draft != null; }

  addTo(map) {
    this.layers = new FenceLayers(map);
    this.drawing = new FenceDrawing(map, {
      show: (data) => this.layers.showDraft(data),
      hint: this.ties.hint,
      changed: (draft, isDone) => (isDone ? this.#edit({ properties: {} }, draft) : this.open?.showSize()),
    });
    this.#showLayers();
  }

  paint(c) { this.layers?.paint(c); }

  /** On the map once more, which had lost them. */
  redraw() {
    this.#showLayers();
    this.layers?.mark(this.open?.id ?? null);
    if (this.drawing?.draft) this.drawing.redraw();
  }

  setVisible(isVisible) { if (!isVisible) this.fences = []; }

  /** Read all fences; when asked while it reads, once more. */
  async read() {
    this.isStale = true;
    if (this.isReading) return;
    this.isReading = true;
    try {
      while (this.isStale) {
        this.isStale = false;
        const fences = [];
        for await (const page of this.ties.api.pages(`v1/fences?limit=${AT_ONCE}`, "features")) fences.push(...page);
        this.fences = fences;
      }
      this.#showLayers();
    } catch (error) {
      say(this.note, `The fences cannot be read: ${error.message}`);
      this.note.hidden = false;
      return;
    } finally {
      this.isReading = false;
    }
    this.#showList();
  }

  /** What may have been edited while nothing was heard of it. */
  readAll() {
    this.read();
    this.readRules();
  }

  /** Rules were edited, by whomever; those of the open fence are read again. */
  readRules() {
    if (this.open) this.rules?.read();
  }

  /** @returns {boolean} whether there is a fence at the pixel; it is opened */
  pick(point) {
    const id = this.layers?.at(point) ?? null, fence = id === null ? null : this.fences.find((one) => one.id === id);
    if (fence) this.#choose(fence, false);
    return Boolean(fence);
  }

  close() {
    this.drawing?.stop();
    if (!this.open) return;
    this.open = null;
    this.layers?.mark(null);
    this.#showLayers();
    if ($("detail").dataset.shows === "fence") $("detail").hidden = true;
    this.#showList();
  }

  #draw(kind) {
    this.close();
    this.ties.closeDetail();
    this.drawing?.start(kind);
  }

  async #choose(fence, isToGo) {
    this.close();
    this.ties.closeDetail();
    let etag = null;
    try {
      ({ document: fence, etag } = await this.ties.api.edition(`v1/fences/${encodeURIComponent(fence.id)}`));
    } catch { /* it is shown as it was; a save will say what is wrong */ }
    const draft = this.ties.mayWrite() ? draftOf(fence) : null;
    this.#edit(fence, draft, etag);
    if (draft) this.drawing?.edit(draft);
    if (isToGo) this.ties.map.fitBounds(boundsOf(fence), { padding: 80, maxZoom: 15 });
  }

  #edit(fence, draft, etag = null) {
    const mayWrite = this.ties.mayWrite(), { nodes, showSize } = fenceForm(fence, draft, {
      mayWrite, save: (properties) => this.#save(fence, draft, properties, etag), remove: () => this.#remove(fence, etag),
      close: () => this.close(), sized: () => this.drawing?.redraw(),
    });
    this.open = { id: fence.id ?? null, showSize };
    this.rules = fence.id === undefined ? null : new RuleForm(this.ties.api, fence.id, mayWrite);
    $("detail").replaceChildren(...nodes, this.rules?.node ?? "");
    $("detail").hidden = false;
    $("detail").dataset.shows = "fence";
    this.layers?.mark(fence.id ?? null);
    this.#showLayers();
    this.#showList();
    if (fence.id === undefined) $("detail").querySelector("input").focus();
  }

  async #save(fence, draft, properties, etag) {
    const { geometry, sizes } = draft ? featureOf(draft) : { geometry: fence.geometry, sizes: {} };
    if (fence.id === undefined) await this.ties.api.send("POST", "v1/fences", { type: "Feature", geometry, properties: { ...properties, ...sizes } });
    else await this.ties.api.send("PATCH", `v1/fences/${encodeURIComponent(fence.id)}`, { geometry, properties: { ...properties, ...sizes } }, etag);
    this.close();
    await this.read();
  }

  async #remove(fence, etag) {
    await this.ties.api.send("DELETE", `v1/fences/${encodeURIComponent(fence.id)}`, undefined, etag);
    this.close();
    await this.read();
  }

  /** Those that are meant to be seen: the hub makes one for each stop of a route, which are many and of no use until somebody asks. */
  get #wanted() {
    return this.areStopsShown ? this.fences : this.fences.filter((fence) => !isOfStop(fence) || fence.id === this.open?.id);
  }

  #turnStops() {
    this.areStopsShown = !this.areStopsShown;
    localStorage.setItem(STOPS_KEPT, this.areStopsShown ? "shown" : "hidden");
    this.#showLayers();
    this.#showList();
  }

  /** The one that is being changed is drawn as the draft only. */
  #showLayers() {
    const edited = this.drawing?.draft || this.open?.id ? this.open?.id : null, wanted = this.#wanted;
    this.layers?.show(this.ties.mayWrite() && edited ? wanted.filter(({ id, ...fence }) => id !== edited || !draftOf(fence)) : wanted);
  }

  #showList() {
    const text = this.search.value.trim().toLowerCase();
    this.tools.hidden = !this.ties.mayWrite();
    const stops = this.fences.filter(isOfStop).length;
    this.stops.hidden = stops === 0;
    this.stops.setAttribute("aria-pressed", String(this.areStopsShown));
    say(this.stops, `Stops ${stops.toLocaleString()}`);
    const found = this.#wanted.filter(({ id, properties }) => !text || `${id} ${properties.name} ${properties.tags.join(" ")}`.toLowerCase().includes(text));
    this.list.replaceChildren(...found.slice(0, MOST_ROWS).map((fence) => this.#row(fence)));
    this.note.hidden = found.length > 0 && found.length <= MOST_ROWS;
    say(this.note, found.length ? `The first ${MOST_ROWS} of ${found.length.toLocaleString()}.` : text ? "No fence is like that." : stops ? "No fences but those of stops." : "No fences yet.");
  }

  #row(fence) {
    const button = el("button.row", { type: "button", "aria-current": String(this.open?.id === fence.id), onclick: () => this.#choose(fence, true) },
      el("span.mark", { "data-fence": kindOf(fence) }), el("span.title", {}, fence.properties.name), el("span.side", {}, fence.properties.tags.join(", ") || kindOf(fence)));
    return el("li", {}, button);
  }
}

/** One that was given other tags as well is somebody's own. */
const isOfStop = ({ properties: { tags } }) => tags.length === 1 && tags[0] === "stop";
