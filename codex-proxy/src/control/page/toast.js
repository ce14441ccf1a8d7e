// Short messages at the edge of the page. They go by themselves, but not while somebody reads them.

import { attr, el, icon } from "./dom.js";
import { explain, t } from "./words.js";

const STAYS_MS = 7000;
const STAYS_WITH_ACTION_MS = 12_000;
/** More than these are a wall that nobody reads. */
const MOST = 4;

const place = () => document.getElementById("toasts");

/**
 * Shows a message. `kind` is `plain`, `warn` or `bad`; an `action` is `{ t, run }`, a button that
 * ends the message too.
 */
export function toast(words, { kind = "plain", action = null } = {}) {
  const node = el("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" });
  node.append(el("p", {}, words));
  if (action) node.append(actionButton(node, action));
  node.append(closeButton(node));
  place().append(node);
  if (place().children.length > MOST) leave(place().firstElementChild);
  leaveLater(node, action ? STAYS_WITH_ACTION_MS : STAYS_MS);
  return node;
}

/** Shows why something failed. */
export function toastError(error) {
  toast(explain(error), { kind: "bad" });
}

function actionButton(node, { t: words, run }) {
  const click = () => {
    leave(node);
    Promise.resolve(run()).catch(toastError);
  };
  return el("button", { type: "button", class: "button link", t: words, on: { click } });
}

function closeButton(node) {
  const click = () => leave(node);
  const close = el("button", { type: "button", class: "button bare", on: { click } });
  attr(close, "aria-label", t("close"));
  close.append(icon("close"));
  return close;
}

function leaveLater(node, after) {
  const read = () => node.matches(":hover, :focus-within");
  setTimeout(() => (read() ? leaveLater(node, 2000) : leave(node)), after);
}

function leave(node) {
  // Whoever was here with the keyboard is not to start again at the top of the page.
  if (node.contains(document.activeElement)) document.getElementById("content").focus();
  node.remove();
}
