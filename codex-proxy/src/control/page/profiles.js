// The first view: all profiles, and what concerns them.

import { api } from "./api.js";
import { attachmentWords, openAttachment } from "./attach.js";
import { known, on } from "./bus.js";
import { button } from "./button.js";
import { card } from "./card.js";
import { addressLine, openConnect } from "./connect.js";
import { attr, el, keyed, show, text } from "./dom.js";
import { guide } from "./guide.js";
import { removedList } from "./removed.js";
import { requestTable } from "./requests.js";
import { signIn } from "./sign_in.js";
import { liveTrouble, unsavedLogin } from "./unsaved.js";
import { setWords } from "./words.js";

/** Fills the view, and keeps it up to date. */
export function profilesView(view) {
  const cards = el("ul", { class: "cards" });
  const parts = [unsavedLogin(), liveTrouble(), guide(), removedList(), strip()];
  const [unsaved, trouble, first, removed, connection] = parts;
  const recent = latest();
  const nodes = [unsaved, trouble, first].map((part) => part.node);
  const head = heading();
  view.append(head.node, ...nodes, cards, removed.node, connection.node, recent.node);
  const update = () => {
    const { overview } = known;
    if (!overview) return;
    for (const part of parts) part.update(overview);
    head.update(overview);
    show(cards, overview.profiles.length > 0);
    show(connection.node, overview.profiles.length > 0);
    keyed(cards, overview.profiles, ({ name }) => name, card);
    recent.update();
  };
  for (const topic of ["overview", "language", "tick"]) on(topic, update);
}

function heading() {
  const refresh = button({ kind: "plain", picture: "refresh", t: "profiles.refresh", run: api.refresh });
  const add = button({ kind: "primary", picture: "plus", t: "profiles.add", run: () => signIn() });
  const actions = el("div", { class: "actions" }, refresh, add);
  const node = el("div", { class: "heading" }, el("h1", { id: "title-profiles", t: "nav.profiles" }), actions);
  // The guide has that button where it belongs.
  return { node, update: ({ profiles }) => show(add, profiles.length > 0) };
}

/** Where clients call, and whether Codex does. */
function strip() {
  const address = addressLine();
  const how = button({ kind: "plain", t: "connect.how", run: openConnect });
  const codex = el("p", { class: "codex" });
  const attach = button({ kind: "plain", t: "attach.attach_short", run: openAttachment });
  const clients = el("div", {}, el("h2", { t: "connect.label" }), address.node, how);
  const own = el("div", {}, el("h2", { t: "attach.label" }), codex, attach);
  const update = ({ attachment }) => {
    address.update();
    text(codex, attachmentWords());
    attr(codex, "data-attachment", attachment);
    const key = attachment === "attached" ? "attach.detach_short" : "attach.attach_short";
    setWords(attach.querySelector("span"), "t", key);
  };
  return { node: el("div", { class: "strip" }, clients, own), update };
}

const LATEST = 6;

function latest() {
  const table = requestTable({ limit: LATEST });
  const all = el("a", { href: "#requests", t: "requests.all" });
  const top = el("div", { class: "heading small" }, el("h2", { t: "requests.latest" }), all);
  const node = el("div", { class: "latest" }, top, table.node);
  const update = () => {
    show(node, known.requests.length > 0);
    table.update();
  };
  on("requests", update);
  return { node, update };
}
