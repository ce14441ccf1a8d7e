// Fields with a name, a hint and a place for what is wrong.

import { attr, el, text } from "./dom.js";

let count = 0;

/** A field around `control`: `t` names it, `hint` explains it. */
export function field({ t, hint, control, after = null }) {
  const id = (control.id ||= `field-${(count += 1)}`);
  const label = el("label", { for: id, t });
  const note = hint ? el("p", { class: "hint", id: `${id}-hint`, t: hint }) : null;
  const error = el("p", { class: "field-error", id: `${id}-error`, role: "alert" });
  attr(control, "aria-describedby", note ? `${id}-hint ${id}-error` : `${id}-error`);
  const line = el("div", { class: "field-line" }, control, after);
  return el("div", { class: "field" }, label, line, note, error);
}

/** Says what is wrong with a field, or that nothing is. */
export function blame(control, message) {
  attr(control, "aria-invalid", message ? "true" : null);
  text(document.getElementById(`${control.id}-error`), message);
}

/** A line of text. */
export function input(attributes = {}) {
  return el("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
}

/** A choice among a few; `options` are pairs of value and name of the words. */
export function select(options, attributes = {}) {
  const node = el("select", attributes);
  for (const [value, t] of options) node.append(el("option", { value, t }));
  return node;
}

/** A switch with its name beside it. */
export function toggle({ t, hint, change }) {
  const control = el("input", { type: "checkbox", role: "switch", id: `field-${(count += 1)}` });
  control.addEventListener("change", () => change(control));
  const note = hint ? el("p", { class: "hint", id: `${control.id}-hint`, t: hint }) : null;
  const error = el("p", { class: "field-error", id: `${control.id}-error`, role: "alert" });
  attr(control, "aria-describedby", note ? `${note.id} ${error.id}` : error.id);
  const label = el("label", { for: control.id, t });
  const node = el("div", { class: "toggle" }, control, el("div", {}, label, note, error));
  return { node, control };
}
