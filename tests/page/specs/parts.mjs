// Parts of the page that need no browser.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../../codex-proxy/src/control/page/", import.meta.url);
const part = (name) => import(new URL(name, folder));
const { english } = await part("words_en.js");
const { chinese } = await part("words_zh.js");
const { EventParser } = await part("events.js");
const { el, text } = await part("dom.js");
const { t } = await part("words.js");
const { reconciled, wrongWith } = await part("rule_list.js");

/** The words of every form. */
const forms = (words) => (typeof words === "string" ? [words] : Object.values(words));
const places = (words) => [...forms(words).at(-1).matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

test("both languages have the same words, with the same places", () => {
  assert.deepEqual(Object.keys(chinese), Object.keys(english));
  for (const key of Object.keys(english)) assert.deepEqual(places(chinese[key]), places(english[key]), key);
});

test("every word that the page names is there", () => {
  const files = readdirSync(folder).filter((name) => /\.(js|html)$/.test(name));
  const text = files.map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
  const named = /(?:\bt\(|\bt: |hint: |data-t(?:-\w+)?=|"t-\w+": |label: )"([a-z_]+(?:\.[\w-]+)*)"/g;
  const missing = [...text.matchAll(named)].map(([, key]) => key).filter((key) => !(key in english));
  assert.deepEqual(missing, []);
});

test("words have their places filled, and their number's form", () => {
  assert.equal(t("removed.title", { count: 1 }), "1 removed profile");
  assert.equal(t("removed.title", { count: 2 }), "2 removed profiles");
  assert.equal(t("removed.done", { name: "{name}" }), "“{name}” was removed.");
});

test("a rule stays itself while it is moved, renamed and given away", () => {
  const rule = (model, profile) => ({ model, profile });
  const before = reconciled([], [rule("a", "x"), rule("b", "x"), rule("c", "x")]);
  const ids = (rules) => reconciled(before, rules).map(({ id }) => before.findIndex((row) => row.id === id));
  assert.deepEqual(ids([rule("b", "x"), rule("a", "x"), rule("c", "x")]), [1, 0, 2]);
  assert.deepEqual(ids([rule("a", "x"), rule("new", "x"), rule("c", "x")]), [0, 1, 2]);
  assert.deepEqual(ids([rule("a", "x"), rule("b", "y"), rule("c", "x")]), [0, 1, 2]);
  assert.deepEqual(ids([rule("b", "x"), rule("c", "x")]), [1, 2]);
  assert.deepEqual(ids([rule("a", "x"), rule("b", "x"), rule("c", "x"), rule("d", "x")]), [0, 1, 2, -1]);
});

test("the models of a rule are one word, and no other rule's", () => {
  const others = [{ model: "gpt-5*", profile: "work" }];
  assert.equal(wrongWith("gpt-5", others), null);
  const wrong = { "": "rules.empty", "a b": "rules.spaces", ["é".repeat(65)]: "rules.long", "gpt-5*": "rules.twice" };
  for (const [model, why] of Object.entries(wrong)) assert.equal(wrongWith(model, others), why);
});

test("events are the same however the network cuts them", () => {
  const stream = 'event: overview\ndata: {"a":1}\n\n: comment\n\nevent: notice\r\ndata: {"b":"ü"}\r\n\r\n';
  const expected = [
    { name: "overview", data: '{"a":1}' },
    { name: "notice", data: '{"b":"ü"}' },
  ];
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new EventParser();
    const pieces = stream.match(new RegExp(`[^]{1,${size}}`, "g"));
    assert.deepEqual(pieces.flatMap((piece) => parser.push(piece)), expected, `pieces of ${size}`);
  }
});

test("what a condition leaves out is not shown as a word", () => {
  const node = { textContent: "before" };
  for (const nothing of [null, undefined, false]) {
    text(node, nothing);
    assert.equal(node.textContent, "");
    text(node, 0);
    assert.equal(node.textContent, 0);
  }
  const made = { children: [], append: (...children) => made.children.push(...children) };
  globalThis.document = { createElement: () => made };
  el("p", {}, null, "shown", false, undefined);
  delete globalThis.document;
  assert.deepEqual(made.children, ["shown"]);
});
