// Every setting, and that it is kept.

import assert from "node:assert/strict";
import { eventually, openPage, show } from "../browser.mjs";
import { promise } from "../suite.mjs";
import { World, account, apiKey } from "../world.mjs";

const settings = (world) => world.api("GET", "/settings");
const comes = (world, name, value) =>
  eventually(async () => JSON.stringify((await settings(world))[name]) === JSON.stringify(value), name);
const dialog = (page) => page.getByRole("dialog");

promise("what is changed is kept at once, and over a restart", {}, async ({ world, page }) => {
  await show(page, "settings");
  await page.getByLabel("Ask for the limits every").fill("25");
  await page.keyboard.press("Enter");
  await comes(world, "refresh_interval_seconds", 1500);
  await page.getByRole("switch", { name: "Keep logins alive" }).check();
  await comes(world, "auto_refresh_enabled", true);
  await page.getByLabel("Reasoning in chat completions").selectOption("think-tags");
  await comes(world, "reasoning_format", "think-tags");
  await page.getByLabel("Log level").selectOption("debug");
  await comes(world, "log_level", "debug");
  await page.getByRole("status").filter({ hasText: "Saved" }).waitFor();
  await world.stop();
  await world.start();
  const kept = await settings(world);
  assert.equal(kept.refresh_interval_seconds, 1500);
  assert.equal(kept.reasoning_format, "think-tags");
});

promise("another address counts from the next start, and a bad one is refused", {}, async ({ world, page }) => {
  await show(page, "settings");
  const listen = page.getByLabel("Listen address");
  await listen.fill("nowhere");
  await page.keyboard.press("Enter");
  await eventually(async () => (await listen.getAttribute("aria-invalid")) === "true");
  await listen.fill("127.0.0.1:19876");
  await page.keyboard.press("Enter");
  await comes(world, "listen", "127.0.0.1:19876");
  await page.getByText(`Until the next start the router serves at ${new URL(world.address).host}`).waitFor();
});

promise("the language is changed here, and follows in the other tab", {}, async ({ world, context, page }) => {
  const second = await openPage(context, world);
  await show(page, "settings");
  await page.getByLabel("Language").selectOption("zh-CN");
  await page.getByRole("heading", { name: "设置" }).waitFor();
  await second.getByRole("heading", { name: "账号" }).waitFor();
  assert.equal(await second.locator("html").getAttribute("lang"), "zh-CN");
  await page.getByLabel("语言").selectOption("en");
  await second.getByRole("heading", { name: "Profiles" }).waitFor();
});

promise(
  "a fallback has an order and a cap, and is off again without profiles",
  { world: () => World.with([account("work"), account("other"), apiKey("key")]) },
  async ({ world, page }) => {
    await show(page, "settings");
    const add = async (name) => {
      await page.getByLabel("Then use").selectOption(name);
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByRole("button", { name: `Take out: ${name}` }).waitFor();
    };
    await add("other");
    await add("key");
    await page.getByRole("button", { name: "Earlier: key" }).click();
    await eventually(async () => (await settings(world)).fallback.profiles.join() === "key,other");
    await page.getByLabel("Requests a day, at most").fill("12");
    await page.keyboard.press("Enter");
    await page.getByRole("switch", { name: /Also when the profile in use/ }).check();
    await eventually(async () => {
      const { daily_requests: cap, on_needs_login: also } = (await settings(world)).fallback;
      return cap === 12 && also;
    });
    await page.getByRole("button", { name: "Take out: key" }).click();
    await page.getByRole("button", { name: "Take out: other" }).click();
    await comes(world, "fallback", null);
  },
);

const models = async (world) => (await settings(world)).model_rules.map((rule) => `${rule.model}>${rule.profile}`).join(" ");
const rulesAre = (world, wanted) => eventually(async () => (await models(world)) === wanted, wanted);

promise("a rule gives models to a profile, and is changed, moved and removed with the keyboard", {}, async ({ world, page }) => {
  await show(page, "settings");
  await page.getByText("the profile in use serves every model.").waitFor();
  const type = async (model, profile) => {
    await page.getByLabel("Served by", { exact: true }).selectOption(profile);
    await page.getByLabel("Model", { exact: true }).fill(model);
    await page.keyboard.press("Enter");
  };
  await type("gpt-5*", "other");
  await rulesAre(world, "gpt-5*>other");
  await page.getByLabel("Model of rule 1").waitFor();
  await eventually(async () => (await page.getByLabel("Model", { exact: true }).inputValue()) === "");
  await type("gpt-5-mini", "work");
  await rulesAre(world, "gpt-5*>other gpt-5-mini>work");

  await page.getByRole("button", { name: "Earlier: gpt-5-mini" }).focus();
  await page.keyboard.press("Enter");
  await rulesAre(world, "gpt-5-mini>work gpt-5*>other");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  const first = page.getByLabel("Model of rule 1");
  await eventually(async () => (await first.inputValue()) === "gpt-5-mini");
  assert.equal(await focused(), "Earlier: gpt-5-mini");
  await first.fill("gpt-5-nano");
  await page.keyboard.press("Tab");
  await rulesAre(world, "gpt-5-nano>work gpt-5*>other");
  await eventually(async () => (await focused()) === "Rule 1: gpt-5-nano is served by");
  await page.getByLabel("Rule 2: gpt-5* is served by").selectOption("work");
  await rulesAre(world, "gpt-5-nano>work gpt-5*>work");
  await page.getByRole("button", { name: "Remove the rule for gpt-5-nano" }).click();
  await rulesAre(world, "gpt-5*>work");
  await page.getByLabel("Model of rule 2").waitFor({ state: "detached" });
});

