// What is shown while a sign-in goes on, and at its end.

import { api } from "./api.js";
import { button, copyButton } from "./button.js";
import { el, icon } from "./dom.js";
import { field } from "./field.js";
import { hour } from "./format.js";
import { form } from "./dialog.js";
import { profileNamed } from "./bus.js";
import { nameOf } from "./condition.js";
import { switchTo } from "./switching.js";
import { explain, has, t } from "./words.js";

/** While the person signs in, and while the login is being kept. */
export function waiting(dialog, told, back) {
  if (told.state === "redeeming") return [progress("sign_in.redeeming")];
  const steps = { browser: byBrowser, device: byDevice, paste: byPaste }[told.way];
  return [...steps(told, dialog), ...standing(told, dialog, back)];
}

function byBrowser({ url }) {
  return [el("p", { t: "sign_in.browser_do" }), openLink(url)];
}

function byDevice({ url, code }) {
  const shown = el("div", { class: "code" }, el("code", {}, code), copyButton(() => code));
  return [
    el(
      "ol",
      { class: "steps" },
      el("li", {}, el("p", { t: "sign_in.device_open" }), openLink(url), el("code", { class: "address" }, url)),
      el("li", {}, el("p", { t: "sign_in.device_code" }), shown),
    ),
  ];
}

function byPaste({ id, url }, dialog) {
  const control = el("textarea", { rows: 3, class: "mono", autocomplete: "off", spellcheck: "false" });
  const submit = async () => {
    await api.paste(id, control.value.trim());
  };
  const pasted = field({ t: "sign_in.pasted", hint: "sign_in.pasted_hint", control });
  return [
    el("ol", { class: "steps" }, el("li", {}, el("p", { t: "sign_in.paste_open" }), openLink(url))),
    form(dialog, { submit, t: "sign_in.finish", cancel: false }, pasted),
  ];
}

function openLink(url) {
  const attributes = { class: "button primary", href: url, target: "_blank", rel: "noopener noreferrer" };
  const link = el("a", attributes, icon("open"), el("span", { t: "sign_in.open" }));
  return el("div", { class: "actions start" }, link, copyButton(() => url, "sign_in.copy_link"));
}

/** What is going on, until when, and how to stop it. */
function standing(told, dialog, back) {
  const until = el("span", { class: "hint" }, t("sign_in.until", { time: hour(told.expires_at) }));
  const cancel = button({ kind: "plain", t: "sign_in.other_way", run: () => stop(told, back) });
  return [progress("sign_in.waiting", until), el("div", { class: "actions" }, cancel)];
}

async function stop(told, back) {
  back();
  await api.cancelSignIn(told.id);
}

function progress(words, ...more) {
  const spinner = el("span", { class: "spinner", "aria-hidden": "true" });
  return el("p", { class: "progress", role: "status" }, spinner, el("span", { t: words }), ...more);
}

/** It did not work: why, and what to do. */
export function ended({ state, error }, { again, instead, begin }) {
  const why = state === "cancelled" ? t("sign_in.cancelled") : explain(error ?? {});
  const todo = error && has(`todo.${error.code}`) ? el("p", { t: `todo.${error.code}` }) : null;
  const other = instead && button({ kind: "primary", t: `sign_in.use_${instead}`, run: () => begin(instead) });
  const retry = button({ kind: instead ? "plain" : "primary", t: "sign_in.again", run: again });
  return [el("p", { class: "outcome bad", role: "alert" }, why), todo, actions(retry, other)];
}

/** It worked: what it is called now, and the next thing to do. */
export function done(dialog, kept, renewed) {
  const profile = profileNamed(kept.name);
  const name = profile ? nameOf(profile) : kept.name;
  const words = t(kept.created ? "sign_in.created" : "sign_in.renewed", { name });
  const taken = kept.name_taken ? el("p", { class: "hint", t: "sign_in.name_taken" }) : null;
  const close = button({ kind: "plain", t: "close", run: dialog.close });
  const use = button({ kind: "primary", t: "sign_in.use_now", run: () => useIt(dialog, kept.name) });
  const current = profile?.current || renewed?.current;
  const good = el("p", { class: "outcome good", role: "status" }, icon("check"), words);
  return [good, taken, current ? actions(close) : actions(close, use)];
}

async function useIt(dialog, name) {
  await switchTo(name);
  dialog.close();
}

function actions(...buttons) {
  return el("div", { class: "actions" }, ...buttons);
}
