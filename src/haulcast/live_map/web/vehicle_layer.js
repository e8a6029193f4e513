// The vehicles on the map: a MapLibre custom layer with two draw calls a frame, one for all markers and one for all labels.
// The map is never turned or tilted, so that a place is a subtraction and a scale away from its pixel.

import { LabelAtlas } from "./label_atlas.js";
import { WORLD_UNITS, unitsX, unitsY } from "./mercator.js";
import { RECORD_BYTES, RECORD_WORDS } from "./vehicle_columns.js";
import { LABEL_FRAGMENT, LABEL_VERTEX, MARKER_FRAGMENT, MARKER_VERTEX } from "./vehicle_shaders.js";

const TILE_PIXELS = 512;
const LABELS_FROM_ZOOM = 11, MOST_LABELS = 250;
const LABEL_BYTES = RECORD_BYTES + 16;
const CELL_WIDE = 24, CELL_HIGH = 10; // pixels; a label takes all cells that it touches
const LABEL_HALF_HIGH = 9;

export class VehicleLayer {
  /** @param {import("./vehicle_columns.js").VehicleColumns} columns @param {(id: string) => string} nameOf what people call a vehicle */
  constructor(columns, nameOf) {
    Object.assign(this, { id: "vehicles", type: "custom", renderingMode: "2d", columns, nameOf, palette: null });
    Object.assign(this, { uploaded: -1, labelled: -1, labels: 0, labelSpace: new ArrayBuffer(LABEL_BYTES * MOST_LABELS) });
    this.atlas = new LabelAtlas();
  }

  /** @param {{states: number[][], selected: number[], halo: number[], ink: string, paper: string}} palette */
  paint(palette) {
    this.palette = palette;
    this.atlas.paint(palette.ink, palette.paper);
    this.labelled = -1;
    this.map?.triggerRepaint();
  }

  onAdd(map, gl) {
    Object.assign(this, { map, gl, uploaded: -1, labelled: -1, bufferBytes: 0 });
    this.markers = program(gl, MARKER_VERTEX, MARKER_FRAGMENT);
    this.texts = program(gl, LABEL_VERTEX, LABEL_FRAGMENT);
    [this.buffer, this.labelBuffer] = [gl.createBuffer(), gl.createBuffer()];
    this.markerArray = instances(gl, this.buffer, RECORD_BYTES, () => {
      attribute(gl, 2, () => gl.vertexAttribPointer(2, 1, gl.FLOAT, false, RECORD_BYTES, 24));
      attribute(gl, 3, () => gl.vertexAttribIPointer(3, 1, gl.UNSIGNED_INT, RECORD_BYTES, 28));
    });
    this.labelArray = instances(gl, this.labelBuffer, LABEL_BYTES, () => {
      attribute(gl, 2, () => gl.vertexAttribPointer(2, 4, gl.FLOAT, false, LABEL_BYTES, RECORD_BYTES));
    });
    this.atlas.attach(gl);
  }

  onRemove() {
    this.atlas.detach();
  }

  render(gl) {
    const { map, columns } = this, nowMs = performance.now();
    if (!this.palette || !columns.count) return;
    const canvas = map.getCanvas(), zoom = map.getZoom(), centre = map.getCenter();
    const scene = {
      nowMs: nowMs >>> 0, centreX: unitsX(centre.lng), centreY: unitsY(centre.lat), pixelsPerUnit: (TILE_PIXELS * 2 ** zoom) / WORLD_UNITS,
      width: canvas.clientWidth, height: canvas.clientHeight, radius: Math.max(3, Math.min(8, 3.2 + (zoom - 7) * 0.8)), ratio: canvas.width / canvas.clientWidth,
    };
    this.#upload();
    this.#drawMarkers(gl, scene);
    if (zoom >= LABELS_FROM_ZOOM) this.#drawLabels(gl, scene);
    gl.bindVertexArray(null);
    if (nowMs < columns.glideEndsMs) map.triggerRepaint();
  }

