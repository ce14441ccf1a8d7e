// A button that opens a short list of actions.

import { attr, el, icon, keyed } from "./dom.js";
import { act } from "./button.js";
import { t } from "./words.js";

let open = null;

/** A menu; `update(label, actions)` sets its name and its `{ key, t, run, why, danger }`. */
export function menu() {
  const toggle = el("button", { type: "button", class: "button bare", "aria-expanded": "false" });
  toggle.append(icon("more"));
  const list = el("ul", { class: "menu", hidden: true });
  const node = el("div", { class: "menu-place" }, toggle, list);
  const self = { node, toggle, list };
  toggle.addEventListener("click", () => (list.hidden ? openMenu(self) : closeMenu()));
  node.addEventListener("keydown", (event) => onKey(event, self));
  node.addEventListener("focusout", ({ relatedTarget: to }) => leftTo(to, self));
  const update = (label, actions) => {
    attr(toggle, "aria-label", label);
    keyed(list, actions, ({ key }) => key, (action) => item(action, self));
  };
  return { node, update };
}

function item(first, self) {
  let action = first;
  const words = el("span", { t: first.t });
  const why = el("span", { class: "why" });
  const click = () => choose(self, action, pick);
  const pick = el("button", { type: "button", on: { click } }, words, why);
  if (first.danger) pick.classList.add("danger");
  const update = (now) => {
    action = now;
    attr(pick, "aria-disabled", now.why ? "true" : null);
    why.textContent = now.why ? t(now.why) : "";
  };
  return { node: el("li", {}, pick), update };
}

function choose(self, action, pick) {
  if (action.why) return;
  closeMenu();
  self.toggle.focus();
  act(pick, action.run);
}

function openMenu(self) {
  closeMenu();
  open = self;
  self.list.hidden = false;
  attr(self.toggle, "aria-expanded", "true");
  placeInside(self.list);
  self.list.querySelector("button").focus({ preventScroll: true });
}

/** Turns it upwards where it would leave the window. */
function placeInside(list) {
  list.classList.remove("upwards");
  const { bottom } = list.getBoundingClientRect();
  list.classList.toggle("upwards", bottom > innerHeight);
}

/** Closes the menu that is open, if there is one. */
export function closeMenu() {
  if (!open) return;
  open.list.hidden = true;
  attr(open.toggle, "aria-expanded", "false");
  open = null;
}

function leftTo(to, { node }) {
  // Without a target the whole window lost the focus, or the person clicked on what takes none.
  if (to && !node.contains(to)) closeMenu();
}

function onKey(event, self) {
  if (self.list.hidden) return;
  const items = [...self.list.querySelectorAll("button")];
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    items.at(next % items.length).focus();
  } else if (event.key === "Escape") {
    closeMenu();
    self.toggle.focus();
  }
}

addEventListener("pointerdown", ({ target }) => {
  if (open && !open.node.contains(target)) closeMenu();
});
