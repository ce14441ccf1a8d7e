// Making and changing elements. What is on the page is changed in place, and only where it differs,
// so that focus, selection and scrolling stay.

import { setWords } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element; `t…` attributes are words that follow the language, `on` has listeners. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.filter(isThere));
  return node;
}

/** Conditions leave `null` or `false` where there is nothing. */
const isThere = (value) => value !== null && value !== undefined && value !== false;

function set(node, name, value) {
  if (name === "on") {
    for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
  } else if (name === "t" || name.startsWith("t-")) {
    if (value) setWords(node, name, value);
  } else {
    attr(node, name, value);
  }
}

/** Sets an attribute, or takes it away for `null` and `false`. */
export function attr(node, name, value) {
  const wanted = value === true ? "" : value;
  if (!isThere(wanted)) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(wanted)) {
    node.setAttribute(name, wanted);
  }
}

/** Sets the text of an element; `null` and `false` are none. */
export function text(node, value) {
  const wanted = isThere(value) ? value : "";
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Gives a dot the colour of its profile. */
export function paintDot(dot, color) {
  dot.style.setProperty("--dot", color ?? "var(--line-strong)");
}

/** Shows or hides. */
export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** Gives a field a value, unless the person is in the middle of typing there. */
export function fill(field, value) {
  if (field === document.activeElement) return;
  if (field.type === "checkbox") field.checked = Boolean(value);
  else if (field.value !== String(value ?? "")) field.value = value ?? "";
}

/**
 * Makes the children of `parent` those of `items`, in their order. A child is made once for a key
 * and then updated; `make` gives `{ node, update }`.
 */
export function keyed(parent, items, keyOf, make) {
  const parts = (parent.parts ??= new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, part] of parts) {
    if (!wanted.has(key)) {
      part.node.remove();
      parts.delete(key);
    }
  }
  const held = document.activeElement;
  let place = parent.firstElementChild;
  for (const item of items) {
    const part = partFor(parts, keyOf(item), item, make);
    part.update(item);
    if (part.node === place) place = place.nextElementSibling;
    else parent.insertBefore(part.node, place);
  }
  // What is moved loses the focus, which a person who moves it again still wants there.
  if (held !== document.activeElement && parent.contains(held)) held.focus({ preventScroll: true });
}

function partFor(parts, key, item, make) {
  if (!parts.has(key)) parts.set(key, make(item));
  return parts.get(key);
}

const PATHS = {
  check: "M4 10.5l4 4 8-9",
  close: "M5 5l10 10M15 5L5 15",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  down: "M5 8l5 5 5-5",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  open: "M11 4h5v5M16 4l-7 7M8 5H4v11h11v-4",
  plus: "M10 4v12M4 10h12",
  refresh: "M15.5 8A6 6 0 1 0 16 11M16 4v4h-4",
  up: "M5 12l5-5 5 5",
  warning: "M10 3.5L17.5 16.5h-15zM10 8.5v3.5M10 14.3h.01",
};

/** A picture that says nothing by itself. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}
