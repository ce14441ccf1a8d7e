// Pages of other origins try everything that a browser lets them, while a person has the page open
// beside them: none of it may be answered, and nothing may change.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, test } from "node:test";
import { launch, newContext, openPage } from "../browser.mjs";
import { World } from "../world.mjs";

const world = await World.twoAccounts();
const port = new URL(world.address).port;
// A name whose owner lets it point at this machine, as DNS rebinding does.
const browser = await launch("--host-resolver-rules=MAP rebound.example 127.0.0.1");

/** A server of somebody else's. It takes part in no way but by being there. */
const stranger = createServer((_, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end("<!doctype html><title>stranger</title><body></body>");
}).listen(0, "127.0.0.1");
await once(stranger, "listening");
const strange = `127.0.0.1:${stranger.address().port}`;

after(async () => {
  stranger.close();
  await world.end();
});

const ROUTES = [
  ["GET", "/api/overview"],
  ["GET", "/api/events"],
  ["GET", "/api/requests"],
  ["GET", "/api/settings"],
  ["GET", "/api/keys"],
  ["GET", "/api/attachment"],
  ["GET", "/api/openapi.json"],
  ["GET", "/api/profiles/other/sign-out"],
  ["POST", "/api/link"],
  ["POST", "/api/session"],
  ["POST", "/api/refresh"],
  ["POST", "/api/profiles/other/use"],
  ["POST", "/api/profiles/other/usage"],
  ["POST", "/api/profiles/other/sign-out"],
  ["POST", "/api/profiles/gone/restore"],
  ["POST", "/api/live/save"],
  ["POST", "/api/sign-ins"],
  ["POST", "/api/api-keys"],
  ["POST", "/api/keys"],
  ["POST", "/api/attachment"],
  ["POST", "/api/window"],
  ["PATCH", "/api/profiles/other"],
  ["PATCH", "/api/settings"],
  ["PUT", "/api/desktop/starts-at-login"],
  ["DELETE", "/api/profiles/other"],
  ["DELETE", "/api/keys/editor"],
  ["DELETE", "/api/attachment"],
  ["GET", "/v1/models"],
  ["POST", "/v1/chat/completions"],
  ["POST", "/v1/responses"],
];

/** Everything on disk that a change could touch. */
const onDisk = () =>
  [".current_profile", "auth.json", "profiles/other/auth.json", "router/state.json"].map((file) => world.read(file));

/** What a foreign page got to read, run in that page. */
async function tryEverything({ target, routes, pageKey }) {
  const got = [];
  const within = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 4000))]);
  const attempt = (method, path, init) =>
    fetch(`${target}${path}`, { method, credentials: "include", ...init })
      .then((answer) => answer.type !== "opaque" && answer.ok && got.push(`${method} ${path}: ${answer.status}`))
      .catch(() => {});
  const json = { "content-type": "application/json" };
  const body = (method) => (method === "GET" ? undefined : "{}");
  for (const [method, path] of routes) {
    await within(attempt(method, path, { headers: json, body: body(method) }));
    // Even one who knows the key of the page has it in the wrong place.
    await within(attempt(method, path, { headers: { "x-codex-router-page": pageKey }, body: body(method) }));
    if (["GET", "POST"].includes(method)) {
      await within(attempt(method, path, { mode: "no-cors", body: body(method) }));
      await within(byForm(method, path));
    }
    if (method === "GET") {
      await within(byElement("img", path));
      await within(byElement("script", path));
      await within(byEvents(path));
    }
  }
  await within(bySocket("/v1/responses"));
  return got;

  function byForm(method, path) {
    return new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.name = `frame-${Math.random()}`;
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, { method, action: `${target}${path}`, target: frame.name, enctype: "text/plain" });
      document.body.append(form);
      frame.addEventListener("load", done);
      form.submit();
      setTimeout(done, 300);
    });
  }

  function byElement(tag, path) {
    return new Promise((done) => {
      const node = document.createElement(tag);
      node.addEventListener("load", () => done(got.push(`${tag} ${path}`)));
      node.addEventListener("error", done);
      node.src = `${target}${path}`;
      document.body.append(node);
    });
  }

  function byEvents(path) {
    return new Promise((done) => {
      const source = new EventSource(`${target}${path}`, { withCredentials: true });
      source.addEventListener("open", () => got.push(`EventSource ${path}`));
      source.addEventListener("error", () => done(source.close()));
      setTimeout(() => done(source.close()), 300);
    });
  }

  function bySocket(path) {
    return new Promise((done) => {
      const socket = new WebSocket(`${target.replace("http", "ws")}${path}`);
      socket.addEventListener("open", () => done(got.push(`WebSocket ${path}`)));
      socket.addEventListener("close", done);
    });
  }
}

/** The person has the page open; the stranger's page runs in the same browser. */
async function attack(from, target) {
  const context = await newContext(browser);
  const page = await openPage(context, world);
  const pageKey = await page.evaluate(() => localStorage.getItem("codex-router-page-key"));
  const before = onDisk();
  const tab = await context.newPage();
  await tab.goto(from);
  const got = await tab.evaluate(tryEverything, { target, routes: ROUTES, pageKey });
  assert.deepEqual(got, []);
  assert.deepEqual(onDisk(), before);
  const { profiles, attachment } = await world.api("GET", "/overview");
  assert.deepEqual(profiles.map(({ name }) => name), ["other", "work"]);
  assert.equal(attachment, "detached");
  await context.close();
}

test("a page on another port of this machine gets nothing", () => attack(`http://${strange}/`, world.address));

test("a page under another name of this machine gets nothing", () =>
  attack(`http://localhost:${stranger.address().port}/`, `http://localhost:${port}`));

test("the router's own page under another name has no session there", async () => {
  const context = await newContext(browser);
  await openPage(context, world);
  const tab = await context.newPage();
  await tab.goto(`http://localhost:${port}/`);
  await tab.getByRole("heading", { name: "This page is closed" }).waitFor();
  await context.close();
});

test("a name that was made to point here is not served at all", async () => {
  const context = await newContext(browser);
  await openPage(context, world);
  const tab = await context.newPage();
  const answer = await tab.goto(`http://rebound.example:${port}/`);
  assert.equal(answer.status(), 403);
  const statuses = await tab.evaluate(
    (routes) =>
      Promise.all(
        routes.map(([method, path]) =>
          fetch(path, { method, headers: { "content-type": "application/json" }, body: method === "GET" ? undefined : "{}" }).then(
            ({ status }) => status,
          ),
        ),
      ),
    ROUTES,
  );
  assert.deepEqual([...new Set(statuses)], [403]);
  await context.close();
});

test("the page cannot be framed, and runs nothing but its own files", async () => {
  const answer = await fetch(world.address, { headers: { accept: "text/html" } });
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!/unsafe/.test(policy), policy);
});
