// The map: Web Mercator on a plain canvas. World coordinates are 0..1 to the east and to the south.

const EARTH_RADIUS_M = 6371008.8, TILE = 256, LEAST_ZOOM = 2, MOST_ZOOM = 18;
export const SPEED_STEPS = [[0.5, "#8a94a0"], [8, "#e08a1e"], [18, "#2f8fd8"], [Infinity, "#23a45b"]]; // below m/s: colour

export const toX = (lon) => (lon + 180) / 360;
export const toY = (lat) => {
  const s = Math.sin((Math.max(-85.05, Math.min(85.05, lat)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI);
};
const toLon = (x) => ((((x % 1) + 1) % 1) * 360) - 180;
const toLat = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

/** Where each vehicle is and where it is going to be, as columns; the index is the vehicle's number. */
export class Vehicles {
  constructor() { this.clear(); }

  clear() {
    this.names = new Map();
    this.grow(1024, true);
  }

  grow(size, fresh = false) {
    for (const name of ["fromX", "fromY", "toX", "toY", "start", "span", "speed", "heading", "shown"]) {
      const column = new Float64Array(size);
      if (!fresh) column.set(this[name]);
      this[name] = column;
    }
  }

  apply(frame, nowMs) {
    if (frame.isSnapshot) this.shown.fill(0);
    for (const [number, name] of frame.names) this.names.set(number, name);
    for (let i = 0; i < frame.rows; i++) {
      const v = frame.number[i];
      if (v >= this.shown.length) this.grow(Math.max(v + 1, 2 * this.shown.length));
      const x = toX(frame.lon[i] / 1e7), y = toY(frame.lat[i] / 1e7);
      const isNew = !this.shown[v] || frame.isSnapshot;
      [this.fromX[v], this.fromY[v]] = isNew ? [x, y] : this.at(v, nowMs);
      this.span[v] = isNew ? 1 : Math.min(1500, Math.max(100, nowMs - this.start[v])); // glide as long as the last fix was ago
      [this.toX[v], this.toY[v], this.start[v], this.shown[v]] = [x, y, nowMs, 1];
      [this.speed[v], this.heading[v]] = [frame.speed[i], frame.heading[i]];
    }
    for (const v of frame.gone) this.shown[v] = 0;
  }

  at(v, nowMs) {
    const share = Math.min(1, (nowMs - this.start[v]) / this.span[v]);
    return [this.fromX[v] + share * (this.toX[v] - this.fromX[v]), this.fromY[v] + share * (this.toY[v] - this.fromY[v])];
  }
}

export class FleetMap {
  constructor(canvas, onMove) {
    Object.assign(this, { canvas, onMove, context: canvas.getContext("2d"), x: toX(-122.2), y: toY(37.7), zoom: 9.5 });
    Object.assign(this, { vehicles: new Vehicles(), clusters: new Map(), fences: [] });
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.readColours());
    this.readColours();
    this.listen();
    this.resize();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colour = Object.fromEntries(["back", "ink", "faint", "fence", "fence-fill", "panel"].map((n) => [n, style.getPropertyValue(`--${n}`)]));
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    [this.width, this.height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    [this.canvas.width, this.canvas.height] = [this.width * ratio, this.height * ratio];
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.onMove();
  }

  get scale() { return TILE * 2 ** this.zoom; }

  /** What to subscribe to: the view with a margin, so that a small move shows vehicles at once. */
  view() {
    const halfX = (this.width / this.scale) * 0.6, halfY = (this.height / this.scale) * 0.6;
    const bbox = halfX >= 0.5 ? [-180, 0, 180, 0] : [toLon(this.x - halfX), 0, toLon(this.x + halfX), 0];
    [bbox[1], bbox[3]] = [toLat(Math.min(1, this.y + halfY)), toLat(Math.max(0, this.y - halfY))];
    return { bbox, zoom: Math.round(this.zoom * 10) / 10 };
  }

  screen(x, y) {
    const dx = x - this.x;
    return [this.width / 2 + (dx - Math.round(dx)) * this.scale, this.height / 2 + (y - this.y) * this.scale];
  }

  pan(dx, dy) {
    this.x = (this.x - dx / this.scale + 1) % 1;
    this.y = Math.min(1, Math.max(0, this.y - dy / this.scale));
    this.onMove();
  }

  zoomBy(steps, atX = this.width / 2, atY = this.height / 2) {
    const before = this.scale;
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom + steps));
    const kept = 1 - this.scale / before; // the point under the pointer stays under it
    this.pan((atX - this.width / 2) * kept, (atY - this.height / 2) * kept);
  }

  listen() {
    const { canvas } = this, fingers = new Map();
    const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, [e.clientX, e.clientY]); });
    canvas.addEventListener("pointermove", (e) => {
      const last = fingers.get(e.pointerId);
      if (!last) return;
      const before = fingers.size === 2 ? spread() : 0;
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
      this.pan((e.clientX - last[0]) / fingers.size, (e.clientY - last[1]) / fingers.size);
      if (before > 0 && spread() > 0) this.zoomBy(Math.log2(spread() / before), e.clientX, e.clientY);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (e) => fingers.delete(e.pointerId));
    canvas.addEventListener("wheel", (e) => { e.preventDefault(); this.zoomBy(-e.deltaY / (e.deltaMode ? 6 : 250), e.clientX, e.clientY); }, { passive: false });
    const keys = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
    canvas.addEventListener("keydown", (e) => {
      if (keys[e.key]) this.pan(...keys[e.key]);
      else if (e.key === "+" || e.key === "=") this.zoomBy(0.5);
      else if (e.key === "-") this.zoomBy(-0.5);
      else return;
      e.preventDefault();
    });
  }

  /** Apply a frame; a snapshot of one kind replaces the other kind too. */
  apply(frame, nowMs) {
    if (frame.isSnapshot) { this.clusters.clear(); this.vehicles.shown.fill(0); }
    if (!frame.isClusters) { this.vehicles.apply(frame, nowMs); return; }
    for (let i = 0; i < frame.rows; i++)
      this.clusters.set(frame.number[i], { x: toX(frame.lon[i] / 1e7), y: toY(frame.lat[i] / 1e7), count: frame.count[i] });
    for (const cell of frame.gone) this.clusters.delete(cell);
  }

  /** Draw everything; returns how many vehicles are on the screen. */
  draw(nowMs) {
    const c = this.context;
    c.fillStyle = this.colour.back;
    c.fillRect(0, 0, this.width, this.height);
    this.drawGraticule();
    this.drawFences();
    this.drawClusters();
    return this.drawVehicles(nowMs);
  }

  drawGraticule() {
    const c = this.context, degrees = (180 * 360) / this.scale; // about a line every 180 pixels
    const step = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find((s) => s <= degrees) || 0.01;
    const lonSpan = (this.width / this.scale) * 180, lon = this.x * 360 - 180;
    [c.strokeStyle, c.fillStyle, c.lineWidth, c.font] = [this.colour.faint, this.colour.ink, 1, "11px system-ui, sans-serif"];
    c.globalAlpha = 0.8;
    c.beginPath();
    for (let at = Math.ceil((lon - lonSpan) / step); at * step <= lon + lonSpan; at++) {
      const x = this.width / 2 + (toX(at * step) - this.x) * this.scale;
      c.moveTo(x, 0); c.lineTo(x, this.height);
      c.fillText(`${+(toLon(toX(at * step))).toFixed(2)}°`, x + 3, this.height - 4);
    }
    const top = toLat(Math.max(0, this.y - this.height / 2 / this.scale)), bottom = toLat(Math.min(1, this.y + this.height / 2 / this.scale));
    for (let at = Math.ceil(bottom / step); at * step <= top; at++) {
      const y = this.screen(this.x, toY(at * step))[1];
      c.moveTo(0, y); c.lineTo(this.width, y);
      c.fillText(`${+(at * step).toFixed(2)}°`, this.width - 46, y - 3);
    }
    c.stroke();
    c.globalAlpha = 1;
  }

  drawFences() {
    const c = this.context;
    [c.strokeStyle, c.fillStyle, c.lineWidth] = [this.colour.fence, this.colour["fence-fill"], 1.5];
    for (const { geometry, properties } of this.fences) {
      c.beginPath();
      if (geometry.type === "Point") {
        const [lon, lat] = geometry.coordinates, [x, y] = this.screen(toX(lon), toY(lat));
        const share = properties.radius_m / (2 * Math.PI * EARTH_RADIUS_M * Math.cos((lat * Math.PI) / 180));
        c.arc(x, y, share * this.scale, 0, 2 * Math.PI);
      }
      const parts = { Polygon: [geometry.coordinates], MultiPolygon: geometry.coordinates }[geometry.type] || [];
      for (const ring of parts.flat()) {
        for (const [lon, lat] of ring) c.lineTo(...this.screen(toX(lon), toY(lat)));
        c.closePath();
      }
      c.fill("evenodd");
      c.stroke();
    }
  }

  drawClusters() {
    const c = this.context;
    [c.textAlign, c.textBaseline, c.font] = ["center", "middle", "12px system-ui, sans-serif"];
    for (const { x, y, count } of this.clusters.values()) {
      const at = this.screen(x, y);
      c.beginPath();
      c.arc(...at, 10 + 4 * Math.log10(count + 1) * 2, 0, 2 * Math.PI);
      c.fillStyle = SPEED_STEPS[2][1];
      c.fill();
      c.fillStyle = "#fff";
      c.fillText(count, ...at);
    }
    [c.textAlign, c.textBaseline] = ["start", "alphabetic"];
  }

  drawVehicles(nowMs) {
    const c = this.context, v = this.vehicles, radius = this.zoom < 9 ? 2.5 : 4, lines = SPEED_STEPS.map(() => [new Path2D(), new Path2D()]);
    let onScreen = 0;
    for (let i = 0; i < v.shown.length; i++) {
      if (!v.shown[i]) continue;
      const [x, y] = this.screen(...v.at(i, nowMs));
      if (x < -20 || y < -20 || x > this.width + 20 || y > this.height + 20) continue;
      onScreen++;
      const step = Number.isNaN(v.speed[i]) ? 0 : SPEED_STEPS.findIndex(([below]) => v.speed[i] < below);
      lines[step][0].moveTo(x + radius, y);
      lines[step][0].arc(x, y, radius, 0, 2 * Math.PI);
      if (Number.isNaN(v.heading[i])) continue;
      const angle = (v.heading[i] * Math.PI) / 180;
      lines[step][1].moveTo(x, y);
      lines[step][1].lineTo(x + Math.sin(angle) * radius * 2.4, y - Math.cos(angle) * radius * 2.4);
    }
    c.lineWidth = 2;
    lines.forEach(([dots, ticks], step) => {
      [c.fillStyle, c.strokeStyle] = [SPEED_STEPS[step][1], SPEED_STEPS[step][1]];
      c.stroke(ticks);
      c.fill(dots);
    });
    return onScreen;
  }
}
