// The rules for models: which profile serves which models, whatever is in use.

import { known } from "./bus.js";
import { act, button } from "./button.js";
import { nameOf } from "./condition.js";
import { attr, el, fill, icon, keyed, show, text } from "./dom.js";
import { blame, field, input, select } from "./field.js";
import { isSame, nameBefore, reconciled, wrongWith } from "./rule_list.js";
import { section } from "./section.js";
import { t } from "./words.js";

/** The part of the settings: `{ node, update }`. */
export function modelRules(save) {
  const list = ruleList(save);
  const fresh = newRule(save);
  const update = ({ model_rules: rules }, { profiles }) => {
    list.update(rules, profiles);
    fresh.update(profiles);
  };
  return { node: section("rules.title", "rules.hint", list.node, fresh.node), update };
}

/** The rules there are, each where it can be changed. */
function ruleList(save) {
  let rows = [];
  const none = el("p", { class: "hint", t: "rules.none" });
  const list = el("ol", { class: "order rules" });
  const update = (rules, profiles) => {
    rows = reconciled(rows, rules);
    show(none, rows.length === 0);
    const items = rows.map((row, at) => ({ ...row, at, last: at === rows.length - 1, profiles }));
    keyed(list, items, ({ id }) => id, () => entry(save));
  };
  return { node: el("div", { class: "field rule-list" }, none, list), update };
}

function entry(save) {
  let shown = null;
  const model = input({ class: "mono" });
  const profile = select([]);
  const gone = el("p", { class: "rule-gone" });
  const error = el("p", { class: "field-error", role: "alert" });
  const change = (edit) => save(({ model_rules: rules }) => edited(rules, shown, edit), model);
  const up = button({ kind: "bare", picture: "up", run: () => change(moved(-1)) });
  const down = button({ kind: "bare", picture: "down", run: () => change(moved(1)) });
  const out = button({ kind: "bare", picture: "close", run: () => change(() => []) });
  describedBy(model, error);
  model.addEventListener("change", () => rename(model, shown, change));
  model.addEventListener("keydown", (event) => event.key === "Escape" && giveUp(model, shown));
  profile.addEventListener("change", () => change((rule) => [{ ...rule, profile: profile.value }]));
  const line = el("div", { class: "rule-line" }, model, profile, el("div", { class: "rule-moves" }, up, down, out));
  const node = el("li", {}, line, gone, error);
  const update = (row) => {
    shown = row;
    if (!model.hasAttribute("aria-invalid")) fill(model, row.model);
    offer(profile, row.profiles, row.profile);
    fill(profile, row.profile);
    const isThere = row.profiles.some(({ name }) => name === row.profile);
    show(gone, !isThere);
    text(gone, t("rules.gone", { name: nameBefore(row.profile) }));
    name(model, "rules.model_of", row);
    name(profile, "rules.profile_of", row);
    name(up, "fallback.up", row);
    name(down, "fallback.down", row);
    name(out, "rules.out", row);
    attr(up, "aria-disabled", row.at === 0 ? "true" : null);
    attr(down, "aria-disabled", row.last ? "true" : null);
  };
  return { node, update };
}

let count = 0;

/** So that what is wrong is said below the row, and read with it. */
function describedBy(model, error) {
  model.id = `rule-${(count += 1)}`;
  error.id = `${model.id}-error`;
  attr(model, "aria-describedby", error.id);
}

const name = (control, key, { model, at }) => attr(control, "aria-label", t(key, { name: model, number: at + 1 }));

function rename(model, shown, change) {
  const wanted = model.value.trim();
  const others = known.settings.model_rules.filter((rule) => !isSame(rule, shown));
  const wrong = wrongWith(wanted, others);
  blame(model, wrong ? t(wrong) : "");
  if (!wrong) change((rule) => [{ ...rule, model: wanted }]);
}

/** Back to what is kept. */
function giveUp(model, shown) {
  blame(model, "");
  model.value = shown.model;
}

/** The rules with one of them changed by `edit`, which gives what stands in its place. */
function edited(rules, shown, edit) {
  const at = rules.findIndex((rule) => isSame(rule, shown));
  // Another window was faster: what it did stands.
  if (at < 0) return {};
  const next = [...rules];
  const put = edit(rules[at]);
  // It may have come to an end of the list before this move had its turn.
  if (typeof put === "number" && !rules[at + put]) return {};
  if (typeof put === "number") next.splice(at + put, 0, ...next.splice(at, 1));
  else next.splice(at, 1, ...put);
  return { model_rules: next };
}

const moved = (by) => () => by;

/** The profiles there are, and the one that a rule names although it is gone. */
function offer(profile, profiles, chosen) {
  const isThere = profiles.some(({ name }) => name === chosen);
  const gone = isThere || !chosen ? [] : [{ name: chosen, gone: true }];
  keyed(profile, [...profiles, ...gone], ({ name }) => name, ({ name }) => {
    const node = el("option", { value: name });
    const shown = (one) => (one.gone ? t("rules.gone_short", { name: nameBefore(name) }) : nameOf(one));
    return { node, update: (one) => text(node, shown(one)) };
  });
}

/** What adds a rule, at the end. */
function newRule(save) {
  const model = input({ class: "mono", placeholder: "gpt-5*" });
  const profile = select([]);
  const send = el("button", { type: "submit", class: "button plain" }, icon("plus"), el("span", { t: "rules.add" }));
  const asked = field({ t: "rules.model", hint: "rules.model_hint", control: model });
  const served = field({ t: "rules.profile", control: profile, after: send });
  const node = el("form", { class: "new-rule", novalidate: true }, asked, served);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    act(send, () => add(save, model, profile));
  });
  const update = (profiles) => {
    show(node, profiles.length > 0);
    offer(profile, profiles);
  };
  return { node, update };
}

async function add(save, model, profile) {
  const rule = { model: model.value.trim(), profile: profile.value };
  const wrong = wrongWith(rule.model, known.settings.model_rules);
  blame(model, wrong ? t(wrong) : "");
  if (wrong) return model.focus();
  await save(({ model_rules: rules }) => ({ model_rules: [...rules, rule] }), model);
  if (model.hasAttribute("aria-invalid")) return undefined;
  model.value = "";
  return model.focus();
}
