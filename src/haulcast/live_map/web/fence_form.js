// What a fence is called and how large it is: the form beside the map.

import { el, say } from "./dom.js";
import { KINDS, kindOf } from "./fence_shapes.js";

const listed = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);

/**
 * @param {object} fence as the hub has it, or a new one without an id
 * @param {import("./fence_shapes.js").Draft | null} draft its shape, if that can be edited
 * @param {{mayWrite: boolean, save: (properties: object) => Promise<void>, remove: () => Promise<void>, close: () => void, sized: () => void}} does
 * @returns {{nodes: Node[], showSize: () => void}}
 */
export function fenceForm(fence, draft, does) {
  const { properties } = fence, isNew = fence.id === undefined;
  const name = el("input", { value: properties.name ?? "", maxlength: 200, required: true, disabled: !does.mayWrite });
  const tags = el("input", { value: (properties.tags ?? []).join(", "), placeholder: "depot, yard", disabled: !does.mayWrite });
  const size = sizeField(draft, does);
  const wrong = el("p.wrong", { role: "alert" });
  const attempt = (act) => async (event) => {
    event?.preventDefault();
    say(wrong, "");
    await act().catch((error) => say(wrong, error.message));
  };
  const save = attempt(() => does.save({ name: name.value.trim(), tags: listed(tags.value) }));
  const buttons = does.mayWrite && el("div.actions", {}, el("button.main", {}, isNew ? "Create" : "Save"), el("button", { type: "button", onclick: does.close }, "Cancel"),
    !isNew && el("button.danger", { type: "button", onclick: confirmed("Delete", "Really delete?", attempt(does.remove)) }, "Delete"));
  const form = el("form.fields", { onsubmit: save, id: "fence-form" }, el("label", {}, "Name", name), el("label", {}, "Tags", tags), size.label, buttons, wrong);
  const title = isNew ? `New ${draft.kind}` : properties.name;
  const nodes = [el("div.head", {}, el("h2", {}, title), el("button.icon", { type: "button", "aria-label": "Close", onclick: does.close }, "✕")),
    el("span.tag", {}, KINDS[draft?.kind ?? kindOf(fence)]), !isNew && el("span.tag", {}, fence.id), form].filter(Boolean);
  if (does.mayWrite && !draft) form.prepend(el("p.empty", {}, "A shape of several parts, or with holes, cannot be changed by hand."));
  return { nodes, showSize: size.show };
}

/** Radius or width in metres, tied to the draft both ways. */
function sizeField(draft, does) {
  const member = { circle: "radiusM", corridor: "widthM" }[draft?.kind];
  if (!member) return { label: null, show: () => {} };
  const input = el("input", { type: "number", min: 1, step: "any", required: true, disabled: !does.mayWrite });
  input.addEventListener("input", () => {
    if (!(input.valueAsNumber > 0)) return;
    draft[member] = input.valueAsNumber;
    does.sized();
  });
  const show = () => { input.value = String(Math.round(draft[member])); };
  show();
  return { label: el("label", {}, member === "radiusM" ? "Radius, m" : "Width, m", input), show };
}

/** A button that asks once more before it does something for good. */
function confirmed(text, question, act) {
  return ({ target }) => {
    if (target.textContent === question) {
      act();
      return;
    }
    target.textContent = question;
    setTimeout(() => { target.textContent = text; }, 4000);
  };
}
