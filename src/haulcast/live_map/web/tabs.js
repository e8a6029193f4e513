// The three lists as tabs (WAI-ARIA authoring practices): arrow keys go from one to the next.

import { $ } from "./dom.js";

/** @param {(id: string) => void} onShown told of the panel that is shown now */
export function tieTabs(onShown) {
  const tabs = [...$("tabs").querySelectorAll("[role=tab]")];
  const show = (tab) => {
    for (const other of tabs) {
      const isIt = other === tab;
      other.setAttribute("aria-selected", String(isIt));
      other.tabIndex = isIt ? 0 : -1;
      $(other.getAttribute("aria-controls")).hidden = !isIt;
    }
    onShown(tab.getAttribute("aria-controls"));
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = tabs[(place + step + tabs.length) % tabs.length];
      next.focus();
      show(next);
    });
  });
  return (panel) => show(tabs.find((tab) => tab.getAttribute("aria-controls") === panel));
}
