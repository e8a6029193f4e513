// Drawing a new fence, and pulling at the corners of one: pointer and keys on the map, a draft out.

import { USUAL_WIDTH_M, handlesOf, isWhole, radiusTo, shownDraft } from "./fence_shapes.js";

const CLOSE_PIXELS = 12;
const PULL_PIXELS = 10; // around a handle; they are drawn with 6
const HINTS = {
  polygon: "Click the corners; click the first one again, or press Enter, to finish. Space sets a corner in the middle of the map.",
  circle: "Click the middle, then the edge. Space uses the middle of the map.",
  corridor: "Click along the line; press Enter or double-click to finish. Space sets a place in the middle of the map.",
};
const EDIT_HINT = "Pull the corners to change the shape; double-click one to take it out.";

export class FenceDrawing {
  /** @param {any} map @param {{show: (data: object | null) => void, hint: (text: string) => void, changed: (draft: object, isDone: boolean) => void}} ties */
  constructor(map, ties) {
    Object.assign(this, { map, ties, draft: null, isDrawing: false, pointer: null, pulled: null });
    map.on("click", (event) => this.isDrawing && this.#point(event));
    map.on("dblclick", (event) => this.draft && this.#doubleClicked(event));
    map.on("mousemove", (event) => this.#moved(event));
    for (const type of ["mousedown", "touchstart"]) map.on(type, (event) => this.#pull(event));
    for (const type of ["mouseup", "touchend"]) map.on(type, () => this.#letGo());
    map.on("touchmove", (event) => this.pulled && this.#moved(event));
    addEventListener("keydown", (event) => this.isDrawing && this.#key(event), true);
  }

  /** @param {"polygon" | "circle" | "corridor"} kind */
  start(kind) {
    this.draft = { kind, points: [], radiusM: 0, widthM: USUAL_WIDTH_M };
    this.isDrawing = true;
    this.map.doubleClickZoom.disable();
    this.map.getCanvas().style.cursor = "crosshair";
    this.ties.hint(HINTS[kind]);
    this.map.getCanvas().focus();
    this.#show();
  }

  /** @param {import("./fence_shapes.js").Draft} draft */
  edit(draft) {
    Object.assign(this, { draft, isDrawing: false });
    this.map.doubleClickZoom.disable();
    this.ties.hint(EDIT_HINT);
    this.#show();
  }

  stop() {
    if (!this.draft) return;
    Object.assign(this, { draft: null, isDrawing: false, pointer: null, pulled: null });
    this.map.getCanvas().style.cursor = "";
    this.map.doubleClickZoom.enable();
    this.map.dragPan.enable();
    this.ties.hint("");
    this.ties.show(null);
  }

  /** The draft was changed elsewhere (a number was typed in). */
  redraw() {
    this.#show();
  }

  #point({ lngLat, point }) {
    this.#add([lngLat.lng, lngLat.lat], point);
  }

  #add(place, pixel) {
    const { draft } = this;
    if (draft.kind === "circle" && draft.points.length) {
      draft.radiusM = radiusTo(draft.points[0], place);
      this.#finish();
      return;
    }
    const first = draft.points.length && this.map.project(draft.points[0]);
    if (draft.kind === "polygon" && isWhole(draft) && Math.hypot(first.x - pixel.x, first.y - pixel.y) < CLOSE_PIXELS) {
      this.#finish();
      return;
    }
    const last = draft.points.at(-1);
    if (!last || last[0] !== place[0] || last[1] !== place[1]) draft.points.push(place);
    this.#show();
  }

  #finish() {
    if (!isWhole(this.draft)) return;
    this.isDrawing = false;
    this.map.getCanvas().style.cursor = "";
    this.ties.hint(EDIT_HINT);
    this.#show();
    this.ties.changed(this.draft, true);
  }

  #key(event) {
    if (event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "Enter") this.#finish();
    else if (event.key === "Backspace") this.draft.points.pop();
    else if (event.key === " " && !event.target.closest("button")) {
      const { lng, lat } = this.map.getCenter();
      this.#add([lng, lat], this.map.project([lng, lat]));
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.#show();
  }

  #doubleClicked(event) {
    event.preventDefault();
    if (this.isDrawing) {
      this.#finish();
      return;
    }
    const { draft } = this, found = this.#handleAt(event.point), least = draft.kind === "polygon" ? 3 : 2;
    if (found?.properties.handle !== "corner" || draft.kind === "circle" || draft.points.length <= least) return;
    draft.points.splice(found.properties.at, 1);
    this.#changed();
  }

  #pull(event) {
    if (this.isDrawing || !this.draft || event.points?.length > 1) return;
    const found = this.#handleAt(event.point);
    if (!found) return;
    event.preventDefault();
    const { handle, at } = found.properties;
    if (handle === "middle") this.draft.points.splice(at, 0, found.geometry.coordinates);
    this.pulled = { handle: handle === "middle" ? "corner" : handle, at };
    this.map.dragPan.disable();
  }

  /** The nearest handle within reach. Not asked of what is drawn, which comes a moment later than the draft. */
  #handleAt(pixel) {
    let found = null, least = PULL_PIXELS;
    for (const handle of handlesOf(this.draft, false)) {
      const { x, y } = this.map.project(handle.geometry.coordinates), away = Math.hypot(x - pixel.x, y - pixel.y);
      if (away < least) [found, least] = [handle, away];
    }
    return found;
  }

  #moved({ lngLat }) {
    const place = [lngLat.lng, lngLat.lat], { draft, pulled } = this;
    if (!draft) return;
    if (pulled?.handle === "edge") draft.radiusM = radiusTo(draft.points[0], place);
    else if (pulled) draft.points[pulled.at] = place;
    else if (!this.isDrawing) return;
    else if (draft.kind === "circle" && draft.points.length) draft.radiusM = radiusTo(draft.points[0], place);
    this.pointer = place;
    this.#show();
  }

  #letGo() {
    if (!this.pulled) return;
    this.pulled = null;
    this.map.dragPan.enable();
    this.#changed();
  }

  #changed() {
    this.#show();
    this.ties.changed(this.draft, false);
  }

  #show() {
    if (this.draft) this.ties.show(shownDraft(this.draft, this.pointer, this.isDrawing));
  }
}
