// The settings of the server: where it listens, whom it answers, and how much it takes.

import { el, fill, show, text } from "./dom.js";
import { blame, field, input, select } from "./field.js";
import { section } from "./section.js";
import { t } from "./words.js";

const REASONING = ["reasoning_content", "none", "think-tags"];
const LEVELS = ["error", "warn", "info", "debug", "trace"];
const MIB = 1024 * 1024;

/** The part of the settings: `{ node, update }`. */
export function serverSettings(save) {
  const parts = [listening(save), hosts(save), reasoning(save), level(save), connections(save), bodies(save)];
  const nodes = parts.flatMap(({ nodes }) => nodes);
  const update = (settings) => parts.forEach((part) => part.update(settings));
  return { node: section("settings.server", "settings.server_hint", ...nodes), update };
}

function listening(save) {
  const listen = input({ class: "mono", inputmode: "url" });
  listen.addEventListener("change", () => save({ listen: listen.value.trim() }, listen));
  const pending = el("p", { class: "outcome warn" });
  const asked = field({ t: "settings.listen", hint: "settings.listen_hint", control: listen });
  const update = (settings) => {
    fill(listen, settings.listen);
    show(pending, settings.listen_now !== settings.listen);
    text(pending, t("settings.listen_now", { address: settings.listen_now }));
  };
  return { nodes: [asked, pending], update };
}

function hosts(save) {
  const names = input({ class: "mono", "t-placeholder": "settings.no_hosts" });
  const typed = () => names.value.split(/[\s,，、]+/).filter(Boolean);
  names.addEventListener("change", () => save({ allowed_hosts: typed() }, names));
  const asked = field({ t: "settings.hosts", hint: "settings.hosts_hint", control: names });
  return { nodes: [asked], update: (settings) => fill(names, settings.allowed_hosts.join(", ")) };
}

function reasoning(save) {
  const format = select(REASONING.map((value) => [value, `reasoning_format.${value}`]));
  format.addEventListener("change", () => save({ reasoning_format: format.value }, format));
  const asked = field({ t: "settings.reasoning", hint: "settings.reasoning_hint", control: format });
  return { nodes: [asked], update: (settings) => fill(format, settings.reasoning_format) };
}

function level(save) {
  const most = select([["", "level.default"], ...LEVELS.map((value) => [value, `level.${value}`])]);
  most.addEventListener("change", () => save({ log_level: most.value || null }, most));
  const asked = field({ t: "settings.level", hint: "settings.level_hint", control: most });
  return { nodes: [asked], update: (settings) => fill(most, settings.log_level) };
}

function connections(save) {
  const most = input({ type: "number", min: 16, max: 65536, class: "short", inputmode: "numeric" });
  const change = (value) => save({ max_connections: value }, most);
  most.addEventListener("change", () => whole(most, 1, change, "settings.connections_wrong"));
  const asked = field({ t: "settings.connections", hint: "settings.connections_hint", control: most });
  return { nodes: [asked], update: (settings) => fill(most, settings.max_connections) };
}

function bodies(save) {
  const most = input({ type: "number", min: 0.0625, max: 1024, step: "any", class: "short", inputmode: "decimal" });
  const change = (value) => save({ body_limit_bytes: value }, most);
  most.addEventListener("change", () => whole(most, MIB, change, "settings.body_wrong"));
  const unit = el("span", { class: "hint", t: "settings.mebibytes" });
  const asked = field({ t: "settings.body", hint: "settings.body_hint", control: most, after: unit });
  const update = (settings) => fill(most, Number((settings.body_limit_bytes / MIB).toFixed(3)));
  return { nodes: [asked], update };
}

/** Hands on the number in a field, as so many of the unit that is kept; else says what it may be. */
function whole(control, unit, change, wrong) {
  const value = Math.round(Number(control.value) * unit);
  const fits = control.value !== "" && control.validity.valid;
  blame(control, fits ? "" : t(wrong));
  if (fits) change(value);
}
