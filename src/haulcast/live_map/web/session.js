// Who watches: a token, kept in this tab only and never in an address or a log, and what it says of its bearer.

const KEPT = "haulcast.token";

/**
 * @typedef {object} Claims of a token; read for showing only, the hub judges
 * @property {string} fleet
 * @property {"viewer" | "dispatcher" | "admin" | ""} role
 * @property {string[] | null} vehicles of a shared view
 * @property {number} expiresMs
 */

/** The token of the address's fragment, which is taken out of the address bar at once, or the one this tab has. @returns {string | null} */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEPT);
}

export const keepToken = (token) => sessionStorage.setItem(KEPT, token);
export const forgetToken = () => sessionStorage.removeItem(KEPT);

/** Whether it can be sent at all: a JWT's letters are those that a subprotocol may have. @param {string} token */
export const isToken = (token) => /^[\w.-]+$/.test(token);

/** @param {string} token @returns {Claims} */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const { fleet = "", role = "", vehicles = null, exp = 0 } = JSON.parse(new TextDecoder().decode(bytes));
    return { fleet, role, vehicles, expiresMs: exp * 1000 };
  } catch {
    return { fleet: "", role: "", vehicles: null, expiresMs: 0 };
  }
}

export const isShared = (claims) => claims.vehicles !== null;
export const mayWrite = (claims) => claims.role === "dispatcher" || claims.role === "admin";

/** The same bearer as far as the hub is concerned: then a token may replace another on the open socket. */
export const isSameBearer = (a, b) => a.fleet === b.fleet && a.role === b.role && JSON.stringify(a.vehicles) === JSON.stringify(b.vehicles);
