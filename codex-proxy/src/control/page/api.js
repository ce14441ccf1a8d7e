// Calls of the control API.

import { forgetPageKey, pageKey } from "./session.js";
import { tell } from "./bus.js";

/** The router's refusal: a stable code, and a message for a person. */
export class Refusal extends Error {
  constructor(status, { code, message, param } = {}) {
    super(message ?? `The router answered ${status}.`);
    this.status = status;
    this.code = code ?? null;
    this.param = param ?? null;
  }
}

/** The router could not be reached. */
export class Unreachable extends Error {
  code = "unreachable";
}

/** What every call is sent with. */
export function headers() {
  return { "x-codex-router-page": pageKey() ?? "" };
}

async function call(method, path, body) {
  const init = { method, headers: headers() };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(`/api${path}`, init).catch(() => {
    throw new Unreachable("The router could not be reached.");
  });
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? null : answer.json();
}

/** Reads why the router said no; whoever is no longer let in is told so at once. */
export async function refusal(answer) {
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    forgetPageKey();
    tell("locked");
  }
  return new Refusal(answer.status, told.error);
}

const get = (path) => call("GET", path);
const post = (path, body = {}) => call("POST", path, body);
const patch = (path, body) => call("PATCH", path, body);
const remove = (path) => call("DELETE", path);
const profile = (name, rest = "") => `/profiles/${encodeURIComponent(name)}${rest}`;

/** Every route that the page uses. */
export const api = {
  refresh: () => post("/refresh"),
  use: (name) => post(profile(name, "/use")),
  change: (name, change) => patch(profile(name), change),
  remove: (name) => remove(profile(name)),
  purgeRemoved: (id) => remove(`/removed/${encodeURIComponent(id)}`),
  restore: (name) => post(profile(name, "/restore")),
  readUsage: (name) => post(profile(name, "/usage")),
  signOutScope: (name) => get(profile(name, "/sign-out")),
  signOut: (name) => post(profile(name, "/sign-out")),
  saveLive: (name) => post("/live/save", name ? { name } : {}),
  beginSignIn: (way, name) => post("/sign-ins", name ? { way, name } : { way }),
  signIn: (id) => get(`/sign-ins/${encodeURIComponent(id)}`),
  paste: (id, text) => post(`/sign-ins/${encodeURIComponent(id)}/paste`, { text }),
  cancelSignIn: (id) => remove(`/sign-ins/${encodeURIComponent(id)}`),
  addApiKey: (key, name) => post("/api-keys", name ? { key, name } : { key }),
  settings: () => get("/settings"),
  changeSettings: (change) => patch("/settings", change),
  keys: () => get("/keys"),
  createKey: (name, bound) => post("/keys", bound ? { name, profile: bound } : { name }),
  revokeKey: (name) => remove(`/keys/${encodeURIComponent(name)}`),
  attachment: () => get("/attachment"),
  attach: () => post("/attachment"),
  detach: () => remove("/attachment"),
  setStartsAtLogin: (enabled) => call("PUT", "/desktop/starts-at-login", { enabled }),
};
