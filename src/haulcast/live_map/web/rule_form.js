// The rules about a fence (docs/rules.md): list, switch, add, delete.

import { el, say } from "./dom.js";
import { zone } from "./format.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const KINDS = { enter: "Comes in", exit: "Goes out", dwell: "Stays longer than", cross: "Was inside and is out again", overspeed: "Is faster than", unauthorised: "Is not allowed in" };
const listed = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);

/** What a rule says, in a few words. */
export function ruleText(rule) {
  const amount = rule.kind === "dwell" ? ` ${rule.dwell_s % 60 ? `${rule.dwell_s} s` : `${rule.dwell_s / 60} min`}` : rule.kind === "overspeed" ? ` ${Math.round(rule.limit_mps * 3.6)} km/h` : "";
  const window = rule.schedule?.weekly?.[0], hours = window ? `, ${window.days.join(" ")} ${window.from}–${window.to}` : "";
  return `${KINDS[rule.kind] ?? rule.kind}${amount}${hours}`;
}

export class RuleForm {
  /** @param {import("./hub_api.js").HubApi} api @param {string} fenceId @param {boolean} mayWrite */
  constructor(api, fenceId, mayWrite) {
    Object.assign(this, { api, fenceId, mayWrite, rows: new Map(), turn: 0 });
    this.list = el("ul.rows", { "aria-label": "Rules" });
    this.wrong = el("p.wrong", { role: "alert" });
    this.node = el("fieldset", { id: "rules" }, el("legend", {}, "Rules"), this.list, mayWrite && this.#adder(), this.wrong);
    this.read();
  }

  /** Read the rules again; those that are as they were keep their elements, and with them the focus. */
  async read() {
    const turn = ++this.turn, rules = [];
    try {
      for await (const page of this.api.pages(`v1/rules?fence=${encodeURIComponent(this.fenceId)}&limit=100`, "rules")) rules.push(...page);
    } catch (error) {
      say(this.wrong, `The rules cannot be read: ${error.message}`);
      return;
    }
    if (turn !== this.turn) return; // they were edited meanwhile
    const before = this.rows;
    this.rows = new Map(rules.map((rule) => [JSON.stringify(rule), rule]).map(([key, rule]) => [key, before.get(key) ?? this.#row(rule)]));
    for (const [key, row] of before) if (!this.rows.has(key)) row.remove();
    if (!rules.length) this.list.replaceChildren(el("li.empty", {}, "Every enter and exit is told without any rule."));
    else if (!before.size) this.list.replaceChildren(...this.rows.values());
    else [...this.rows.values()].forEach((row, place) => this.list.children[place] === row || this.list.insertBefore(row, this.list.children[place] ?? null));
  }

  #row(rule) {
    const path = `v1/rules/${encodeURIComponent(rule.id)}`;
    const enabled = el("input", { type: "checkbox", checked: rule.enabled, disabled: !this.mayWrite, "aria-label": `${rule.name} is in force`,
      onchange: () => this.#attempt(() => this.api.send("PATCH", path, { enabled: enabled.checked })) });
    const remove = this.mayWrite && el("button.icon", { type: "button", "aria-label": `Delete rule ${rule.name}`, onclick: () => this.#attempt(() => this.api.send("DELETE", path)) }, "✕");
    const text = el("span.title", {}, rule.name, el("br"), el("small", {}, ruleText(rule)));
    return el("li", {}, el("div.head", {}, enabled, text, el("span.gap"), remove));
  }

  async #attempt(act) {
    say(this.wrong, "");
    await act().catch((error) => say(this.wrong, error.message));
    await this.read();
  }

  #adder() {
    const kind = el("select", { "aria-label": "What to be told of", onchange: () => show() }, ...Object.entries(KINDS).map(([value, text]) => el("option", { value }, text)));
    const fields = {
      dwell: el("label", {}, "Minutes", el("input", { type: "number", min: 1, value: "30" })),
      overspeed: el("label", {}, "km/h", el("input", { type: "number", min: 1, value: "30" })),
      unauthorised: el("label", {}, "But for tags, ids", el("input", { placeholder: "night-shift, truck-7" })),
    };
    const hours = el("input", { type: "checkbox" }), from = el("input", { type: "time", value: "22:00" }), to = el("input", { type: "time", value: "06:00" });
    const days = DAYS.map((day, place) => el("input", { type: "checkbox", name: day, checked: place < 5 }));
    const schedule = el("div.fields", { hidden: true }, el("div.checks", {}, ...days.map((box) => el("label", {}, box, box.name))), el("label", {}, "From", from), el("label", {}, "To", to));
    const show = () => { for (const [name, field] of Object.entries(fields)) field.hidden = kind.value !== name; };
    hours.addEventListener("change", () => { schedule.hidden = !hours.checked; });
    const add = () => this.#attempt(() => this.api.send("POST", "v1/rules", {
      name: `${KINDS[kind.value]} ${this.fenceId}`.slice(0, 200), kind: kind.value, fences: { ids: [this.fenceId] }, ...this.#amount(kind.value, fields[kind.value]?.querySelector("input").value),
      ...(hours.checked ? { schedule: { time_zone: zone(), weekly: [{ days: days.filter((box) => box.checked).map((box) => box.name), from: from.value, to: to.value }] } } : {}),
    }));
    show();
    return el("details", {}, el("summary", {}, "Add a rule"), el("div.fields", {}, el("label", {}, "Tell when one", kind), ...Object.values(fields),
      el("label", {}, "Only at hours", hours), schedule, el("button", { type: "button", onclick: add }, "Add rule")));
  }

  #amount(kind, value) {
    if (kind === "dwell") return { dwell_s: Number(value) * 60 };
    if (kind === "overspeed") return { limit_mps: Number(value) / 3.6 };
    if (kind === "unauthorised") return { allow: { ids: listed(value), tags: listed(value) } };
    return {};
  }
}
