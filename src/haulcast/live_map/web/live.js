// The live socket: comes back by itself, resumes events, and hands on map frames as typed arrays without a copy.

const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 15000;
const POSITIONS = [["fixTimeMs", Float64Array], ["number", Uint32Array], ["lat", Int32Array], ["lon", Int32Array],
  ["speed", Float32Array], ["heading", Float32Array]];
const CLUSTERS = [["number", Uint32Array], ["lat", Int32Array], ["lon", Int32Array], ["count", Uint32Array], ["speed", Float32Array]];

/** One binary map frame (docs/protocol.md) as columns; lat and lon in 1e-7 degrees. The machine is little-endian, as browsers' are. */
export function readMapFrame(buffer) {
  const header = new DataView(buffer);
  const isClusters = header.getUint8(0) === 2;
  const [rows, gone, names] = [4, 8, 12].map((at) => header.getUint32(at, true));
  let at = 32;
  const take = (Type, size) => {
    const column = new Type(buffer, at, size);
    at += Math.ceil(column.byteLength / 8) * 8;
    return column;
  };
  const frame = { isClusters, isSnapshot: (header.getUint8(1) & 1) === 1, timeMs: header.getFloat64(16, true), rows };
  for (const [name, Type] of isClusters ? CLUSTERS : POSITIONS) frame[name] = take(Type, rows);
  frame.gone = take(Uint32Array, gone);
  const numbers = take(Uint32Array, names), lengths = take(Uint32Array, names);
  const decoder = new TextDecoder();
  frame.names = [];
  for (let i = 0; i < names; i++) {
    frame.names.push([numbers[i], decoder.decode(new Uint8Array(buffer, at, lengths[i]))]);
    at += lengths[i];
  }
  return frame;
}

export class LiveSocket {
  /** `heard` has frame(f), event(e), gap(), state(name, detail) and refused(reason); `view()` gives bbox and zoom. */
  constructor(token, view, heard) {
    Object.assign(this, { token, view, heard, epoch: null, offset: 0, attempts: 0, isOpen: false, stopped: false, wasOpen: false });
    this.connect();
  }

  connect() {
    const url = new URL("v1/live", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    url.search = new URLSearchParams({ token: this.token }); // a browser cannot set a header on a socket
    const socket = this.socket = new WebSocket(url, ["haulcast.v1.binary"]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.said(JSON.parse(data)) : this.heard.frame(readMapFrame(data)));
    socket.onclose = ({ code, reason }) => this.lost(code, reason);
  }

  said(message) {
    if (message.type === "welcome") this.welcomed(message);
    else if (message.type === "event") this.happened(message);
    else if (message.type === "resumed" && !message.complete) {
      [this.epoch, this.offset] = [message.epoch, message.offset];
      this.heard.gap();
    } else if (message.type === "error") this.heard.state("live", `${message.code}: ${message.reason}`);
  }

  welcomed(message) {
    [this.isOpen, this.wasOpen, this.attempts] = [true, true, 0];
    if (this.epoch === null) [this.epoch, this.offset] = [message.epoch, message.offset];
    else this.send({ type: "resume", epoch: this.epoch, offset: this.offset });
    this.send({ type: "subscribe", ...this.view(), rate_hz: 5 });
    this.heard.state("live", "");
  }

  happened(event) {
    if (event.offset <= this.offset) return; // seen before the connection was lost
    this.offset = event.offset;
    this.heard.event(event);
  }

  moved() {
    if (this.isOpen) this.send({ type: "move", ...this.view() });
  }

  send(command) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  lost(code, reason) {
    this.isOpen = false;
    if (this.stopped) return;
    if (code === 4401 || (code >= 4500 && code <= 4999)) {
      this.stopped = true;
      this.heard.refused(code === 4401 ? "The token is wrong or has expired." : `The hub closed this connection for good: ${reason || code}.`);
      return;
    }
    const waitMs = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts++);
    this.heard.state("down", this.wasOpen ? "reconnecting" : "connecting");
    setTimeout(() => !this.stopped && this.connect(), waitMs);
  }

  stop() {
    this.stopped = true;
    this.socket.close(1000);
  }
}
