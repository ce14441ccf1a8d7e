// How a client is pointed at the router: its address, and a few lines to copy.

import { known } from "./bus.js";
import { copyButton } from "./button.js";
import { fillDialog, openDialog } from "./dialog.js";
import { attr, el, text } from "./dom.js";
import { t } from "./words.js";

const SNIPPETS = {
  curl: (base) => `curl -N ${base}/chat/completions \\
  -H 'Content-Type: application/json' \\
  -d '{"model":"gpt-5.5","stream":true,
       "messages":[{"role":"user","content":"hello"}]}'`,
  Python: (base) => `from openai import OpenAI

client = OpenAI(base_url="${base}", api_key="unused")
answer = client.responses.create(model="gpt-5.5", input="hello")
print(answer.output_text)`,
  Codex: (base) => `# ~/.codex/config.toml
openai_base_url = "${base}"`,
};

/** The address that clients are given. */
export const baseUrl = () => `${known.overview?.address ?? location.origin}/v1`;

/** The address with a button that copies it: `{ node, update }`. */
export function addressLine() {
  const code = el("code", { class: "address" });
  const node = el("div", { class: "address-line" }, code, copyButton(baseUrl));
  return { node, update: () => text(code, baseUrl()) };
}

let count = 0;

/** Tabs with a snippet each: `{ node, update }`. */
export function snippets() {
  const id = `snippets-${(count += 1)}`;
  const code = el("code", {});
  const panel = el("pre", { class: "snippet", id: `${id}-panel`, role: "tabpanel", tabindex: "0" }, code);
  const tabs = Object.keys(SNIPPETS).map((name) => tab(id, name));
  const list = el("div", { class: "tabs", role: "tablist" }, ...tabs);
  const copy = copyButton(() => code.textContent);
  let chosen = tabs[0];
  const choose = (wanted) => {
    chosen = wanted;
    for (const one of tabs) select(one, one === wanted);
    attr(panel, "aria-labelledby", wanted.id);
    text(code, SNIPPETS[wanted.textContent](baseUrl()));
  };
  for (const one of tabs) one.addEventListener("click", () => choose(one));
  list.addEventListener("keydown", (event) => step(event, tabs, choose));
  choose(chosen);
  const top = el("div", { class: "tabs-line" }, list, copy);
  return { node: el("div", { class: "snippets" }, top, panel), update: () => choose(chosen) };
}

function tab(id, name) {
  const attributes = { type: "button", role: "tab", id: `${id}-${name}`, "aria-controls": `${id}-panel` };
  return el("button", attributes, name);
}

function select(tab, selected) {
  attr(tab, "aria-selected", String(selected));
  tab.tabIndex = selected ? 0 : -1;
}

function step(event, tabs, choose) {
  const by = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[event.key];
  if (!by) return;
  const next = tabs[(tabs.indexOf(document.activeElement) + by) % tabs.length];
  choose(next);
  next.focus();
}

/** Opens all that as a dialog. */
export function openConnect() {
  const dialog = openDialog({ title: t("connect.title"), wide: true });
  const [address, lines] = [addressLine(), snippets()];
  address.update();
  fillDialog(dialog, el("p", { t: "connect.intro" }), address.node, lines.node);
}
