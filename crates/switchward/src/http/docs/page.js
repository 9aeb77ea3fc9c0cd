// Shows /openapi.json and lets one try it. Whatever comes from the daemon becomes text nodes, never markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
// The most of an answer that is shown, in characters.
const LONGEST = 200_000;

/** An element with attributes and children; a text child stays text. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** What a `$ref` means. */
function resolved(api, value) {
  for (let depth = 0; value?.$ref && depth < 8; depth += 1) {
    value = value.$ref
      .slice(2)
      .split("/")
      .reduce((at, part) => at?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  }
  return value ?? {};
}

function schemaName(schema) {
  return schema?.$ref?.split("/").pop();
}

/** A schema in a few words: "array of BanEntry", "string or null". */
function kind(schema) {
  if (!schema) return "anything";
  if (schema.$ref) return schemaName(schema);
  const choices = schema.oneOf ?? (schema.type ? undefined : schema.anyOf);
  if (choices) return choices.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = [schema.type ?? "anything"].flat();
  const words = types.map((type) => {
    if (type === "array") return `array of ${kind(schema.items)}`;
    if (type === "object" && typeof schema.additionalProperties === "object") {
      return `object of ${kind(schema.additionalProperties)} by name`;
    }
    return type === "string" && schema.format ? schema.format : type;
  });
  return words.join(" or ");
}

/** The members of a schema, those of others behind a click. */
function schemaList(api, schema, depth = 0) {
  const whole = resolved(api, schema);
  const inner = whole.items ?? (typeof whole.additionalProperties === "object" ? whole.additionalProperties : undefined);
  const members = Object.entries(whole.properties ?? {});
  const notes = [];
  if (depth > 0 && whole.description) notes.push(make("p", {}, whole.description));
  if (whole.pattern) notes.push(make("p", { class: "quiet" }, "Pattern ", make("code", {}, whole.pattern)));
  if (whole.enum) notes.push(make("p", { class: "quiet" }, "One of ", kind(whole)));
  if (whole.examples?.length) {
    notes.push(make("p", { class: "quiet" }, `Such as ${whole.examples.map((value) => JSON.stringify(value)).join(", ")}`));
  }
  const list = make("dl");
  for (const [name, member] of members) {
    const required = whole.required?.includes(name) ? ", always there" : "";
    list.append(make("dt", {}, name, make("span", { class: "quiet" }, ` ${kind(member)}${required}`)));
    const about = member.description ?? resolved(api, member).description ?? "";
    list.append(make("dd", {}, about, further(api, member, depth)));
  }
  return [...notes, members.length ? list : undefined, inner ? further(api, inner, depth) : undefined];
}

/** The schemas that another one names, unfolded when they are opened. */
function further(api, schema, depth) {
  if (depth > 6) return [];
  const named = [schema, schema.items, schema.additionalProperties, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  return named.filter((part) => part?.$ref).map((part) => {
    const details = make("details", {}, make("summary", {}, schemaName(part)));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(...schemaList(api, part, depth + 1).filter(Boolean));
    });
    return details;
  });
}

/** A body to begin with. */
function sample(api, schema, depth = 0) {
  const whole = resolved(api, schema);
  if (whole.examples?.length) return whole.examples[0];
  if (whole.enum) return whole.enum[0];
  if (whole.oneOf) return sample(api, whole.oneOf[0], depth);
  if (depth > 4) return null;
  const type = [whole.type].flat()[0];
  if (type === "array") return [sample(api, whole.items, depth + 1)];
  if (type === "object") {
    const required = Object.entries(whole.properties ?? {}).filter(([name]) => whole.required?.includes(name));
    return Object.fromEntries(required.map(([name, member]) => [name, sample(api, member, depth + 1)]));
  }
  return { string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
}

function tryForm(api, path, method, operation, parameters) {
  const fields = parameters.filter((parameter) => parameter.in === "path" || parameter.in === "query").map((parameter) => {
    const input = make("input", { required: parameter.required, spellcheck: "false", autocomplete: "off" });
    const hint = parameter.required ? "" : " (may be left empty)";
    return { parameter, input, label: make("label", {}, `${parameter.name}${hint}`, input) };
  });
  const content = Object.entries(operation.requestBody?.content ?? {})[0];
  const body = content ? make("textarea", { spellcheck: "false" }) : undefined;
  if (body && content[0].includes("json")) body.value = JSON.stringify(sample(api, content[1].schema), null, 2);
  const result = make("div", { "aria-live": "polite" });
  const button = make("button", { type: "submit" }, `Send ${method.toUpperCase()}`);
  const warning = make("p", { class: "warning" }, "This changes the running daemon.");
  const form = make(
    "form",
    { class: "try", autocomplete: "off" },
    method === "get" ? undefined : warning,
    fields.map((field) => field.label),
    body ? make("label", {}, "Body", body) : undefined,
    button,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (method !== "get" && !confirm(`${method.toUpperCase()} ${path}\n\nThis changes the running daemon. Send it?`)) return;
    button.disabled = true;
    try {
      result.replaceChildren(...(await sent(path, method, fields, body, content?.[0])));
    } catch (error) {
      result.replaceChildren(make("p", { class: "bad" }, `Not sent, or not answered: ${error.message}`));
    } finally {
      button.disabled = false;
    }
  });
  return [make("h3", {}, "Try it"), form, result];
}

