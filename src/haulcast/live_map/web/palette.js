// Colours of the map, light and dark. The states differ in shape too (vehicle_shaders.js), for those who see colours otherwise.

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);

const LIGHT = {
  water: "#cfdbe4", land: "#f5f4f0", county: "#e4e2db", state: "#cbc8be", border: "#aeaaa0",
  green: "#e5ebdb", building: "#e6e3dc", road: "#ffffff", mainRoad: "#d8d3c6", bigRoad: "#d5bd8f",
  placeInk: "#4c535b", areaInk: "#9a9a96", paper: "#f8f7f4",
  moving: "#137a4b", idle: "#c77700", stopped: "#51606f", silent: "#a0392b", offRoute: "#b0128f", selected: "#1264c8", halo: "#ffffff",
  ink: "#16202a", fence: "#6a4bb5", draft: "#1264c8", trail: "#1264c8", route: "#0f7d8c", cluster: "#2f5f8f", clusterInk: "#ffffff",
};
const DARK = {
  water: "#10161d", land: "#1b232c", county: "#232d38", state: "#35424f", border: "#4d5c6b",
  green: "#1c2a29", building: "#222c36", road: "#2a3542", mainRoad: "#3a4756", bigRoad: "#5b5844",
  placeInk: "#9eabb8", areaInk: "#566473", paper: "#151c23",
  moving: "#3ddc8b", idle: "#ffb13d", stopped: "#94a5b6", silent: "#ff7a68", offRoute: "#ff7ad9", selected: "#63b0ff", halo: "#0c1116",
  ink: "#e8eef4", fence: "#a78bfa", draft: "#63b0ff", trail: "#63b0ff", route: "#4fd1dd", cluster: "#4a83bd", clusterInk: "#ffffff",
};

/** @param {"light" | "dark"} theme */
export const colours = (theme) => (theme === "dark" ? DARK : LIGHT);

/** What the vehicle layer paints with. */
export function vehiclePalette(theme) {
  const { moving, idle, stopped, silent, offRoute, selected, halo, ink, paper } = colours(theme);
  return { states: [moving, idle, stopped, silent, offRoute].map(rgb), selected: rgb(selected), halo: rgb(halo), ink, paper };
}
