// Colours of the map, light and dark. The states differ in shape too (vehicle_shaders.js), for those who see colours otherwise.

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);

const LIGHT = {
  water: "#cfdbe4", land: "#f5f4f0", county: "#e4e2db", state: "#cbc8be", border: "#aeaaa0",
  placeInk: "#4c535b", areaInk: "#9a9a96", paper: "#f8f7f4",
  moving: "#137a4b", idle: "#c77700", stopped: "#51606f", silent: "#a0392b", selected: "#1264c8", halo: "#ffffff",
  ink: "#16202a", fence: "#6a4bb5", draft: "#1264c8", trail: "#1264c8", cluster: "#2f5f8f", clusterInk: "#ffffff",
};
const DARK = {
  water: "#10161d", land: "#1b232c", county: "#232d38", state: "#35424f", border: "#4d5c6b",
  placeInk: "#9eabb8", areaInk: "#566473", paper: "#151c23",
  moving: "#3ddc8b", idle: "#ffb13d", stopped: "#94a5b6", silent: "#ff7a68", selected: "#63b0ff", halo: "#0c1116",
  ink: "#e8eef4", fence: "#a78bfa", draft: "#63b0ff", trail: "#63b0ff", cluster: "#4a83bd", clusterInk: "#ffffff",
};

/** @param {"light" | "dark"} theme */
export const colours = (theme) => (theme === "dark" ? DARK : LIGHT);

/** What the vehicle layer paints with. */
export function vehiclePalette(theme) {
  const { moving, idle, stopped, silent, selected, halo, ink, paper } = colours(theme);
  return { states: [moving, idle, stopped, silent].map(rgb), selected: rgb(selected), halo: rgb(halo), ink, paper };
}
