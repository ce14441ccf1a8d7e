// A login that Codex uses and that is in no profile: it is offered to be saved.

import { api } from "./api.js";
import { act } from "./button.js";
import { el, show, text } from "./dom.js";
import { input } from "./field.js";
import { toast } from "./toast.js";
import { t } from "./words.js";

/** The offer: `{ node, update }`. */
export function unsavedLogin() {
  const name = input({ class: "short", maxlength: 64, "t-placeholder": "unsaved.name", "t-label": "unsaved.name" });
  const save = el("button", { type: "submit", class: "button primary", t: "unsaved.save" });
  const form = el("form", { class: "actions start" }, name, save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(save, () => keep(name));
  });
  const words = el("div", {}, el("h2", { t: "unsaved.title" }), el("p", { t: "unsaved.text" }));
  const node = el("div", { class: "notice warn" }, words, form);
  return { node, update: ({ live }) => show(node, Boolean(live.identity && !live.profile)) };
}

async function keep(name) {
  const kept = await api.saveLive(name.value.trim());
  name.value = "";
  toast(t("unsaved.saved", { name: kept.name }));
}

/** What is wrong with Codex's own login, when it is not simply absent: `{ node, update }`. */
export function liveTrouble() {
  const words = el("p", {});
  const node = el("div", { class: "notice" }, words);
  const update = ({ live }) => {
    show(node, live.state === "unreadable");
    text(words, t("live.unreadable", { reason: live.reason, action: live.action ?? "" }));
  };
  return { node, update };
}
