// Light or dark: what the system says, until the reader chooses.

const KEPT = "haulcast.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** @returns {"light" | "dark"} */
export const currentTheme = () => localStorage.getItem(KEPT) ?? (system.matches ? "dark" : "light");

/** @param {(theme: "light" | "dark") => void} listener */
export const onTheme = (listener) => listeners.add(listener);

export function turnTheme() {
  localStorage.setItem(KEPT, currentTheme() === "dark" ? "light" : "dark");
  applyTheme();
}

export function applyTheme() {
  document.documentElement.dataset.theme = currentTheme();
  for (const listener of listeners) listener(currentTheme());
}

system.addEventListener("change", applyTheme);
