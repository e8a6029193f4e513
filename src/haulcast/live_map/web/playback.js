// Playing the past on the same map: a bar with a slider beneath it. The hub sends frames of then instead of now, and its clock.

import { $, el, say } from "./dom.js";
import { moment, span } from "./format.js";

const SPANS_H = [[1, "Last hour"], [8, "Last 8 hours"], [24, "Last 24 hours"]];
const SPEEDS = [1, 10, 60, 300, 1000];
const WORLD = [-180, -90, 180, 90]; // one vehicle is followed wherever it was
const USUAL_SPEED = 60, TICK_MS = 200;

export class Playback {
  /**
   * @param {{send: (command: object) => void, hubNow: () => number, view: () => object, changed: (isOn: boolean) => void,
   *   sought: () => void, hint: (text: string) => void}} ties
   */
  constructor(ties) {
    Object.assign(this, { ties, isOn: false, vehicle: null, clock: null, heardAt: 0, isDragging: false });
    this.play = el("button.main", { type: "button", onclick: () => this.turnPause() }, "Pause");
    this.slider = el("input", { type: "range", min: 0, max: 1000, step: "any", "aria-label": "Time", oninput: () => this.#seek(), onchange: () => { this.isDragging = false; } });
    this.time = el("output", { role: "timer" });
    this.spans = el("select", { "aria-label": "How much of the past", onchange: () => this.#begin() }, ...SPANS_H.map(([hours, text]) => el("option", { value: hours }, text)));
    this.speeds = el("select", { "aria-label": "Speed", onchange: () => this.#setSpeed() }, ...SPEEDS.map((speed) => el("option", { value: speed }, `${speed}×`)));
    this.speeds.value = String(USUAL_SPEED);
    this.who = el("span.soft");
    $("playback").append(this.play, this.spans, this.slider, this.time, this.speeds, this.who, el("button", { type: "button", onclick: () => this.stop() }, "Back to live"));
    setInterval(() => this.#show(), TICK_MS);
  }

  /** The time that is shown, by the hub's clock. @returns {number} */
  get nowMs() {
    const { time_ms: timeMs, speed, state } = this.clock;
    return state === "playing" ? Math.min(this.untilMs, timeMs + (performance.now() - this.heardAt) * speed) : timeMs;
  }

  /** Whether what is sent depends on what the map shows. */
  get hasView() { return !this.isOn || this.vehicle === null; }

  /** @param {string | null} vehicle only this one, or all */
  start(vehicle) {
    this.vehicle = vehicle;
    say(this.who, vehicle ?? "");
    this.#begin();
  }

  stop() {
    if (this.isOn) this.ties.send({ type: "live" });
  }

  turnPause() {
    if (!this.isOn) return;
    const isEnded = this.clock.state === "ended", isPlaying = this.clock.state === "playing" || this.clock.state === "waiting";
    this.ties.send({ type: "playback", ...(isEnded ? { seek_ms: this.fromMs } : {}), speed: isPlaying ? 0 : Number(this.speeds.value) });
    if (isEnded) this.ties.sought();
  }

  /** The connection is a new one: go on where it broke off. */
  reconnected() {
    if (this.isOn) this.#begin(this.nowMs);
  }

  /** @param {object} message of type playback */
  told(message) {
    if (message.state === "stopped") {
      this.#turn(false);
      return;
    }
    [this.clock, this.heardAt] = [message, performance.now()];
    this.#turn(true);
    say(this.play, message.state === "playing" || message.state === "waiting" ? "Pause" : "Play");
    this.#show();
  }

  /** @param {object} error @returns {boolean} whether it was about playing */
  refused({ code, reason }) {
    if (code === "unknown_command") {
      $("play-back").hidden = true;
      this.ties.hint("This hub plays nothing back.");
    } else if (["no_history", "too_many_playbacks", "not_playing", "store_away"].includes(code)) this.ties.hint(reason);
    else return false;
    setTimeout(() => this.ties.hint(""), 5000);
    return true;
  }

  #begin(atMs) {
    this.untilMs = this.ties.hubNow();
    this.fromMs = this.untilMs - Number(this.spans.value) * 3_600_000;
    const only = this.vehicle === null ? {} : { vehicles: [this.vehicle], bbox: WORLD };
    this.ties.send({ type: "playback", at_ms: Math.round(atMs ?? this.fromMs), until_ms: Math.round(this.untilMs), speed: Number(this.speeds.value), ...this.ties.view(), ...only });
    this.ties.sought();
  }

  #seek() {
    this.isDragging = true;
    this.ties.send({ type: "playback", seek_ms: Math.round(this.#sliderMs()) });
    say(this.time, moment(this.#sliderMs()));
    this.ties.sought();
  }

  #setSpeed() {
    if (this.clock.state !== "paused") this.ties.send({ type: "playback", speed: Number(this.speeds.value) });
  }

  #sliderMs() {
    return this.fromMs + (Number(this.slider.value) / 1000) * (this.untilMs - this.fromMs);
  }

  #turn(isOn) {
    if (this.isOn === isOn) return;
    this.isOn = isOn;
    $("playback").hidden = !isOn;
    this.ties.changed(isOn);
    if (isOn) this.slider.focus();
  }

  #show() {
    if (!this.isOn || this.isDragging) return;
    const { nowMs } = this, shown = this.clock.state === "waiting" ? `${moment(nowMs)} …` : moment(nowMs);
    this.slider.value = String(((nowMs - this.fromMs) / (this.untilMs - this.fromMs)) * 1000);
    this.slider.setAttribute("aria-valuetext", `${moment(nowMs)}, ${span(this.ties.hubNow() - nowMs)} ago`);
    say(this.time, shown);
  }
}
