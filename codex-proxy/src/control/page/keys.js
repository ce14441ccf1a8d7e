// The keys that clients need from the first one on.

import { api } from "./api.js";
import { known, tell } from "./bus.js";
import { button, copyButton } from "./button.js";
import { nameOf } from "./condition.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { attr, el, keyed, show, text } from "./dom.js";
import { field, input } from "./field.js";
import { ago } from "./format.js";
import { section } from "./section.js";
import { t } from "./words.js";

/** The part of the settings: `{ node, update }`. */
export function clientKeys() {
  const none = el("p", { class: "hint", t: "keys.none" });
  const list = el("ul", { class: "keys" });
  const create = button({ kind: "plain", picture: "plus", t: "keys.create", run: createKey });
  const node = section("keys.title", "keys.hint", none, list, el("div", { class: "actions start" }, create));
  const update = () => {
    const keys = known.keys ?? [];
    show(none, keys.length === 0);
    keyed(list, keys, ({ name }) => name, entry);
  };
  return { node, update };
}

function entry({ name }) {
  const title = el("strong", {});
  const facts = el("span", { class: "hint" });
  const revoke = button({ kind: "small danger", t: "keys.revoke", run: () => revokeKey(name) });
  attr(revoke, "aria-label", t("keys.revoke_label", { name }));
  const update = (key) => {
    text(title, key.name);
    text(facts, factsOf(key));
  };
  return { node: el("li", {}, el("div", {}, title, facts), revoke), update };
}

function factsOf({ profile, last_used_at: used, created_at: created }) {
  return [
    profile ? t("keys.bound", { profile }) : t("keys.free"),
    created && t("keys.created", { ago: ago(created) }),
    used ? t("keys.used", { ago: ago(used) }) : t("keys.unused"),
  ].filter(Boolean).join(" · ");
}

/** Asks for the keys there are. */
export async function loadKeys() {
  known.keys = (await api.keys()).keys;
  tell("keys");
}

function createKey() {
  const dialog = openDialog({ title: t("keys.create") });
  const name = input({ maxlength: 64, required: true });
  const bound = el("select", {}, el("option", { value: "", t: "keys.any" }), ...known.overview.profiles.map(choice));
  const submit = async () => {
    const { key } = await api.createKey(name.value.trim(), bound.value || null);
    showOnce(dialog, key);
    await loadKeys();
  };
  const fields = [
    field({ t: "keys.name", hint: "keys.name_hint", control: name }),
    field({ t: "keys.profile", hint: "keys.profile_hint", control: bound }),
  ];
  const first = (known.keys ?? []).length === 0 ? el("p", { class: "outcome warn", t: "keys.first" }) : null;
  fillDialog(dialog, form(dialog, { submit, t: "keys.create" }, ...[first, ...fields].filter(Boolean)));
}

function choice(profile) {
  return el("option", { value: profile.name }, nameOf(profile));
}

/** The one time at which the key itself can be seen. */
function showOnce(dialog, key) {
  const line = el("div", { class: "address-line" }, el("code", { class: "address" }, key), copyButton(() => key));
  const close = button({ kind: "primary", t: "keys.copied", run: dialog.close });
  fillDialog(dialog, el("p", { t: "keys.once" }), line, el("div", { class: "actions" }, close));
}

function revokeKey(name) {
  const dialog = openDialog({ title: t("keys.revoke_title", { name }) });
  const submit = async () => {
    await api.revokeKey(name);
    await loadKeys();
    dialog.close();
  };
  fillDialog(dialog, form(dialog, { submit, t: "keys.revoke", kind: "danger" }, el("p", { t: "keys.revoke_text" })));
}
