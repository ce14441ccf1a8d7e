// One part of the settings, with its title at the side.

import { el } from "./dom.js";

/** `title` and `words` name what is said at the side. */
export function section(title, words, ...content) {
  const side = el("div", { class: "section-title" }, el("h2", { t: title }), el("p", { class: "hint", t: words }));
  return el("section", { class: "settings" }, side, el("div", { class: "section-body" }, ...content));
}
