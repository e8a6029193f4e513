// Keys, none of which works while somebody types.

import { $, el } from "./dom.js";

const HELP = [["/", "search"], ["v e f", "vehicles, events, fences"], ["arrows", "move the map, when it has the focus"], ["+ −", "zoom"],
  ["g", "follow the chosen vehicle"], ["p", "play back, pause"], ["t", "light or dark"], ["Esc", "close, or stop drawing"], ["?", "this list"]];

/** @param {{map: any, showPanel: (id: string) => void, turnTheme: () => void, close: () => void, follow: () => void, play: () => void}} does */
export function tieKeys({ map, showPanel, turnTheme, close, follow, play }) {
  const help = () => $("help").showModal();
  const keys = {
    "/": () => $("search").focus(), v: () => showPanel("vehicles"), e: () => showPanel("events-pane"), f: () => !$("tab-fences").hidden && showPanel("fences"),
    t: turnTheme, g: follow, p: play, "+": () => map.zoomIn(), "=": () => map.zoomIn(), "-": () => map.zoomOut(), "?": help,
  };
  $("help-keys").append(...HELP.flatMap(([key, text]) => [el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, text)]));
  $("keys").addEventListener("click", help);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const isTyping = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if (isTyping) event.target.blur();
      close();
    } else if (!isTyping && keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
}
