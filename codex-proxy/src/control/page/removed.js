// Removing a profile, and bringing it back.

import { api } from "./api.js";
import { button } from "./button.js";
import { el, keyed, show, text } from "./dom.js";
import { nameOf } from "./condition.js";
import { ago } from "./format.js";
import { toast } from "./toast.js";
import { t } from "./words.js";

/** Removes it at once: it can be undone for as long as the person likes. */
export async function removeProfile(profile) {
  await api.remove(profile.name);
  const action = { t: "undo", run: () => api.restore(profile.name) };
  const shown = toast(t("removed.done", { name: nameOf(profile) }), { action });
  shown.querySelector("button").focus();
}

/** The list of what was removed: `{ node, update }`. */
export function removedList() {
  const summary = el("summary", {});
  const list = el("ul", { class: "removed" });
  const node = el("details", { class: "removed-box" }, summary, list);
  const update = ({ removed }) => {
    show(node, removed.length > 0);
    text(summary, t("removed.title", { count: removed.length }));
    keyed(list, removed, ({ name }) => name, entry);
  };
  return { node, update };
}

function entry({ name }) {
  const title = el("span", { class: "removed-name" });
  const when = el("span", { class: "hint" });
  const restore = button({ kind: "small", t: "removed.restore", run: () => api.restore(name) });
  const node = el("li", {}, title, when, restore);
  const update = (removed) => {
    text(title, removed.label || removed.name);
    text(when, removed.removed_at ? t("removed.when", { ago: ago(removed.removed_at) }) : "");
    restore.setAttribute("aria-label", t("removed.restore_label", { name }));
  };
  return { node, update };
}
