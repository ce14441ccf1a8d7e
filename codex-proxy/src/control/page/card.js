// A profile as a card.

import { api } from "./api.js";
import { known } from "./bus.js";
import { button } from "./button.js";
import { conditionOf, kindOf, nameOf } from "./condition.js";
import { attr, el, paintDot, show, text } from "./dom.js";
import { editProfile } from "./edit_profile.js";
import { ago, capital, moment } from "./format.js";
import { menu } from "./menu.js";
import { removeProfile } from "./removed.js";
import { signIn } from "./sign_in.js";
import { signOut } from "./sign_out.js";
import { switchHint } from "./switch_hint.js";
import { switchTo } from "./switching.js";
import { usageBars } from "./usage.js";
import { setWords, t } from "./words.js";

/** A card: `{ node, update }`, for `keyed`. */
export function card(first) {
  let profile = first;
  const now = () => profile;
  const parts = [head(now), state(now), limits(), foot(now), switchHint()];
  const node = el("li", { class: "card" }, ...parts.map((part) => part.node));
  const update = (next) => {
    profile = next;
    attr(node, "data-current", next.current);
    attr(node, "data-profile", next.name);
    for (const part of parts) part.update(next);
  };
  return { node, update };
}

function head(now) {
  const dot = el("span", { class: "dot" });
  const name = el("h3", {});
  const use = useButton(now);
  const who = el("p", { class: "who" });
  const facts = el("p", { class: "facts" });
  const title = el("div", { class: "card-title" }, dot, name, use);
  const update = (profile) => {
    paintDot(dot, profile.color);
    text(name, nameOf(profile));
    attr(name, "title", nameOf(profile));
    text(who, whoOf(profile));
    attr(who, "title", profile.email);
    text(facts, factsOf(profile));
    attr(facts, "title", factsOf(profile));
    updateUse(use, profile);
  };
  return { node: el("div", { class: "card-head" }, title, who, facts), update };
}

/** An API key has no owner's address; what it is stands in that place. */
function whoOf(profile) {
  if (profile.email) return profile.email;
  return profile.auth_mode === "apikey" ? kindOf(profile) : t("card.no_email");
}

function factsOf(profile) {
  const plan = profile.plan && capital(profile.plan);
  const kind = profile.auth_mode === "apikey" ? null : kindOf(profile);
  const facts = [profile.workspace, plan, kind, ownName(profile)];
  return facts.filter(Boolean).join(" · ");
}

/** The name, where the label does not show it already. */
function ownName({ name, label }) {
  return label && label.toLowerCase() !== name.toLowerCase() ? name : null;
}

/** One and the same button before and after the switch, so that the focus stays on it. */
function useButton(now) {
  const run = () => (now().current ? null : switchTo(now().name));
  const node = button({ kind: "use", picture: "check", t: "card.use", run });
  return node;
}

function updateUse(node, profile) {
  const key = profile.current ? "card.in_use" : "card.use";
  setWords(node.querySelector("span"), "t", key);
  attr(node, "aria-pressed", String(profile.current));
  attr(node, "aria-label", t("card.use_label", { name: nameOf(profile), state: t(key) }));
}

function state(now) {
  const words = el("strong", {});
  const detail = el("span", {});
  const mend = button({ kind: "small", t: "card.sign_in_again", run: () => mending(now()) });
  const line = el("p", {}, el("span", { class: "tone" }), words, detail);
  const node = el("div", { class: "state" }, line, mend);
  const update = (profile) => {
    const condition = conditionOf(profile);
    attr(node, "data-tone", condition.tone);
    text(words, condition.words);
    text(detail, condition.detail);
    show(mend, Boolean(condition.mend));
    const key = condition.mend === "check" ? "card.check" : "card.sign_in_again";
    setWords(mend.querySelector("span"), "t", key);
  };
  return { node, update };
}

function mending(profile) {
  return conditionOf(profile).mend === "check" ? api.refresh() : signIn({ renew: profile });
}

function limits() {
  const bars = usageBars();
  const none = el("p", { class: "no-limits", t: "card.no_limits" });
  const node = el("div", { class: "limits" }, bars.node, none);
  const update = (profile) => {
    const counted = profile.auth_mode !== "apikey";
    show(bars.node, counted);
    show(none, !counted);
    if (counted) bars.update(profile);
  };
  return { node, update };
}

function foot(now) {
  const refreshed = el("p", { class: "refreshed" });
  const more = menu();
  const node = el("div", { class: "card-foot" }, refreshed, more.node);
  const update = (profile) => {
    const at = profile.last_refresh;
    text(refreshed, at ? t("card.refreshed", { ago: ago(at) }) : "");
    attr(refreshed, "title", at && moment(at));
    more.update(t("card.more", { name: nameOf(profile) }), actions(now));
  };
  return { node, update };
}

function actions(now) {
  const profile = now();
  const all = [
    { key: "edit", t: "menu.edit", run: () => editProfile(now()) },
    { key: "usage", t: "menu.usage", run: () => api.readUsage(now().name) },
    { key: "renew", t: "menu.renew", run: () => signIn({ renew: now() }) },
    { key: "out", t: "menu.sign_out", run: () => signOut(now()) },
    { key: "remove", t: "menu.remove", run: () => removeProfile(now()), danger: true },
  ];
  const removal = all.at(-1);
  removal.why = profile.current && known.overview.profiles.length > 1 ? "menu.remove_current" : null;
  const key = profile.auth_mode === "apikey";
  return all.filter((action) => !key || !["usage", "out"].includes(action.key));
}
