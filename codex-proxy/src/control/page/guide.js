// The first run: three steps, each with what it needs.

import { attachmentWords, openAttachment } from "./attach.js";
import { button } from "./button.js";
import { addressLine, snippets } from "./connect.js";
import { el, show, text } from "./dom.js";
import { signIn } from "./sign_in.js";

/** The guide: `{ node, update }`. It is shown while there is no profile. */
export function guide() {
  const address = addressLine();
  const lines = snippets();
  const standing = el("p", { class: "hint" });
  const attach = button({ kind: "plain", t: "guide.attach", run: openAttachment });
  const add = button({ kind: "primary", picture: "plus", t: "profiles.add", run: () => signIn() });
  const steps = el(
    "ol",
    { class: "guide" },
    step("guide.one", "guide.one_text", add),
    step("guide.two", "guide.two_text", address.node, lines.node),
    step("guide.three", "guide.three_text", standing, attach),
  );
  const intro = el("p", { class: "lead", t: "guide.intro" });
  const node = el("div", { class: "guide-box" }, el("h2", { t: "guide.title" }), intro, steps);
  const update = ({ profiles }) => {
    show(node, profiles.length === 0);
    address.update();
    lines.update();
    text(standing, attachmentWords());
  };
  return { node, update };
}

function step(title, words, ...content) {
  return el("li", {}, el("h3", { t: title }), el("p", { t: words }), ...content);
}
