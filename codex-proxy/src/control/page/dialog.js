// Dialogs: the browser keeps the focus inside, and gives it back at the end.

import { el, icon, text } from "./dom.js";
import { explain, t } from "./words.js";

let count = 0;

/**
 * Opens a dialog with a title and a body. `closed` runs at its end, however it came. Gives
 * `{ node, body, close, fail }`; `fail` shows an error above the buttons.
 */
export function openDialog({ title, wide = false, closed = () => {} }) {
  const id = `dialog-${(count += 1)}`;
  const node = el("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id });
  const body = el("div", { class: "dialog-body" });
  const error = el("p", { class: "field-error", role: "alert" });
  const close = () => node.close();
  const heading = el("h2", { id }, title);
  node.append(el("header", {}, heading, closeButton(close)), body, error);
  node.addEventListener("close", () => {
    node.remove();
    closed();
  });
  document.body.append(node);
  node.showModal();
  return { node, body, close, fail: (reason) => text(error, reason ? explain(reason) : "") };
}

function closeButton(close) {
  const attributes = { type: "button", class: "button bare", "aria-label": t("close") };
  return el("button", { ...attributes, on: { click: close } }, icon("close"));
}

/** Puts new content into a dialog, and the focus where the person goes on. */
export function fillDialog({ body, fail }, ...content) {
  fail(null);
  body.replaceChildren(...content.filter(Boolean));
  const first = body.querySelector("a.button.primary, input, textarea, button");
  first?.focus();
}

/** A form in a dialog: `submit` runs at its end, and what it throws is shown. */
export function form(dialog, { submit, t: label, kind = "primary", cancel = true }, ...fields) {
  const send = el("button", { type: "submit", class: `button ${kind}`, t: label });
  const leave = { type: "button", class: "button plain", t: "cancel", on: { click: dialog.close } };
  const node = el("form", { novalidate: true }, ...fields);
  node.append(el("div", { class: "actions" }, cancel ? el("button", leave) : "", send));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    sendOnce(dialog, send, submit);
  });
  return node;
}

async function sendOnce(dialog, send, submit) {
  if (send.getAttribute("aria-busy")) return;
  dialog.fail(null);
  send.setAttribute("aria-busy", "true");
  try {
    await submit();
  } catch (error) {
    dialog.fail(error);
  } finally {
    send.removeAttribute("aria-busy");
  }
}
