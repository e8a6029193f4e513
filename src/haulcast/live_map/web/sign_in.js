// Asks for a token: at the start, when the hub refuses the one there is, and shortly before it ends.

import { $, el, say } from "./dom.js";
import { span } from "./format.js";

const WARN_BEFORE_MS = 10 * 60_000;

export class SignIn {
  /** @param {(token: string) => Promise<string>} onToken takes it, or says why not */
  constructor(onToken) {
    this.expiresMs = Infinity;
    $("sign-in").addEventListener("cancel", (event) => event.preventDefault());
    $("sign-in-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const token = $("token").value.trim();
      $("token").value = "";
      const why = await onToken(token);
      if (why) this.ask(why);
      else $("sign-in").close();
    });
    $("renew").addEventListener("click", () => this.ask("Paste a newer token; what you see goes on meanwhile."));
    setInterval(() => this.#warn(), 1000);
  }

  /** @param {string} why what to say; "" for the usual words */
  ask(why) {
    if (why) $("why").replaceChildren(el("span", {}, why));
    if (!$("sign-in").open) $("sign-in").showModal();
    $("token").focus();
  }

  /** @param {number} expiresMs when the token in use ends */
  watch(expiresMs) {
    this.expiresMs = expiresMs;
    $("sign-in").close();
    this.#warn();
  }

  #warn() {
    const leftMs = this.expiresMs - Date.now();
    $("renew").hidden = !(leftMs < WARN_BEFORE_MS);
    if (!$("renew").hidden) say($("renew"), leftMs > 0 ? `Token ends in ${span(leftMs)}: renew` : "Token has ended: renew");
  }
}
