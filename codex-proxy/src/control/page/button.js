// Buttons that do something at the router: busy while they do, and frank when it fails.

import { attr, el, icon } from "./dom.js";
import { toastError } from "./toast.js";
import { setWords } from "./words.js";

const ACKNOWLEDGED_MS = 1600;

/**
 * A button. `run` may be asynchronous: while it goes on, further clicks are ignored, and what it
 * throws is given to `fail`.
 */
export function button({ kind = "plain", picture, run, fail = toastError, label, ...rest }) {
  const words = el("span", rest);
  const node = el("button", { type: "button", class: `button ${kind}`, "t-label": label });
  if (picture) node.append(icon(picture));
  if (rest.t) node.append(words);
  node.addEventListener("click", (event) => act(node, () => run(event, node), fail));
  return node;
}

/** Does `run` for `node`, which is shown as busy meanwhile. */
export async function act(node, run, fail = toastError) {
  if (node.getAttribute("aria-busy") || node.getAttribute("aria-disabled")) return;
  attr(node, "aria-busy", "true");
  try {
    await run();
  } catch (error) {
    fail(error);
  } finally {
    attr(node, "aria-busy", null);
  }
}

/** A button that copies what `value` gives, and says that it did. */
export function copyButton(value, label = "copy") {
  const words = el("span", { t: label, "aria-live": "polite" });
  const node = el("button", { type: "button", class: "button plain copy" }, icon("copy"), words);
  node.addEventListener("click", async () => {
    if (!(await copied(value(), node))) return;
    setWords(words, "t", "copied");
    setTimeout(() => setWords(words, "t", label), ACKNOWLEDGED_MS);
  });
  return node;
}

async function copied(value, node) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return copiedBySelection(node);
  }
}

/** Where that clipboard is closed to us: what is beside the button is selected, and stays so. */
function copiedBySelection(node) {
  const source = node.closest("div").parentElement.querySelector("code");
  if (source) getSelection().selectAllChildren(source);
  return Boolean(source) && document.execCommand("copy");
}
