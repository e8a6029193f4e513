// The live socket: comes back by itself, resumes events where they broke off, and renews its token while it is open.

import { readMapFrame } from "./map_frames.js";

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15_000;
const BAD_TOKEN = 4401, FIRST_FINAL_CODE = 4500;
const RATE_HZ = 2;
/** A hub says something every second or so while anything moves; a socket that is silent for so long is asked to prove itself. */
const SILENT_MS = 20_000, ANSWER_MS = 8_000;

/**
 * @typedef {object} Heard what the page does with what comes
 * @property {(frame: import("./map_frames.js").MapFrame) => void} frame
 * @property {(event: object) => void} event
 * @property {() => void} gap events may be missing here: the hub no longer has them
 * @property {(message: object) => void} told any other message of the hub
 * @property {(name: "live" | "connecting" | "down", detail: string) => void} state
 * @property {(why: string, isFinal: boolean) => void} refused the token is not good (any more), or the hub wants no reconnect
 */

export class LiveSocket {
  /**
   * @param {string} token
   * @param {() => {bbox: number[], zoom: number}} view
   * @param {Heard} heard
   */
  constructor(token, view, heard) {
    Object.assign(this, { token, view, heard, epoch: null, offset: 0, attempts: 0, isOpen: false, isStopped: false, isPlaying: false });
    Object.assign(this, { heardAt: 0, askedAt: 0, retryTimer: 0, renewal: null });
    this.watch = setInterval(() => this.#prove(), 2000);
    addEventListener("online", this.onOnline = () => this.retryNow());
    this.connect();
  }

  connect() {
    clearTimeout(this.retryTimer);
    const url = new URL("v1/live", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.hash = url.search = "";
    const socket = this.socket = new WebSocket(url, ["haulcast.v1.binary", `haulcast.token.${this.token}`]); // never in an address, which is logged on its way
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.heardAt = performance.now();
      if (typeof data === "string") this.#said(JSON.parse(data));
      else this.heard.frame(readMapFrame(data));
    };
    socket.onclose = ({ code, reason }) => socket === this.socket && this.#lost(code, reason);
  }

  /** The map shows another part of the world. */
  moved() {
    if (this.isOpen) this.send({ type: "move", ...this.view() });
  }

  /** @param {string} token a newer one of the same bearer @returns {Promise<string>} "" when taken, or why not */
  renew(token) {
    if (!this.isOpen) {
      this.token = token;
      this.retryNow();
      return Promise.resolve("");
    }
    return new Promise((resolve) => {
      this.renewal = { token, resolve };
      this.send({ type: "token", token });
    });
  }

  /** @param {object} command */
  send(command) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  retryNow() {
    if (!this.isOpen && !this.isStopped && this.socket.readyState >= WebSocket.CLOSING) this.connect();
  }

  stop() {
    this.isStopped = true;
    clearInterval(this.watch);
    clearTimeout(this.retryTimer);
    removeEventListener("online", this.onOnline);
    this.#letGo();
  }

  /** Close the socket and hear nothing more of it. */
  #letGo() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close(1000);
  }

  #said(message) {
    if (message.type === "event") this.#happened(message);
    else if (message.type === "welcome") this.#welcomed(message);
    else if (message.type === "resumed") this.#resumed(message);
    else if (message.type === "renewed") this.#renewed("");
    else if (message.type === "error" && this.renewal) this.#renewed(message.reason);
    else this.heard.told(message);
  }

  #welcomed(message) {
    [this.isOpen, this.attempts] = [true, 0];
    if (this.epoch === null) [this.epoch, this.offset] = [message.epoch, message.offset];
    else this.send({ type: "resume", epoch: this.epoch, offset: this.offset });
    this.send({ type: "subscribe", ...this.view(), rate_hz: RATE_HZ, fences: true });
    this.heard.told(message);
    this.heard.state("live", "");
  }

  #resumed(message) {
    if (message.complete) return;
    const isOther = message.epoch !== this.epoch;
    [this.epoch, this.offset] = [message.epoch, message.offset];
    this.heard.gap(isOther ? "restarted" : "too_many");
  }

  #renewed(why) {
    if (!this.renewal) return;
    const { token, resolve } = this.renewal;
    this.renewal = null;
    if (!why) this.token = token;
    resolve(why);
  }

  #happened(event) {
    if (event.offset <= this.offset) return; // seen before the connection was lost
    this.offset = event.offset;
    this.heard.event(event);
  }

  /** A cable that is pulled closes no socket: ask for an answer, and give the socket up when none comes. */
  #prove() {
    if (!this.isOpen || this.isPlaying) return; // what is paused may be silent
    const now = performance.now();
    if (this.askedAt > this.heardAt && now - this.askedAt > ANSWER_MS) {
      this.#letGo();
      this.#lost(1006, "no answer");
    } else if (now - this.heardAt > SILENT_MS && this.askedAt <= this.heardAt) {
      this.askedAt = now;
      this.send({ type: "resume", epoch: this.epoch, offset: this.offset });
    }
  }

  #lost(code, reason) {
    this.isOpen = false;
    this.#renewed("the connection was lost");
    if (this.isStopped) return;
    if (code === BAD_TOKEN || code >= FIRST_FINAL_CODE) {
      const why = code === BAD_TOKEN ? "The token is wrong, has expired or was revoked." : `The hub closed this for good: ${reason || code}.`;
      this.heard.refused(why, code !== BAD_TOKEN);
      return;
    }
    const waitMs = (0.5 + Math.random() / 2) * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts++);
    this.heard.state("down", reason);
    this.retryTimer = setTimeout(() => {
      this.heard.state("connecting", "");
      this.connect();
    }, waitMs);
  }
}
