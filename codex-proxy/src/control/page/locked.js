// The router does not know this page, or no longer: how to open it again.

import { copyButton } from "./button.js";
import { el } from "./dom.js";

const COMMAND = "codex-router open";

/** Fills the view. */
export function lockedView(view) {
  const code = el("code", { class: "address" }, COMMAND);
  const line = el("div", { class: "address-line" }, code, copyButton(() => COMMAND));
  const ways = el(
    "ul",
    { class: "plain-list" },
    el("li", {}, el("p", { t: "locked.tray" })),
    el("li", {}, el("p", { t: "locked.command" }), line),
  );
  const why = el("p", { class: "lead", id: "locked-why", t: "locked.text" });
  const mark = el("img", { src: "/page/mark.svg", alt: "", width: 48, height: 48 });
  view.append(mark, el("h1", { id: "title-locked", t: "locked.title" }), why, ways, el("p", { class: "hint", t: "locked.why" }));
}