/** Sends the request and gives what there is to show. */
async function sent(path, method, fields, body, type) {
  let to = path;
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") to = to.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.append(parameter.name, input.value);
  }
  if (query.size > 0) to += `?${query}`;
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = type;
  const begun = performance.now();
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 30_000);
  try {
    const options = { method: method.toUpperCase(), headers, cache: "no-store", redirect: "error", signal: stop.signal };
    const answer = await fetch(to, { ...options, body: body?.value });
    const { text, more } = await start(answer, stop);
    const line = `${options.method} ${to}: ${answer.status} in ${Math.round(performance.now() - begun)} ms`;
    return [
      make("p", { class: answer.ok ? undefined : "bad" }, line),
      make("pre", { tabindex: "0", "aria-label": "Answer" }, pretty(text)),
      more ? make("p", { class: "quiet" }, "There is more; only the beginning is shown.") : undefined,
    ].filter(Boolean);
  } finally {
    clearTimeout(timer);
  }
}

/** The beginning of an answer: a list may be long, and a stream never ends. */
async function start(answer, stop) {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const until = performance.now() + 5_000;
  while (reader) {
    const late = new Promise((resolve) => setTimeout(resolve, Math.max(0, until - performance.now()), "late"));
    const part = await Promise.race([reader.read(), late]);
    if (part === "late" || text.length > LONGEST) {
      stop.abort();
      return { text: text.slice(0, LONGEST), more: true };
    }
    if (part.done) break;
    text += decoder.decode(part.value, { stream: true });
  }
  return { text, more: false };
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function operationView(api, path, method, operation, shared) {
  const parameters = [...shared, ...(operation.parameters ?? [])].map((parameter) => resolved(api, parameter));
  const view = make("details", { class: operation.deprecated ? "operation old" : "operation", id: operation.operationId });
  view.append(
    make(
      "summary",
      {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path),
      make("span", { class: "quiet" }, operation.summary ?? ""),
    ),
  );
  // Unfolded when it is opened: there are many.
  view.addEventListener("toggle", () => {
    if (!view.open || view.children.length > 1) return;
    const inside = make("div");
    if (operation.deprecated) inside.append(make("p", { class: "warning" }, "Kept for old scripts."));
    for (const text of (operation.description ?? "").split("\n\n").filter(Boolean)) inside.append(make("p", {}, text));
    if (parameters.length) {
      inside.append(make("h3", {}, "Parameters"));
      const list = make("dl");
      for (const parameter of parameters) {
        const needed = parameter.required ? ", required" : "";
        list.append(make("dt", {}, parameter.name, make("span", { class: "quiet" }, ` in the ${parameter.in}, ${kind(parameter.schema)}${needed}`)));
        list.append(make("dd", {}, parameter.description ?? "", further(api, parameter.schema ?? {}, 0)));
      }
      inside.append(list);
    }
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
      inside.append(make("h3", {}, "Body ", make("span", { class: "quiet" }, `${type}, ${kind(media.schema)}`)));
      inside.append(...schemaList(api, media.schema ?? {}).filter(Boolean));
    }
    inside.append(make("h3", {}, "Answers"));
    for (const [status, reference] of Object.entries(operation.responses ?? {})) {
      const response = resolved(api, reference);
      inside.append(make("h4", {}, `${status} `, make("span", { class: "quiet" }, response.description ?? "")));
      if (!status.startsWith("2")) continue;
      for (const [type, media] of Object.entries(response.content ?? {})) {
        inside.append(make("p", { class: "quiet" }, `${type}, ${kind(media.schema)}`));
        inside.append(...schemaList(api, media.schema ?? {}).filter(Boolean));
      }
    }
    inside.append(...tryForm(api, path, method, operation, parameters));
    view.append(inside);
  });
  return view;
}

function show(api) {
  const title = `${api.info.title} ${api.info.version}`;
  document.title = `${title}: the interface`;
  document.querySelector("h1").textContent = `${title}: the interface`;
  const link = make("a", { href: "/openapi.json" }, "/openapi.json");
  document.getElementById("about").replaceChildren(api.info.description ?? "", " Described in ", link, ".");
  const groups = new Map((api.tags ?? []).map((tag) => [tag.name, { about: tag.description ?? "", views: [] }]));
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, { about: "", views: [] });
      groups.get(tag).views.push(operationView(api, path, method, item[method], item.parameters ?? []));
    }
  }
  const main = document.getElementById("paths");
  const list = make("ul");
  for (const [name, { about, views }] of groups) {
    if (!views.length) continue;
    const id = `tag-${name.replaceAll(/[^a-z0-9]+/gi, "-")}`;
    list.append(make("li", {}, make("a", { href: `#${id}` }, name)));
    main.append(make("section", { "aria-labelledby": id }, make("h2", { id }, name), make("p", { class: "quiet" }, about), views));
  }
  document.getElementById("tags").append(list);
  main.setAttribute("aria-busy", "false");
  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const view of main.querySelectorAll("details.operation")) {
      view.hidden = !view.querySelector("summary").textContent.toLowerCase().includes(wanted);
    }
    for (const section of main.querySelectorAll("section")) {
      section.hidden = !section.querySelector("details.operation:not([hidden])");
    }
  });
  const linked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked) {
    if (linked.tagName === "DETAILS") linked.open = true;
    linked.scrollIntoView();
  }
}

/** Reads the description, with the token if one was given; without one it may be refused. */
async function load() {
  const token = document.getElementById("token").value.trim();
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/openapi.json", { headers, cache: "no-store" });
  if (!answer.ok) throw new Error(`/openapi.json was answered with ${answer.status}`);
  show(await answer.json());
}

let loaded = false;
async function attempt() {
  if (loaded) return;
  loaded = true;
  try {
    await load();
  } catch (error) {
    loaded = false;
    document.getElementById("about").replaceChildren(make("span", { class: "bad" }, `${error.message}. Enter a token below when one is needed.`));
  }
}

document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("token").addEventListener("change", attempt);
attempt();
