// What a switch means for a Codex that is running: said where the switch was made.

import { openAttachment } from "./attach.js";
import { known, on } from "./bus.js";
import { button } from "./button.js";
import { attr, el, show, text } from "./dom.js";
import { forgetSwitch, lastSwitch } from "./switching.js";
import { t } from "./words.js";

/** The hint in a card: `{ node, update }`. */
export function switchHint() {
  let profile = null;
  const words = el("p", {});
  const attach = button({ kind: "small", t: "hint.attach", run: () => openAttachment() });
  const close = button({ kind: "small quiet", t: "hint.close", run: forgetSwitch });
  const node = el("div", { class: "hint-box", hidden: true, role: "status" });
  node.append(words, el("div", { class: "actions" }, attach, close));
  const update = (now) => {
    profile = now;
    const attached = known.overview.attachment === "attached";
    show(node, Boolean(now.current && lastSwitch === now.name));
    text(words, t(attached ? "hint.attached" : "hint.detached"));
    show(attach, !attached);
    attr(node, "data-attached", attached);
  };
  on("switched", () => profile && update(profile));
  return { node, update };
}
