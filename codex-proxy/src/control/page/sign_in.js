// Adding a profile, or renewing one: the dialog around the four ways to sign in.

import { api } from "./api.js";
import { on } from "./bus.js";
import { nameOf } from "./condition.js";
import { fillDialog, form, openDialog } from "./dialog.js";
import { el } from "./dom.js";
import { field, input } from "./field.js";
import { done, ended, waiting } from "./sign_in_steps.js";
import { t } from "./words.js";

const WAYS = ["browser", "device", "paste", "api_key"];

/** The way that helps where another cannot: without a free port nothing comes back to us. */
const INSTEAD = { ports_taken: "device" };

/** Opens the dialog; `renew` is a profile whose login is to be made new. */
export function signIn({ renew = null } = {}) {
  const title = renew ? t("sign_in.renew", { name: nameOf(renew) }) : t("sign_in.add");
  const state = { renew, name: renew?.name ?? "", running: null, shown: null };
  const stop = on("sign_in", (told) => show(state, told));
  state.dialog = openDialog({ title, closed: () => leave(state, stop) });
  if (renew?.auth_mode === "apikey") askForKey(state);
  else choose(state);
}

function leave(state, stop) {
  stop();
  if (state.running?.state === "waiting") api.cancelSignIn(state.running.id).catch(() => {});
  state.running = null;
}

function choose(state) {
  state.shown = null;
  state.running = null;
  const name = input({ value: state.name, maxlength: 64 });
  name.addEventListener("input", () => (state.name = name.value.trim()));
  const asked = field({ t: "sign_in.name", hint: "sign_in.name_hint", control: name });
  const ways = WAYS.filter((way) => !state.renew || way !== "api_key");
  const list = el("ul", { class: "ways" }, ...ways.map((way) => wayButton(state, way)));
  fillDialog(state.dialog, list, state.renew ? null : asked);
  list.querySelector("button").focus();
}

function wayButton(state, way) {
  const words = el("strong", { t: `way.${way}` });
  const hint = el("span", { t: `way.${way}_hint` });
  const click = () => (way === "api_key" ? askForKey(state) : begin(state, way));
  return el("li", {}, el("button", { type: "button", class: "way", on: { click } }, words, hint));
}

async function begin(state, way) {
  if (state.beginning) return;
  state.beginning = true;
  try {
    show(state, { ...(await api.beginSignIn(way, state.name)), ours: true });
  } catch (error) {
    state.dialog.fail(error);
  } finally {
    state.beginning = false;
  }
}

/** Shows how it stands; what is told of another sign-in than ours is not for us. */
function show(state, told) {
  if (!state.dialog.node.open) return;
  if (told.ours) state.running = null;
  else if (state.running?.id !== told.id) return;
  if (isOver(state.running)) return;
  state.running = told;
  // The same step is left as it is: the person may be typing there.
  if (state.shown === stepOf(told)) return;
  state.shown = stepOf(told);
  fillDialog(state.dialog, ...content(state, told));
}

const isOver = (running) => ["done", "failed", "cancelled"].includes(running?.state);
const stepOf = ({ id, state }) => `${id} ${state}`;

function content(state, told) {
  const again = () => choose(state);
  const instead = INSTEAD[told.error?.code];
  switch (told.state) {
    case "done":
      return done(state.dialog, told.kept, state.renew);
    case "failed":
    case "cancelled":
      return ended(told, { again, instead, begin: (way) => begin(state, way) });
    default:
      return waiting(state.dialog, told, again);
  }
}

function askForKey(state) {
  const key = input({ type: "password", required: true, class: "mono" });
  const name = input({ value: state.name, maxlength: 64 });
  const submit = async () => {
    const { name: kept, created } = await api.addApiKey(key.value.trim(), name.value.trim());
    fillDialog(state.dialog, ...done(state.dialog, { name: kept, created }, state.renew));
  };
  const named = field({ t: "sign_in.name", hint: "sign_in.key_name_hint", control: name });
  const fields = [field({ t: "sign_in.key", hint: "sign_in.key_hint", control: key })];
  if (!state.renew) fields.push(named);
  fillDialog(state.dialog, form(state.dialog, { submit, t: "sign_in.add_key" }, ...fields));
}
