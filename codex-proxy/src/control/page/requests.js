// The last requests, live.

import { known, on, perFrame, profileNamed } from "./bus.js";
import { nameOf } from "./condition.js";
import { attr, el, keyed, paintDot, show, text } from "./dom.js";
import { amount, clock, moment, span } from "./format.js";
import { has, t } from "./words.js";

const COLUMNS = ["time", "client", "model", "profile", "result", "first_byte", "tokens"];

/** The view with all of them. */
export function requestsView(view) {
  const table = requestTable({});
  const empty = el("div", { class: "empty" }, el("p", { class: "lead", t: "requests.none" }), el("p", { t: "requests.none_hint" }));
  const title = el("h1", { id: "title-requests", t: "nav.requests" });
  view.append(el("div", { class: "heading" }, title), el("p", { class: "hint", t: "requests.hint" }), empty, table.node);
  const update = () => {
    show(empty, known.requests.length === 0);
    show(table.node, known.requests.length > 0);
    table.update();
  };
  for (const topic of ["requests", "overview", "language"]) on(topic, update);
  update();
}

/** A table of requests: `{ node, update }`. The roles stay where narrow windows make it a list. */
export function requestTable({ limit = Infinity }) {
  const names = COLUMNS.map((name) => el("th", { role: "columnheader", scope: "col", t: `column.${name}` }));
  const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...names));
  const body = el("tbody", { role: "rowgroup" });
  const node = el("table", { class: "requests", role: "table", "t-label": "requests.latest" }, head, body);
  const paint = () => keyed(body, known.requests.slice(0, limit), ({ id }) => id, row);
  return { node, update: perFrame(paint) };
}

function row() {
  const cells = Object.fromEntries(COLUMNS.map((name) => [name, cell(name)]));
  const node = el("tr", { role: "row" }, ...COLUMNS.map((name) => cells[name].node));
  const update = (request) => {
    attr(node, "data-state", request.state);
    attr(node, "data-tone", tone(request));
    for (const name of COLUMNS) FILL[name](cells[name], request);
  };
  return { node, update };
}

function cell(name) {
  const first = el("span", { class: "first" });
  const second = el("span", { class: "second" });
  const dot = name === "profile" ? el("span", { class: "dot" }) : null;
  const node = el("td", { role: "cell", class: `cell-${name}` });
  node.append(el("span", { class: "line" }, dot ?? "", first), second);
  return { node, first, second, dot };
}

function write({ first, second }, top, below) {
  text(first, top ?? "–");
  text(second, below ?? "");
}

const FILL = {
  time(cell, { at }) {
    write(cell, clock(at));
    attr(cell.node, "title", moment(at));
  },
  client(cell, { client, method, route }) {
    write(cell, client ?? t("requests.no_client"), `${method} ${route}`);
    attr(cell.node, "title", `${client ?? ""} ${method} ${route}`.trim());
  },
  model(cell, { model }) {
    write(cell, model);
    attr(cell.node, "title", model);
  },
  profile(cell, { profile, reason }) {
    const found = profileNamed(profile);
    write(cell, found ? nameOf(found) : profile, reason && reasonWords(reason));
    show(cell.dot, Boolean(profile));
    paintDot(cell.dot, found?.color);
  },
  result(cell, request) {
    write(cell, statusWords(request), errorWords(request));
    attr(cell.node, "title", errorWords(request));
  },
  first_byte(cell, { first_byte_ms: first, duration_ms: whole }) {
    write(cell, spanOf(first), isKnown(whole) ? t("requests.duration", { length: span(whole) }) : null);
  },
  tokens(cell, request) {
    write(cell, tokenWords(request), tokenDetail(request));
  },
};

const spanOf = (milliseconds) => (isKnown(milliseconds) ? span(milliseconds) : null);
const isKnown = (value) => value !== null && value !== undefined;

function tone({ status, state, error_by: author }) {
  if (state === "running") return "running";
  if (state === "cancelled") return "quiet";
  return author || status >= 400 ? "bad" : "good";
}

function statusWords({ state, status }) {
  if (state === "cancelled") return t("requests.cancelled");
  return status ? String(status) : t("requests.running");
}

function errorWords({ state, status, error_by: author, error_code: code }) {
  if (state === "running" && status) return t("requests.streaming");
  if (!author) return null;
  const by = t(`author.${author}`);
  return code ? `${by} · ${code}` : by;
}

function reasonWords(reason) {
  return has(`why.${reason}`) ? t(`why.${reason}`) : reason;
}

function tokenWords({ input_tokens: input, output_tokens: output }) {
  if (!isKnown(input) && !isKnown(output)) return null;
  return t("requests.tokens", { input: amount(input ?? 0), output: amount(output ?? 0) });
}

function tokenDetail({ cached_tokens: cached, reasoning_tokens: reasoning }) {
  const parts = [
    cached ? t("requests.cached", { count: amount(cached) }) : null,
    reasoning ? t("requests.reasoning", { count: amount(reasoning) }) : null,
  ];
  return parts.filter(Boolean).join(" · ");
}
