// REST of the hub, with the token in a header.

export class HubApi {
  /** @param {() => string} token */
  constructor(token) {
    this.token = token;
  }

  /** @param {string} path @returns {Promise<any>} */
  async get(path, signal) {
    return (await this.#fetch("GET", path, undefined, {}, signal)).json();
  }

  /** Every page of a list, one by one. @param {string} path @param {string} member @returns {AsyncGenerator<any[]>} */
  async *pages(path, member) {
    for (let next = path; next;) {
      const page = await this.get(next);
      yield page[member];
      next = page.next;
    }
  }

  /** @returns {Promise<any>} the answer's document, or null when it has none */
  async send(method, path, body, etag) {
    const headers = { "Content-Type": "application/json", ...(etag ? { "If-Match": etag } : {}) };
    const answer = await this.#fetch(method, path, body === undefined ? undefined : JSON.stringify(body), headers);
    return answer.status === 204 ? null : answer.json();
  }

  /** A document with its edition, for an edit that must not undo another's. @returns {Promise<{document: any, etag: string | null}>} */
  async edition(path) {
    const answer = await this.#fetch("GET", path);
    return { document: await answer.json(), etag: answer.headers.get("ETag") };
  }

  /** Whether this hub has such a path, by its own description; asking for one that it has not would be an error on the console. */
  async offers(path) {
    this.paths ??= fetch("openapi.json").then((answer) => answer.json()).then(({ paths }) => paths);
    return path in (await this.paths.catch(() => { this.paths = undefined; return {}; }));
  }

  /** Hand a file of the hub to the reader. */
  async download(path, name) {
    const blob = await (await this.#fetch("GET", path)).blob();
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async #fetch(method, path, body, headers = {}, signal) {
    let answer;
    try {
      answer = await fetch(path, { method, body, signal, cache: "no-store", headers: { ...headers, Authorization: `Bearer ${this.token()}` } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new HubError(0, "unreachable", "the hub cannot be reached");
    }
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    throw new HubError(answer.status, problem.code ?? "", problem.detail ?? problem.title ?? `HTTP ${answer.status}`, problem.field);
  }
}

export class HubError extends Error {
  constructor(status, code, detail, field) {
    super(field ? `${field}: ${detail}` : detail);
    Object.assign(this, { status, code, field });
  }
}
