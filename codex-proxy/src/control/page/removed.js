// Removing a profile, bringing it back, and deleting it for good.

import { api } from "./api.js";
import { known } from "./bus.js";
import { button } from "./button.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { attr, el, keyed, show, text } from "./dom.js";
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
    keyed(list, removed, ({ id }) => id, (first) => entry(first, summary));
  };
  return { node, update };
}

function entry(first, summary) {
  let removed = first;
  const title = el("span", { class: "removed-name" });
  const when = el("span", { class: "hint" });
  const restore = button({ kind: "small", t: "removed.restore", run: () => api.restore(removed.name) });
  const purge = button({ kind: "small danger", t: "removed.purge", run: () => askToPurge(removed, summary) });
  const node = el("li", {}, title, when, el("div", { class: "removed-acts" }, restore, purge));
  const update = (now) => {
    removed = now;
    const name = nameOf(removed);
    text(title, name);
    text(when, removed.removed_at ? t("removed.when", { ago: ago(removed.removed_at) }) : "");
    attr(restore, "aria-label", t("removed.restore_label", { name }));
    attr(purge, "aria-label", t("removed.purge_label", { name }));
  };
  return { node, update };
}

/** Says first what is lost. The focus goes on to `after`: what opened the dialog is gone then. */
function askToPurge(removed, after) {
  const dialog = openDialog({ title: t("removed.purge_title", { name: nameOf(removed) }) });
  const submit = async () => {
    await api.purgeRemoved(removed.id);
    dialog.close();
    after.focus();
    toast(t("removed.purged", { name: nameOf(removed) }));
  };
  const lost = el("ul", { class: "plain-list" }, ...losses(removed).map((words) => el("li", {}, words)));
  fillDialog(dialog, form(dialog, { submit, t: "removed.purge_go", kind: "danger" }, el("p", { t: "removed.purge_intro" }), lost));
}

function losses({ name, removed_at: at }) {
  const isBack = known.overview.profiles.some((profile) => profile.name === name);
  return [
    at ? t("removed.loses_since", { name, ago: ago(at) }) : t("removed.loses", { name }),
    t("removed.loses_label"),
    isBack && t("removed.other_stays", { name }),
    t("removed.openai"),
  ].filter(Boolean);
}
