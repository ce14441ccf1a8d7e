// How much of its limits a profile has used, as bars.

import { attr, el, keyed, text } from "./dom.js";
import { ago, moment, percent, until } from "./format.js";
import { pressure } from "./condition.js";
import { has, t } from "./words.js";

/** What is shown before anything was read: the place is kept, so that nothing jumps later. */
const UNREAD = ["5h", "weekly"].map((name) => ({ name, used_percent: null, resets_at: null }));

/** The bars of one profile. */
export function usageBars() {
  const list = el("ul", { class: "bars" });
  const age = el("p", { class: "age" });
  const node = el("div", { class: "usage" }, list, age);
  const update = (profile) => {
    const windows = profile.usage?.windows.length ? profile.usage.windows : UNREAD;
    keyed(list, windows, ({ name }) => name, bar);
    text(age, ageOf(profile.usage));
    attr(age, "title", profile.usage && moment(profile.usage.read_at));
  };
  return { node, update };
}

function ageOf(usage) {
  if (!usage) return t("usage.unread");
  const read = t("usage.read", { ago: ago(usage.read_at) });
  const credits = creditsOf(usage.credits);
  return credits ? `${read} · ${credits}` : read;
}

function creditsOf(credits) {
  if (!credits?.has_credits) return null;
  if (credits.unlimited) return t("usage.credits_unlimited");
  return credits.balance ? t("usage.credits", { balance: credits.balance }) : null;
}

function bar() {
  const name = el("span", { class: "bar-name" });
  const used = el("span", { class: "bar-used" });
  const resets = el("span", { class: "bar-resets" });
  const filled = el("div", { class: "bar-fill" });
  const track = el("div", { class: "bar-track", role: "meter" }, filled);
  attr(track, "aria-valuemin", "0");
  attr(track, "aria-valuemax", "100");
  const node = el("li", { class: "bar-line" }, name, used, track, resets);
  const update = (window) => {
    text(name, windowName(window.name));
    text(used, usedWords(window));
    attr(used, "title", window.read_at && t("usage.read", { ago: ago(window.read_at) }));
    text(resets, resetWords(window));
    attr(resets, "title", window.resets_at && moment(window.resets_at));
    measure(track, filled, window);
    attr(node, "data-pressure", pressure(window));
  };
  return { node, update };
}

/** What is known of a window once its reset has passed is that it began anew. */
function usedNow({ used_percent: used, resets_at: resets }) {
  return resets && !until(resets) ? null : (used ?? null);
}

function measure(track, filled, window) {
  const used = usedNow(window);
  attr(track, "aria-label", windowName(window.name));
  attr(track, "aria-valuenow", Math.min(100, Math.round(used ?? 0)));
  attr(track, "aria-valuetext", [usedWords(window), resetWords(window)].filter(Boolean).join(", "));
  attr(track, "data-unknown", used === null);
  filled.style.transform = `scaleX(${Math.min(1, (used ?? 0) / 100)})`;
}

function usedWords(window) {
  const used = usedNow(window);
  return used === null ? t("usage.unknown") : t("usage.used", { percent: percent(used) });
}

function resetWords({ resets_at: resets }) {
  if (!resets) return "";
  const left = until(resets);
  return left ? t("usage.resets", { length: left }) : t("usage.reset");
}

/** The words for the windows that every plan has; others carry their own name. */
export function windowName(name) {
  return has(`window.${name}`) ? t(`window.${name}`) : name;
}
