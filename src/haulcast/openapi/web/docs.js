// Renders openapi.json: groups, operations, parameters, schemas, examples, and a form to send each. Texts become text nodes only.

const METHODS = ["get", "post", "put", "patch", "delete"];
let doc;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

/** A node with its reference followed; what stands beside the reference wins. */
function followed(node) {
  while (node?.$ref) {
    const { $ref, ...beside } = node;
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    node = { name, ...$ref.slice(2).split("/").reduce((found, part) => found[part], doc), ...beside };
  }
  return node;
}

/** Text with `code` in it. */
function words(text = "") {
  return text.split("`").map((part, place) => (place % 2 ? make("code", {}, part) : part));
}

function paragraphs(text = "") {
  return text.split("\n\n").map((part) => make("p", {}, ...words(part)));
}

/** A schema in a few words. */
function kind(schema) {
  const one = followed(schema);
  if (one === undefined || one === true) return "anything";
  if (one.const !== undefined) return JSON.stringify(one.const);
  if (one.enum) return one.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = one.anyOf ?? one.oneOf;
  if (choices && !one.properties) return [...new Set(choices.map(kind))].join(" | ");
  if (one.allOf && !one.properties) return kind(one.allOf[0]);
  const types = [one.type ?? (one.properties ? "object" : "anything")].flat();
  let told = types.map((type) => (type === "array" ? `list of ${kind(one.items)}` : type)).join(" | ");
  if (schema.$ref && types.includes("object")) told = one.name;
  if (one.format) told += ` (${one.format})`;
  return told;
}

function bounds(one) {
  const told = [];
  const least = one.minimum ?? one.exclusiveMinimum;
  const most = one.maximum ?? one.exclusiveMaximum;
  const from = least === undefined ? "" : `${one.minimum === undefined ? "more than" : "from"} ${least}`;
  const to = most === undefined ? "" : `${one.maximum === undefined ? "below" : "to"} ${most}`;
  if (from || to) told.push(`${from} ${to}`.trim());
  if (one.minLength !== undefined || one.maxLength !== undefined) told.push(`${one.minLength ?? 0} to ${one.maxLength ?? "any number of"} characters`);
  if (one.maxItems !== undefined) told.push(`at most ${one.maxItems}`);
  if (one.default !== undefined) told.push(`usually ${JSON.stringify(one.default)}`);
  return told.length ? `(${told.join(", ")})` : "";
}

/** Members of an object, those of its parts folded. */
function members(schema, depth = 0) {
  const one = followed(schema);
  if (!one || typeof one !== "object" || depth > 6) return null;
  const parts = [];
  for (const choice of [...(one.oneOf ?? []), ...(one.anyOf ?? []), ...(one.allOf ?? [])]) {
    if (choice.if || choice.required && !choice.properties && !choice.$ref) continue;
    const shown = members(choice, depth + 1);
    if (shown) parts.push(make("div", { class: "members" }, shown));
  }
  if (one.items) {
    const shown = members(one.items, depth + 1);
    if (shown) parts.push(shown);
  }
  if (one.properties) parts.unshift(memberTable(one, depth));
  return parts.length ? make("div", {}, ...parts) : null;
}

