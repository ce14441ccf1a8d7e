// Ending a login at OpenAI itself, which nothing brings back.

import { api } from "./api.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { nameOf } from "./condition.js";
import { el } from "./dom.js";
import { t } from "./words.js";
import { toast } from "./toast.js";

/** Asks first what else would stop, and says it. */
export async function signOut(profile) {
  const scope = await api.signOutScope(profile.name);
  const dialog = openDialog({ title: t("sign_out.title", { name: nameOf(profile) }) });
  const submit = async () => {
    await api.signOut(profile.name);
    dialog.close();
    toast(t("sign_out.done", { name: nameOf(profile) }));
  };
  const ends = el("ul", { class: "plain-list" }, ...consequences(scope).map((words) => el("li", {}, words)));
  const intro = el("p", { t: "sign_out.intro" });
  fillDialog(dialog, form(dialog, { submit, t: "sign_out.go", kind: "danger" }, intro, ends));
}

function consequences({ others, live }) {
  const shared = others.map((name) => t("sign_out.other", { name }));
  const codex = live ? [t("sign_out.live")] : [];
  return [t("sign_out.this"), ...shared, ...codex, t("sign_out.kept")];
}