  #upload() {
    const { gl, columns } = this;
    if (this.uploaded === columns.version) return;
    this.uploaded = columns.version;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    if (this.bufferBytes < columns.records.byteLength) {
      this.bufferBytes = columns.records.byteLength;
      gl.bufferData(gl.ARRAY_BUFFER, this.bufferBytes, gl.DYNAMIC_DRAW);
    }
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, columns.words, 0, columns.count * RECORD_WORDS);
  }

  #drawMarkers(gl, scene) {
    const { markers, palette, columns } = this;
    this.#setScene(gl, markers, scene);
    gl.uniform1f(markers.u_radius, scene.radius);
    gl.uniform3fv(markers["u_colours[0]"], [...palette.states, palette.selected].flat());
    gl.uniform3fv(markers.u_halo, palette.halo);
    gl.bindVertexArray(this.markerArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, columns.count);
  }

  #drawLabels(gl, scene) {
    this.#placeLabels(scene);
    if (!this.labels) return;
    const { texts } = this;
    this.#setScene(gl, texts, scene);
    gl.uniform1f(texts.u_gap, scene.radius + 5);
    gl.uniform1f(texts.u_ratio, scene.ratio);
    gl.uniform1f(texts.u_atlasPixels, this.atlas.pixels);
    gl.activeTexture(gl.TEXTURE0);
    this.atlas.bind();
    gl.uniform1i(texts.u_atlas, 0);
    gl.bindVertexArray(this.labelArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.labels);
  }

  /** Choose who is named: those on the screen, the selected one first, and never two in one place. Anew with each update or half a zoom. */
  #placeLabels(scene) {
    const { gl, columns } = this, view = Math.round(Math.log2(scene.pixelsPerUnit) * 2);
    const moved = Math.hypot((scene.centreX - this.labelX) | 0, (scene.centreY - this.labelY) | 0) * scene.pixelsPerUnit > 60;
    if (this.labelled === columns.version && this.labelView === view && !moved) return;
    Object.assign(this, { labelled: columns.version, labelView: view, labelX: scene.centreX, labelY: scene.centreY, labels: 0 });
    const taken = new Set(), floats = new Float32Array(this.labelSpace), words = new Uint32Array(this.labelSpace);
    const halfX = scene.width / 2 + 80, halfY = scene.height / 2 + 40;
    for (let turn = -1; turn < columns.count && this.labels < MOST_LABELS; turn++) {
      const slot = turn < 0 ? columns.selected : turn;
      if (slot < 0 || slot >= columns.count || (turn >= 0 && slot === columns.selected) || columns.isHidden(slot)) continue;
      const at = slot * RECORD_WORDS;
      const x = ((columns.words[at + 2] - scene.centreX) | 0) * scene.pixelsPerUnit, y = ((columns.words[at + 3] - scene.centreY) | 0) * scene.pixelsPerUnit;
      if (Math.abs(x) > halfX || Math.abs(y) > halfY) continue;
      const box = this.atlas.boxOf(this.nameOf(columns.nameAt(slot)));
      if (!claimed(taken, x + scene.radius, y, box[2] / scene.ratio)) continue;
      const to = (this.labels++ * LABEL_BYTES) / 4;
      words.set(columns.words.subarray(at, at + RECORD_WORDS), to);
      floats.set(box, to + RECORD_WORDS);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.labelBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, words.subarray(0, (this.labels * LABEL_BYTES) / 4), gl.DYNAMIC_DRAW);
  }

  #setScene(gl, shader, scene) {
    gl.useProgram(shader.program);
    gl.uniform2ui(shader.u_centre, scene.centreX, scene.centreY);
    gl.uniform1ui(shader.u_nowMs, scene.nowMs);
    gl.uniform1f(shader.u_pixelsPerUnit, scene.pixelsPerUnit);
    gl.uniform2f(shader.u_halfPixels, scene.width / 2, scene.height / 2);
  }
}

/** Take the place of a label, unless another has some of it. @param {Set<number>} taken @returns {boolean} whether it was free */
function claimed(taken, left, middle, wide) {
  const cells = [];
  for (let column = Math.floor(left / CELL_WIDE); column <= Math.floor((left + wide) / CELL_WIDE); column++) {
    for (let row = Math.floor((middle - LABEL_HALF_HIGH) / CELL_HIGH); row <= Math.floor((middle + LABEL_HALF_HIGH) / CELL_HIGH); row++) {
      const cell = column * 4096 + row;
      if (taken.has(cell)) return false;
      cells.push(cell);
    }
  }
  for (const cell of cells) taken.add(cell);
  return true;
}

/** A linked program with its uniforms' places by name. */
function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(`a shader cannot be linked: ${gl.getProgramInfoLog(made)}`);
  const found = { program: made };
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(made, i);
    found[name] = gl.getUniformLocation(made, name);
  }
  return found;
}

/** A vertex array whose every attribute advances by instance; the first two are the same for markers and labels. */
function instances(gl, buffer, stride, others) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  attribute(gl, 0, () => gl.vertexAttribIPointer(0, 4, gl.UNSIGNED_INT, stride, 0));
  attribute(gl, 1, () => gl.vertexAttribIPointer(1, 2, gl.UNSIGNED_INT, stride, 16));
  others();
  gl.bindVertexArray(null);
  return array;
}

function attribute(gl, at, point) {
  gl.enableVertexAttribArray(at);
  point();
  gl.vertexAttribDivisor(at, 1);
}
