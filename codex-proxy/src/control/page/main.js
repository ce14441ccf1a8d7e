// Where the page begins.

import { known, on, setConnection, tell } from "./bus.js";
import { connect, connectNow, disconnect } from "./connection.js";
import { button } from "./button.js";
import { el, text } from "./dom.js";
import { lockedView } from "./locked.js";
import { showNotices } from "./notices.js";
import { profilesView } from "./profiles.js";
import { requestsView } from "./requests.js";
import { onNewKey, pageKey, redeem, takeLink } from "./session.js";
import { settingsView } from "./settings.js";
import { signIn } from "./sign_in.js";
import { setLanguage, setWords, t } from "./words.js";
import { nameOf } from "./condition.js";

const VIEWS = ["profiles", "requests", "settings"];
const TICK_MS = 30_000;

const view = (name) => document.getElementById(`view-${name}`);

/** Shows one view alone. */
function showView(name) {
  document.body.dataset.shown = name;
  for (const node of document.querySelectorAll(".view")) node.hidden = node.id !== `view-${name}`;
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Follows the address, once there is something to show. */
function follow() {
  if (known.connection === "locked" || !known.overview) return;
  const wanted = location.hash.slice(1);
  if (wanted === "add") {
    history.replaceState(null, "", "#profiles");
    signIn();
  }
  showView(VIEWS.includes(wanted) ? wanted : "profiles");
}

function lock(words = "locked.text") {
  disconnect();
  setConnection("locked");
  setWords(document.getElementById("locked-why"), "t", words);
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  document.getElementById("toasts").replaceChildren();
  showView("locked");
}

function unlock() {
  setConnection("starting");
  showView(known.overview ? "profiles" : "starting");
  follow();
  connectNow();
}

function showConnection(connection) {
  const node = document.getElementById("connection");
  node.dataset.connection = connection;
  text(node, t(`connection.${connection}`));
  const banner = document.getElementById("banner");
  banner.hidden = connection !== "lost";
  if (connection === "lost" && !banner.hasChildNodes()) {
    banner.append(el("p", { t: "connection.gone" }), button({ kind: "small", t: "connection.try", run: connectNow }));
  }
}

function showTitle() {
  const current = known.overview?.profiles.find((profile) => profile.current);
  document.title = current ? `${nameOf(current)} – Codex Router` : "Codex Router";
}

/** Ages and times to a reset grow old; nobody reads them in a window that is not seen. */
function tick() {
  if (!document.hidden) tell("tick");
}

async function start() {
  lockedView(view("locked"));
  profilesView(view("profiles"));
  requestsView(view("requests"));
  settingsView(view("settings"));
  setLanguage("auto");
  const secret = takeLink();
  const taken = secret ? await redeem(secret).catch(() => false) : true;
  if (!pageKey()) return lock(taken ? "locked.text" : "locked.link");
  connect();
}

on("connection", showConnection);
on("language", () => showConnection(known.connection));
on("locked", () => lock());
let followed = false;
on("overview", (overview) => {
  setLanguage(overview.language);
  showTitle();
  if (!followed) follow();
  followed = true;
});
addEventListener("hashchange", () => {
  const secret = takeLink();
  if (secret) redeem(secret).then((taken) => (taken ? unlock() : null));
  else follow();
});
onNewKey(unlock);
setInterval(tick, TICK_MS);
showNotices();
showConnection(known.connection);
start();
