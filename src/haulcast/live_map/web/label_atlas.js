// Names of vehicles, drawn once each into one texture with a halo.

const WIDE = 144, HIGH = 20, COLUMNS = 7, ROWS = 50;
const FONT = "600 11.5px system-ui, sans-serif";

export class LabelAtlas {
  constructor() {
    this.ratio = Math.min(2, Math.ceil(devicePixelRatio || 1));
    this.pixels = WIDE * COLUMNS * this.ratio;
    this.canvas = new OffscreenCanvas(this.pixels, this.pixels);
    this.context = this.canvas.getContext("2d");
    this.places = new Map();
    this.isStale = true;
  }

  /** Colours of the text and of its halo; everything is drawn anew. */
  paint(ink, paper) {
    Object.assign(this, { ink, paper });
    this.#empty();
  }

  attach(gl) {
    this.gl = gl;
    this.texture = gl.createTexture();
    this.isStale = true;
  }

  detach() {
    this.gl?.deleteTexture(this.texture);
    this.gl = null;
  }

  /** @param {string} name @returns {number[]} left, top, width, height in pixels of the texture */
  boxOf(name) {
    const known = this.places.get(name);
    if (known) return known;
    if (this.places.size === COLUMNS * ROWS) this.#empty();
    const { context, ratio } = this, place = this.places.size;
    const left = (place % COLUMNS) * WIDE, top = Math.floor(place / COLUMNS) * HIGH;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(context, { font: FONT, textBaseline: "middle", lineJoin: "round", lineWidth: 3, strokeStyle: this.paper, fillStyle: this.ink });
    const text = this.#shortened(name);
    context.strokeText(text, left + 3, top + HIGH / 2);
    context.fillText(text, left + 3, top + HIGH / 2);
    const box = [left, top, Math.min(WIDE, context.measureText(text).width + 6), HIGH].map((length) => length * ratio);
    this.places.set(name, box);
    this.isStale = true;
    return box;
  }

  bind() {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    if (!this.isStale) return;
    this.isStale = false;
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, this.canvas);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    for (const [name, value] of [["TEXTURE_MIN_FILTER", gl.LINEAR], ["TEXTURE_MAG_FILTER", gl.LINEAR], ["TEXTURE_WRAP_S", gl.CLAMP_TO_EDGE], ["TEXTURE_WRAP_T", gl.CLAMP_TO_EDGE]])
      gl.texParameteri(gl.TEXTURE_2D, gl[name], value);
  }

  #empty() {
    this.places.clear();
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, this.pixels, this.pixels);
    this.isStale = true;
  }

  #shortened(name) {
    let text = name;
    while (text.length > 4 && this.context.measureText(text).width > WIDE - 8) text = `${text.slice(0, -2)}…`;
    return text;
  }
}
