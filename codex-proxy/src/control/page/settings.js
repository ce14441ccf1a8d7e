// The settings. Each is saved as it is changed; nothing waits for a button.

import { api } from "./api.js";
import { attachmentWords, openAttachment } from "./attach.js";
import { known, on, setOverview, tell } from "./bus.js";
import { button } from "./button.js";
import { el, fill, show, text } from "./dom.js";
import { fallbackSettings } from "./fallback.js";
import { blame, field, input, select, toggle } from "./field.js";
import { clientKeys, loadKeys } from "./keys.js";
import { modelRules } from "./model_rules.js";
import { section } from "./section.js";
import { serverSettings } from "./server.js";
import { explain, t } from "./words.js";

const LANGUAGES = [
  ["auto", "language.auto"],
  ["en", "language.en"],
  ["zh-CN", "language.zh-CN"],
];

/** Fills the view. What it shows is asked for when it is opened. */
export function settingsView(view) {
  const saved = el("p", { class: "saved", role: "status" });
  const save = saver(saved);
  const [routing, serving] = [[modelRules(save), fallbackSettings(save)], [clientKeys(), serverSettings(save)]];
  const parts = [attachment(), limits(save), ...routing, ...serving, look(save)];
  const heading = el("div", { class: "heading" }, el("h1", { id: "title-settings", t: "nav.settings" }), saved);
  const failed = el("p", { class: "outcome bad", role: "alert", hidden: true });
  const about = el("p", { class: "hint about" });
  view.append(heading, failed, ...parts.map((part) => part.node), about);
  const update = () => {
    if (!known.overview || !known.settings) return;
    for (const part of parts) part.update(known.settings, known.overview);
    text(about, t("settings.about", { version: known.overview.version, home: known.overview.codex_home }));
  };
  for (const topic of ["overview", "settings", "keys", "language"]) on(topic, update);
  onOpen(view, () => load(failed));
}

/** Runs `run` whenever the view comes into sight. */
function onOpen(view, run) {
  const observer = new MutationObserver(() => view.hidden || run());
  observer.observe(view, { attributes: true, attributeFilter: ["hidden"] });
}

async function load(failed) {
  try {
    known.settings = await api.settings();
    show(failed, false);
    tell("settings");
    await loadKeys();
  } catch (error) {
    text(failed, explain(error));
    show(failed, true);
  }
}

/**
 * Gives what saves a change made in `control`, and blames that control where it is refused. One
 * after the other, so that the last one made is the last one kept; a change that builds on what was
 * saved before is a function, called when its turn has come.
 */
function saver(saved) {
  let last = Promise.resolve();
  return (change, control) => (last = last.then(() => saveNow(change, control)));

  async function saveNow(change, control) {
    try {
      const wanted = typeof change === "function" ? change(known.settings) : change;
      known.settings = await api.changeSettings(wanted);
      blame(control, "");
      text(saved, t("settings.saved"));
      tell("settings");
    } catch (error) {
      text(saved, "");
      blame(control, explain(error));
    }
  }
}

function attachment() {
  const standing = el("p", {});
  const change = button({ kind: "plain", t: "settings.attach", run: openAttachment });
  const node = section("attach.label", "attach.hint", standing, el("div", { class: "actions start" }, change));
  return { node, update: () => text(standing, attachmentWords()) };
}

function limits(save) {
  const minutes = input({ type: "number", min: 1, class: "short", inputmode: "numeric" });
  minutes.addEventListener("change", () =>
    save({ refresh_interval_seconds: Math.round(Number(minutes.value) * 60) }, minutes),
  );
  const change = (control) => save({ auto_refresh_enabled: control.checked }, control);
  const keep = toggle({ t: "settings.auto_refresh", hint: "settings.auto_refresh_hint", change });
  const unit = el("span", { class: "hint", t: "settings.minutes" });
  const asked = field({ t: "settings.interval", hint: "settings.interval_hint", control: minutes, after: unit });
  const update = (settings) => {
    fill(minutes, settings.refresh_interval_seconds / 60);
    fill(keep.control, settings.auto_refresh_enabled);
  };
  return { node: section("settings.limits", "settings.limits_hint", asked, keep.node), update };
}

function look(save) {
  const language = select(LANGUAGES);
  language.addEventListener("change", () => save({ language: language.value }, language));
  const login = toggle({ t: "settings.login", hint: "settings.login_hint", change: startsAtLogin });
  const asked = field({ t: "settings.language", control: language });
  const update = (settings, overview) => {
    fill(language, settings.language);
    const starts = overview.desktop?.starts_at_login;
    show(login.node, starts !== null && starts !== undefined);
    fill(login.control, starts);
  };
  return { node: section("settings.look", "settings.look_hint", asked, login.node), update };
}

async function startsAtLogin(control) {
  try {
    setOverview(await api.setStartsAtLogin(control.checked));
  } catch (error) {
    control.checked = !control.checked;
    blame(control, explain(error));
  }
}
