// The events as they come: newest first, by kind and text, a click goes to the place. Sound is off until somebody wants it.

import { $, el, say } from "./dom.js";
import { moment } from "./format.js";
import { KINDS, detailOf, isAlarm, sentenceOf } from "./event_words.js";

const MOST_KEPT = 2000, MOST_ROWS = 200, FILLED = 100;

export class EventFeed {
  /** @param {{nameOf: (id: string) => string, goTo: (lon: number, lat: number, vehicle: string) => void}} ties */
  constructor(ties) {
    Object.assign(this, { ties, kept: [], ids: new Set(), lastId: null, kind: "", text: "", hasSound: false, isPlanned: false });
    const kinds = Object.keys(KINDS).map((kind) => el("option", { value: kind }, kind.replace("_", " ")));
    this.kinds = el("select", { "aria-label": "Only events of this kind", onchange: () => this.#choose() },
      el("option", { value: "" }, "All events"), el("option", { value: "alarm" }, "Alarms and rules"), ...kinds);
    this.search = el("input", { type: "search", placeholder: "Filter", "aria-label": "Only events with this text", oninput: () => this.#choose() });
    this.sound = el("button", { type: "button", "aria-pressed": "false", title: "A sound with each alarm", onclick: () => this.#turnSound() }, "Sound");
    this.list = el("ol.rows", { id: "events", "aria-label": "Events, newest first" });
    this.note = el("p.empty", {}, "Nothing has happened yet.");
    this.count = el("span.count");
    $("tab-events").append(this.count);
    $("events-pane").append(el("div.tools", {}, this.kinds, this.search, this.sound), this.note, this.list);
  }

  /** @param {object} event as it came */
  add(event) {
    if (!this.#take(event)) return;
    if (this.hasSound && isAlarm(event)) this.#beep();
    this.#plan();
  }

  /** What was told before the page was opened, as far as the hub kept it. @param {import("./hub_api.js").HubApi} api */
  async fill(api) {
    if (this.lastId !== null) return;
    const { events } = await api.get(`v1/events?order=newest&limit=${FILLED}`).catch(() => ({ events: [] }));
    for (const event of events.reverse()) this.#take(event);
    this.#sort();
  }

  /**
   * The live stream has a gap: what the hub kept of it is read, and where it kept nothing that is said.
   * @param {"restarted" | "too_many"} why
   * @param {import("./hub_api.js").HubApi} api
   */
  async gap(why, api) {
    try {
      if (this.lastId === null) throw new Error("no event has an id");
      for await (const page of api.pages(`v1/events?after=${this.lastId}&limit=1000`, "events")) for (const event of page) this.#take(event);
      this.#sort();
    } catch {
      this.#mark(why);
    }
  }

  /** @returns {boolean} whether it is new here */
  #take(event) {
    if (event.id !== undefined) {
      if (this.ids.has(event.id)) return false;
      this.ids.add(event.id);
      if (this.lastId === null || event.id > this.lastId) this.lastId = event.id;
    }
    this.kept.unshift(event);
    if (this.kept.length > MOST_KEPT) this.ids.delete(this.kept.pop().id);
    return true;
  }

  /** Ids grow in the order of telling. */
  #sort() {
    this.kept.sort((a, b) => (a.id === undefined || b.id === undefined ? b.time_ms - a.time_ms : a.id < b.id ? 1 : -1));
    this.#plan();
  }

  #mark(why) {
    const text = why === "restarted" ? "The hub was restarted: events from before may be missing here" : "More happened than the hub keeps: events are missing here";
    this.kept.unshift({ gap: text, time_ms: Date.now() });
    this.#plan();
  }

  #choose() {
    [this.kind, this.text] = [this.kinds.value, this.search.value.trim().toLowerCase()];
    this.#plan();
  }

  /** Many events of one moment are shown together. */
  #plan() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    setTimeout(() => this.#show(), 50);
  }

  #show() {
    this.isPlanned = false;
    const shown = [];
    for (const event of this.kept) {
      if (this.#isWanted(event)) shown.push(event);
      if (shown.length === MOST_ROWS) break;
    }
    this.list.replaceChildren(...shown.map((event) => this.#rowOf(event)));
    this.note.hidden = shown.length > 0;
    say(this.count, this.kept.length ? String(this.kept.length) : "");
  }

  #isWanted(event) {
    if (event.gap) return true;
    if (this.kind === "alarm" ? !isAlarm(event) : this.kind && event.event !== this.kind) return false;
    return !this.text || `${sentenceOf(event, this.ties.nameOf)} ${event.rule_name ?? ""}`.toLowerCase().includes(this.text);
  }

  /** A row is made once for each event. */
  #rowOf(event) {
    event.item ??= event.gap ? el("li.empty", {}, `${moment(event.time_ms)} ${event.gap}`) : this.#made(event);
    return event.item;
  }

  #made(event) {
    const go = () => this.ties.goTo(event.lon, event.lat, event.vehicle);
    const row = el("button.row", { type: "button", onclick: go, "data-event": event.event, "data-alarm": String(isAlarm(event)) },
      el("span.mark"), el("span.title", {}, sentenceOf(event, this.ties.nameOf)), el("span.more", {}, [moment(event.time_ms), detailOf(event)].filter(Boolean).join(" · ")));
    return el("li", {}, row);
  }

  #turnSound() {
    this.hasSound = !this.hasSound;
    this.sound.setAttribute("aria-pressed", String(this.hasSound));
    if (this.hasSound) this.#beep();
  }

  #beep() {
    this.audio ??= new AudioContext();
    const tone = this.audio.createOscillator(), volume = this.audio.createGain(), now = this.audio.currentTime;
    tone.frequency.value = 740;
    volume.gain.setValueAtTime(0.08, now);
    volume.gain.exponentialRampToValueAtTime(0.001, now + 0.25);
    tone.connect(volume).connect(this.audio.destination);
    tone.start(now);
    tone.stop(now + 0.25);
  }
}
