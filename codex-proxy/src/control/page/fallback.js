// The fallback: which profiles serve instead when the current one has reached its limit.

import { button } from "./button.js";
import { nameOf } from "./condition.js";
import { attr, el, fill, keyed, show, text } from "./dom.js";
import { field, input, select, toggle } from "./field.js";
import { section } from "./section.js";
import { t } from "./words.js";

/** What a fallback begins with: a cap small enough that a forgotten one costs little. */
const FRESH = { profiles: [], on_needs_login: false, daily_requests: 200, daily_tokens: null };

/** The part of the settings: `{ node, update }`. */
export function fallbackSettings(save) {
  const change = (part, control) =>
    save(({ fallback }) => ({ fallback: { ...(fallback ?? FRESH), ...part } }), control);
  const reorder = (edit) => ({ fallback }) => {
    const order = fallback?.profiles ?? [];
    const profiles = edit(order);
    if (profiles === order) return {};
    return { fallback: profiles.length === 0 ? null : { ...(fallback ?? FRESH), profiles } };
  };
  const order = profileOrder((edit, control) => save(reorder(edit), control));
  const cap = numberField("fallback.requests", "fallback.requests_hint", (value, control) => change({ daily_requests: value }, control));
  const tokens = numberField("fallback.tokens", "fallback.tokens_hint", (value, control) => change({ daily_tokens: value }, control));
  const login = toggle({
    t: "fallback.on_needs_login",
    change: (control) => change({ on_needs_login: control.checked }, control),
  });
  const caps = el("div", { class: "caps" }, cap.node, tokens.node, login.node);
  const update = (settings, overview) => {
    const { fallback } = settings;
    order.update(fallback?.profiles ?? [], overview.profiles);
    show(caps, Boolean(fallback));
    fill(cap.control, fallback?.daily_requests);
    fill(tokens.control, fallback?.daily_tokens);
    fill(login.control, fallback?.on_needs_login);
  };
  return { node: section("fallback.title", "fallback.hint", order.node, caps), update };
}

function numberField(words, hint, changed) {
  const control = input({ type: "number", min: 1, class: "short", inputmode: "numeric", "t-placeholder": "fallback.no_cap" });
  control.addEventListener("change", () => changed(control.value ? Number(control.value) : null, control));
  return { control, node: field({ t: words, hint, control }) };
}

/**
 * The ordered list, and what adds to it: `{ node, update }`. `change` is given what makes the new
 * order of the one that is kept when its turn has come: another change may be on its way.
 */
function profileOrder(change) {
  let [chosen, profiles] = [[], []];
  const off = el("p", { class: "hint", t: "fallback.off" });
  const list = el("ol", { class: "order" });
  const more = select([]);
  const without = (order, name) => order.filter((other) => other !== name);
  const added = (name) => change((order) => [...without(order, name), name], more);
  const add = button({ kind: "plain", picture: "plus", t: "fallback.add", run: () => added(more.value) });
  const moved = (name, by) => change((order) => {
    const [at, to] = [order.indexOf(name), order.indexOf(name) + by];
    // It may be gone, or at an end of the list, before this move has its turn.
    if (at < 0 || to < 0 || to >= order.length) return order;
    return without(order, name).toSpliced(to, 0, name);
  }, more);
  const gone = (name) => change((order) => without(order, name), more);
  const asked = field({ t: "fallback.profile", control: more, after: add });
  const update = (nowChosen, nowProfiles) => {
    [chosen, profiles] = [nowChosen, nowProfiles];
    const named = (name) => profiles.find((profile) => profile.name === name);
    const items = chosen.map((name, at) => ({ name, at, last: at === chosen.length - 1, profile: named(name) }));
    keyed(list, items, ({ name }) => name, ({ name }) => entry(name, moved, gone));
    show(off, chosen.length === 0);
    const others = profiles.filter(({ name }) => !chosen.includes(name));
    offer(more, others);
    show(asked, others.length > 0);
  };
  return { node: el("div", { class: "field" }, off, list, asked), update };
}

function offer(more, profiles) {
  keyed(more, profiles, ({ name }) => name, ({ name }) => {
    const node = el("option", { value: name });
    return { node, update: (profile) => text(node, nameOf(profile)) };
  });
}

function entry(name, moved, gone) {
  const title = el("span", {});
  const up = button({ kind: "bare", picture: "up", run: () => moved(name, -1) });
  const down = button({ kind: "bare", picture: "down", run: () => moved(name, 1) });
  const out = button({ kind: "bare", picture: "close", run: () => gone(name) });
  const node = el("li", {}, title, up, down, out);
  const update = ({ at, last, profile }) => {
    const shown = profile ? nameOf(profile) : name;
    text(title, shown);
    for (const [control, key] of [[up, "fallback.up"], [down, "fallback.down"], [out, "fallback.out"]]) {
      attr(control, "aria-label", t(key, { name: shown }));
    }
    attr(up, "aria-disabled", at === 0 ? "true" : null);
    attr(down, "aria-disabled", last ? "true" : null);
  };
  return { node, update };
}