function memberTable(one, depth) {
  const rows = Object.entries(one.properties).map(([name, schema]) => {
    const member = followed(schema);
    const inner = members(schema, depth + 1);
    const text = [member.description, bounds(member)].filter(Boolean).join(" ");
    return make("tr", {},
      make("th", { scope: "row", class: one.required?.includes(name) ? "needed" : undefined }, make("code", {}, name)),
      make("td", {}, kind(schema), member.readOnly ? " (the hub's)" : ""),
      make("td", {}, ...words(text), inner ? folded("members", inner) : null));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function folded(title, ...children) {
  return make("details", {}, make("summary", {}, ...[title].flat()), ...children);
}

function parameterTable(parameters) {
  const rows = parameters.map((one) => make("tr", {},
    make("th", { scope: "row", class: one.required ? "needed" : undefined }, make("code", {}, one.name)),
    make("td", {}, one.in),
    make("td", {}, kind(one.schema)),
    make("td", {}, ...words([one.description, bounds(followed(one.schema))].filter(Boolean).join(" ")))));
  return make("table", {}, make("tbody", {}, ...rows));
}

function contentParts(content = {}) {
  return Object.entries(content).map(([type, { schema, examples }]) => make("div", {},
    make("p", {}, make("code", {}, type), " ", kind(schema)),
    members(schema) ? folded("members", members(schema)) : null,
    ...Object.entries(examples ?? {}).map(([name, one]) => folded(`example: ${name}`, make("pre", {}, shown(one.value))))));
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function codes(answer) {
  const schema = answer.content?.["application/problem+json"]?.schema;
  return schema?.allOf?.[1]?.properties?.code?.enum ?? followed(schema)?.properties?.code?.enum;
}

function answerParts(responses) {
  return Object.entries(responses).map(([status, reference]) => {
    const answer = followed(reference);
    const told = codes(answer);
    const title = [make("strong", { class: status < 400 ? "status-good" : "status-bad" }, status), ` ${answer.description} `];
    if (told) title.push(make("span", { class: "faint" }, told.join(", ")));
    const headers = Object.entries(answer.headers ?? {}).map(([name, one]) => make("p", {}, make("code", {}, name), " ", ...words(followed(one).description)));
    const inside = [...headers, ...contentParts(answer.content)];
    return inside.length ? folded(title, ...inside) : make("p", {}, ...title);
  });
}

function who(operation) {
  if (!operation.security.length) return "Open to everybody.";
  if (operation["x-roles"]) return `Token of a role: ${operation["x-roles"].join(", ")}.`;
  return `Credentials: ${operation.security.flatMap(Object.keys).map((name) => doc.components.securitySchemes[name].description).join(" Or: ")}`;
}

/** The form that sends a request; the token is read from the field at the top and kept nowhere. */
function tryForm(path, method, operation, parameters) {
  const result = make("div", { role: "status", "aria-live": "polite" });
  const fields = parameters.map((one) => {
    const input = make("input", { value: one.in === "path" ? one.example : undefined, required: one.required, autocomplete: "off", spellcheck: "false" });
    return { one, input, label: make("label", {}, `${one.name} (${one.in})`, input) };
  });
  const content = followed(operation.requestBody)?.content;
  const type = content && make("select", {}, ...Object.keys(content).map((name) => make("option", {}, name)));
  const body = content && make("textarea", { spellcheck: "false" });
  const fill = () => { body.value = shown(Object.values(content[type.value].examples ?? {})[0]?.value ?? ""); };
  if (content) { type.addEventListener("change", fill); fill(); }
  const form = make("form", { class: "try" }, ...fields.map((one) => one.label),
    content && make("label", {}, "Content-Type", type), content && make("label", {}, "body", body), make("button", {}, "Send"), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    result.replaceChildren("…");
    try {
      result.replaceChildren(...await send(path, method, fields, type?.value, body?.value));
    } catch (error) {
      result.replaceChildren(String(error));
    }
  });
  return form;
}

async function send(path, method, fields, type, body) {
  const headers = new Headers(type ? { "Content-Type": type } : {});
  const token = document.getElementById("token").value.trim();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const query = new URLSearchParams();
  for (const { one, input } of fields) {
    if (!input.value) continue;
    if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(input.value));
    if (one.in === "query") query.append(one.name, input.value);
    if (one.in === "header") headers.set(one.name, input.value);
  }
  const url = new URL(`.${path}${query.size ? `?${query}` : ""}`, document.baseURI);
  const answer = await fetch(url, { method: method.toUpperCase(), headers, body: method === "get" ? undefined : body, cache: "no-store" });
  const text = await answer.text();
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  const told = ["ETag", "Location", "Retry-After", "Content-Type"].filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
  return [
    make("p", {}, make("strong", { class: answer.ok ? "status-good" : "status-bad" }, `${answer.status} ${answer.statusText}`), ` ${url.pathname}${url.search}`),
    make("pre", { tabindex: "0" }, [...told, "", isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text.slice(0, 100_000)].join("\n")),
  ];
}

function article(path, item, method) {
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(followed);
  const body = followed(operation.requestBody);
  const lazily = folded("Try it");
  lazily.addEventListener("toggle", () => lazily.children.length > 1 || lazily.append(tryForm(path, method, operation, parameters)), { once: true });
  return make("article", { id: operation.operationId, "aria-labelledby": `${operation.operationId}-title` },
    make("h3", { id: `${operation.operationId}-title` }, make("span", { class: `method ${method}` }, method), make("code", {}, path), ` ${operation.summary}`),
    ...paragraphs(operation.description), make("p", { class: "faint" }, ...words(who(operation))),
    ...(parameters.length ? [make("h4", {}, "Parameters"), parameterTable(parameters)] : []),
    ...(body ? [make("h4", {}, "Body"), ...contentParts(body.content)] : []),
    make("h4", {}, "Answers"), ...answerParts(operation.responses), lazily);
}

function render() {
  document.getElementById("version").textContent = doc.info.version;
  const contents = [];
  const main = [make("h1", {}, doc.info.title), make("p", {}, doc.info.summary), ...paragraphs(doc.info.description)];
  for (const tag of doc.tags) {
    const links = [];
    const articles = [];
    for (const [path, item] of Object.entries(doc.paths)) {
      for (const method of METHODS.filter((name) => item[name]?.tags.includes(tag.name))) {
        articles.push(article(path, item, method));
        links.push(make("li", {}, make("a", { href: `#${item[method].operationId}` }, make("span", { class: `method ${method}` }, method), path)));
      }
    }
    contents.push(make("section", {}, make("h2", {}, tag.name), make("ul", {}, ...links)));
    main.push(make("section", {}, make("h2", {}, tag.name), ...paragraphs(tag.description), ...articles));
  }
  document.getElementById("contents").replaceChildren(...contents);
  document.getElementById("content").replaceChildren(...main);
}

/** Show only the operations in which every word stands. */
function find(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const node of document.querySelectorAll("article")) {
    const hidden = !wanted.every((word) => node.textContent.toLowerCase().includes(word));
    node.hidden = hidden;
    document.querySelector(`nav a[href="#${node.id}"]`).parentElement.hidden = hidden;
  }
  for (const section of document.querySelectorAll("main section, nav section")) {
    section.hidden = wanted.length > 0 && !section.querySelector("article:not([hidden]), li:not([hidden])");
  }
}

try {
  const answer = await fetch(new URL("openapi.json", document.baseURI));
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  doc = await answer.json();
  render();
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch (error) {
  document.getElementById("state").textContent = `The description cannot be shown: ${error.message}`;
}
