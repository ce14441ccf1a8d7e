// A home with logins, the real router on it, and the fake OpenAI behind it, which the Rust side of
// these tests has started.

import { spawn, execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const BIN = process.env.CODEX_ROUTER_BIN;
const FAKE = process.env.FAKE_OPENAI;
const run = promisify(execFile);

/** A home and its router. Logins are `{ name, user, account, email, plan }`, or `{ name, key }`. */
export class World {
  constructor() {
    this.home = mkdtempSync(join(tmpdir(), "codex-router-page-"));
    chmodSync(this.home, 0o700);
    this.write("router/state.json", { version: 1, auto_refresh_enabled: false });
  }

  /** The profiles `work`, which is current, and `other`. */
  static async twoAccounts() {
    return World.with([account("work"), account("other")]);
  }

  static async with(logins, live = logins[0]) {
    const world = new World();
    for (const login of logins) await world.add(login);
    if (live) {
      world.write("auth.json", live.file);
      if (logins.includes(live)) world.write(".current_profile", live.name);
    }
    await world.start();
    return world;
  }

  /** Adds a profile, as a person does with a text editor. */
  async add(login) {
    login.file ??= await loginFile(login);
    this.write(`profiles/${login.name}/auth.json`, login.file);
  }

  write(path, content) {
    const file = join(this.home, path);
    mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(file, text, { mode: 0o600 });
  }

  read(path) {
    return readFileSync(join(this.home, path), "utf8");
  }

  /** The settings and facts as they are on disk. */
  state() {
    return JSON.parse(this.read("router/state.json"));
  }

  #environment() {
    const names = Object.keys(process.env).filter((name) => /^CODEX_R|^PATH$/.test(name));
    const kept = Object.fromEntries(names.map((name) => [name, process.env[name]]));
    return { ...kept, CODEX_HOME: this.home };
  }

  /** Starts the router, at the same port as before if there was one. */
  async start() {
    const listen = this.address ? new URL(this.address).host : "127.0.0.1:0";
    const stdio = ["ignore", "pipe", "pipe"];
    this.router = spawn(BIN, ["serve", "--listen", listen], { env: this.#environment(), stdio });
    this.ended = new Promise((resolve) => this.router.once("exit", resolve));
    this.said = "";
    this.router.stderr.on("data", (piece) => (this.said += piece));
    this.address = await this.#started();
  }

  #started() {
    return new Promise((resolve, reject) => {
      let said = "";
      this.router.stdout.on("data", (piece) => {
        said += piece;
        const address = /listening on (http:\S+)/.exec(said)?.[1];
        if (address) resolve(address.replace(/\/$/, ""));
      });
      this.router.once("exit", () => reject(new Error(`the router did not start: ${this.said}`)));
    });
  }

  async stop() {
    this.router.kill("SIGTERM");
    await this.ended;
  }

  /** Ends everything, and leaves nothing behind. */
  async end() {
    await this.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** A command of the same program, on the same home. */
  async cli(...words) {
    const { stdout } = await run(BIN, words, { env: this.#environment() });
    return stdout;
  }

  /** A call of the control API, as scripts make it. */
  async api(method, path, body) {
    const token = this.read("router/control.token").trim();
    const answer = await fetch(`${this.address}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** An address that opens the page, once. */
  async link() {
    return (await this.api("POST", "/link")).url;
  }

  /** A chat completion through the router. */
  async say(content, { headers = {}, ...more } = {}) {
    const body = { model: "gpt-5.2-codex", messages: [{ role: "user", content }], ...more };
    return fetch(`${this.address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }
}

/** A login of its own account, for a profile of this name. */
export function account(name, more = {}) {
  const email = `${name}@example.com`;
  return { name, user: `user-${name}`, account: `acct-${name}`, email, plan: "pro", ...more };
}

/** An API key, for a profile of this name. */
export const apiKey = (name) => ({ name, key: `sk-${name}-${process.pid}` });

/** Something for the fake: see its `/fake/…` routes. */
export async function fake(path, body, method = "POST") {
  const answer = await fetch(`${FAKE}/fake/${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: method === "GET" ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** The `auth.json` of a login; that account is also who signs in next in the fake's browser. */
export async function loginFile({ user, account: id, email, plan, key }) {
  if (!key) return fake("accounts", { user_id: user, account_id: id, email, plan });
  await fake("api-keys", { key });
  return { auth_mode: "apikey", OPENAI_API_KEY: key };
}

/** Another address for the router, whose wire can be cut and mended. */
export async function relay(address) {
  const { hostname, port } = new URL(address);
  const sockets = new Set();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(port, hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => near.destroy() && far.destroy());
    }
    return near.pipe(far).pipe(near);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  const mend = () => (whole = true);
  const end = () => server.close();
  return { address: `http://127.0.0.1:${server.address().port}`, cut, mend, end };
}