promise("a rule that cannot be is refused at its row, and what was there stays", {}, async ({ world, page }) => {
  await world.api("PATCH", "/settings", { model_rules: [{ model: "a", profile: "work" }, { model: "b", profile: "other" }] });
  await show(page, "settings");
  const second = page.getByLabel("Model of rule 2");
  const row = page.getByRole("listitem").filter({ has: second });
  for (const [typed, said] of [["", "write * for every model"], ["b c", "no spaces"], ["a", "a rule for this already"]]) {
    await second.fill(typed);
    await page.keyboard.press("Tab");
    await row.getByRole("alert").filter({ hasText: said }).waitFor();
    assert.equal(await second.getAttribute("aria-invalid"), "true");
  }
  await second.focus();
  await page.keyboard.press("Escape");
  assert.equal(await second.inputValue(), "b");
  assert.equal(await second.getAttribute("aria-invalid"), null);
  await page.getByLabel("Model", { exact: true }).fill("b");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "a rule for this already" }).waitFor();
  assert.equal(await models(world), "a>work b>other");
});

promise("a rule for a profile that is gone says so, and is given to another one", {}, async ({ world, page }) => {
  await world.api("PATCH", "/settings", { model_rules: [{ model: "gpt-5*", profile: "other" }] });
  await world.cli("remove", "other");
  await show(page, "settings");
  await page.getByLabel("Model", { exact: true }).fill("gpt-6");
  await page.keyboard.press("Enter");
  await eventually(async () => (await settings(world)).model_rules.length === 2);
  await page.getByText("There is no profile “other” any more").waitFor();
  const served = page.getByLabel("Rule 1: gpt-5* is served by");
  assert.equal(await served.locator("option:checked").textContent(), "other (missing)");
  await served.selectOption("work");
  await rulesAre(world, "gpt-5*>work gpt-6>work");
  await page.getByText("There is no profile “other” any more").waitFor({ state: "hidden" });
  assert.equal(await served.locator("option").count(), 1);
});

promise("names in the network and the limits are kept, and what they cannot be is said", {}, async ({ world, page }) => {
  await show(page, "settings");
  const enter = async (label, value) => {
    await page.getByLabel(label).fill(value);
    await page.keyboard.press("Enter");
  };
  await enter("Names in the network", "mini.lan, nas");
  await comes(world, "allowed_hosts", ["mini.lan", "nas"]);
  await enter("Names in the network", "http://mini");
  await eventually(async () => (await page.getByLabel("Names in the network").getAttribute("aria-invalid")) === "true");
  await enter("Connections at once, at most", "3");
  await page.getByText("A number from 16 to 65,536.").waitFor();
  await enter("Connections at once, at most", "300");
  await comes(world, "max_connections", 300);
  await enter("Size of a request, at most", "2048");
  await page.getByText("A number of MiB from 0.0625 to 1,024.").waitFor();
  await enter("Size of a request, at most", "0.5");
  await comes(world, "body_limit_bytes", 512 * 1024);
  assert.deepEqual((await settings(world)).allowed_hosts, ["mini.lan", "nas"]);
});

promise("a client key is shown once, is needed from then on, and can be revoked", {}, async ({ world, page }) => {
  await show(page, "settings");
  await page.getByRole("button", { name: "Create a key" }).click();
  await dialog(page).getByText("This is the first key.").waitFor();
  await dialog(page).getByLabel("Name").fill("editor");
  await dialog(page).getByLabel("Profile").selectOption("other");
  await dialog(page).getByRole("button", { name: "Create a key" }).click();
  const key = await dialog(page).locator("code").textContent();
  assert.match(key, /^crk_[\w-]{43}$/);
  await dialog(page).getByRole("button", { name: "I have copied it" }).click();
  assert.ok(!(await page.content()).includes(key));

  assert.equal((await world.say("hello")).status, 401);
  const let_in = await world.say("hello", { headers: { authorization: `Bearer ${key}` } });
  assert.equal(let_in.headers.get("x-codex-router-profile"), "other");
  await page.getByRole("button", { name: "Revoke editor" }).click();
  await dialog(page).getByRole("button", { name: "Revoke" }).click();
  await page.getByText("every program on this machine may call the router").waitFor();
  assert.equal((await world.say("hello")).status, 200);
});

promise("Codex is attached after its change was shown, and detached to the same bytes", {}, async ({ world, page }) => {
  const before = '# mine\nmodel = "gpt-5.5"\n';
  world.write("config.toml", before);
  await page.getByRole("button", { name: "Attach Codex…" }).click();
  const added = dialog(page).getByText(/^\+\s*openai_base_url/);
  await added.waitFor();
  assert.equal(world.read("config.toml"), before);
  await dialog(page).getByRole("button", { name: "Attach", exact: true }).click();
  const standing = page.locator(".strip .codex");
  await standing.getByText("Attached: it follows every switch at once.").waitFor();
  assert.ok(world.read("config.toml").includes(`openai_base_url = "${world.address}/v1"`));
  await page.getByRole("button", { name: "Detach Codex…" }).click();
  await dialog(page).getByRole("button", { name: "Detach", exact: true }).click();
  await standing.getByText("Not attached: a running Codex does not follow a switch.").waitFor();
  assert.equal(world.read("config.toml"), before);
});
