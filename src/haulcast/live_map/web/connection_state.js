// Says how fresh the picture is, and never more than is known.

import { $, say } from "./dom.js";
import { clock, dayAndTime } from "./format.js";

const QUIET_AFTER_MS = 5000, SOON_MS = 250;

export class ConnectionState {
  constructor() {
    Object.assign(this, { name: "none", detail: "", lastFrameAt: 0, wasLive: false, isPlaying: false, recordedMs: null });
    setInterval(() => this.show(), SOON_MS);
  }

  frameCame() {
    this.lastFrameAt = Date.now();
  }

  /** @param {"none" | "connecting" | "live" | "down" | "refused"} name @param {string} detail */
  set(name, detail = "") {
    Object.assign(this, { name, detail });
    this.wasLive ||= name === "live";
    this.show();
  }

  show() {
    const isQuiet = this.name === "live" && !this.isPlaying && this.lastFrameAt && Date.now() - this.lastFrameAt > QUIET_AFTER_MS;
    say($("state"), this.#words(isQuiet));
    $("state").dataset.state = isQuiet ? "quiet" : this.isPlaying && this.name === "live" ? "playing" : this.name;
    document.body.classList.toggle("is-stale", this.name !== "live" && this.wasLive);
  }

  #words(isQuiet) {
    const since = this.lastFrameAt ? `, stale since ${clock(this.lastFrameAt)}` : "";
    if (isQuiet) return `live, nothing new since ${clock(this.lastFrameAt)}`;
    if (this.name === "live") return this.detail || (this.isPlaying ? "playback" : this.recordedMs === null ? "live" : `live, recorded ${dayAndTime(this.recordedMs)}`);
    if (this.name === "refused") return `signed out${since}`;
    if (this.name === "none") return "not connected";
    return (this.wasLive ? "reconnecting" : "connecting") + since;
  }
}
