// Pointing Codex at the router, with the change shown before it is made.

import { api } from "./api.js";
import { known } from "./bus.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { el } from "./dom.js";
import { toast } from "./toast.js";
import { t } from "./words.js";

/** Opens the dialog that attaches, or detaches when it is attached. */
export async function openAttachment() {
  const found = await api.attachment();
  const attached = found.state === "attached";
  const title = t(attached ? "attach.detach_title" : "attach.title");
  const dialog = openDialog({ title, wide: true });
  const submit = async () => {
    await (attached ? api.detach() : api.attach());
    dialog.close();
    toast(t(attached ? "attach.detached_now" : "attach.attached_now"));
  };
  const label = attached ? "attach.detach" : "attach.attach";
  fillDialog(dialog, form(dialog, { submit, t: label }, ...explanation(found, attached)));
  dialog.node.querySelector("[type=submit]").focus();
}

function explanation({ state, config_path: path, diff }, attached) {
  const words = el("p", { t: attached ? "attach.detach_intro" : "attach.intro" });
  const warning = ["elsewhere", "foreign"].includes(state) ? el("p", { class: "outcome warn", t: `attach.${state}` }) : null;
  const file = el("p", { class: "hint" }, t("attach.file", { path }));
  const shown = diff ? diffView(diff) : null;
  return [words, warning, file, shown].filter(Boolean);
}

/** What a line of a unified diff is, by its beginning; the first that fits counts. */
const KINDS = [
  [/^(\+\+\+|---|@@)/, "place"],
  [/^\+/, "added"],
  [/^-/, "taken"],
  [/^/, "same"],
];

const kindOf = (line) => KINDS.find(([beginning]) => beginning.test(line))[1];

function diffView(diff) {
  const lines = diff.replace(/\n$/, "").split("\n");
  const nodes = lines.map((line) => el("span", { class: `diff-${kindOf(line)}` }, `${line}\n`));
  return el("pre", { class: "diff", tabindex: "0", role: "region", "aria-label": t("attach.diff") }, ...nodes);
}

/** How Codex stands to the router, in words. */
export function attachmentWords() {
  return t(`attached.${known.overview?.attachment ?? "detached"}`);
}
