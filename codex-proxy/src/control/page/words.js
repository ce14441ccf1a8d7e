// The words of the page, in the language that was chosen.

import { tell } from "./bus.js";
import { english } from "./words_en.js";
import { chinese } from "./words_zh.js";

const LANGUAGES = { en: english, "zh-CN": chinese };

let language = "en";
let begun = false;

/** The language of the page now, as HTML and `Intl` spell it. */
export function currentLanguage() {
  return language;
}

/** Follows the setting: `auto` is the browser's language. */
export function setLanguage(setting) {
  const wanted = setting === "auto" ? ofBrowser() : setting;
  if (wanted === language && begun) return;
  language = wanted in LANGUAGES ? wanted : "en";
  begun = true;
  document.documentElement.lang = language;
  translate(document);
  tell("language", language);
}

function ofBrowser() {
  const known = navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag));
  return /^zh/i.test(known ?? "") ? "zh-CN" : "en";
}

/**
 * The words for `key`, with its `{places}` filled. Words that depend on a number are objects of the
 * plural forms; the number is `count`.
 */
export function t(key, places = {}) {
  let words = LANGUAGES[language][key] ?? english[key] ?? key;
  if (typeof words === "object") {
    const form = new Intl.PluralRules(language).select(places.count);
    words = words[form] ?? words.other;
  }
  return words.replace(/\{(\w+)\}/g, (whole, name) => places[name] ?? whole);
}

/** Whether there are words for `key`. */
export function has(key) {
  return key in english;
}

/** Where words go: into the element, or into one of its attributes. */
const PLACES = {
  t: (node, words) => (node.textContent = words),
  "t-label": (node, words) => node.setAttribute("aria-label", words),
  "t-placeholder": (node, words) => node.setAttribute("placeholder", words),
};

/** Gives an element words that follow the language. */
export function setWords(node, place, key) {
  node.setAttribute(`data-${place}`, key);
  PLACES[place](node, t(key));
}

/** Fills all elements that name their words. */
function translate(root) {
  for (const [place, put] of Object.entries(PLACES)) {
    for (const node of root.querySelectorAll(`[data-${place}]`)) {
      put(node, t(node.getAttribute(`data-${place}`)));
    }
  }
}

/** What an error says to a person: our own words where there are some, else the router's. */
export function explain(error) {
  const key = `error.${error.code}`;
  if (language !== "en" && has(key)) return t(key);
  return error.message;
}
