// Pictures of the page for the documents: `scripts/screenshots` runs this, and nothing else does.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { FLAGS, card, newContext, openPage, show } from "./browser.mjs";
import { World, account, apiKey, fake } from "./world.mjs";

const folder = process.argv[2];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

const LOGINS = [
  account("work", { email: "ada@acme.example", plan: "business" }),
  account("personal", { email: "ada.lovelace@example.org", plan: "plus" }),
  apiKey("api-key"),
];

const world = await World.with(LOGINS);
await world.api("PATCH", "/profiles/work", { label: "Work", color: "#0d9488" });
await world.api("PATCH", "/profiles/personal", { label: "Personal", color: "#7c3aed" });
await world.api("PATCH", "/profiles/api-key", { label: "API key", color: "#d97706" });
await fake("usage", { account: "acct-work", primary: 42, secondary: 7 });
await fake("usage", { account: "acct-personal", primary: 86, secondary: 61 });
await world.api("POST", "/refresh");
await talk();

/** Some traffic of different clients. */
async function talk() {
  const say = (client, headers = {}) =>
    world.say("hello", { headers: { "user-agent": client, ...headers } }).then((answer) => answer.text());
  await say("python-openai/2.8.0");
  await say("codex_cli_rs/0.169.0", { "x-codex-profile": "personal" });
  await fake("faults", { kind: "usage_limit_reached", plan_type: "plus", resets_in_seconds: 3600 });
  await say("Zed/0.221.4", { "x-codex-profile": "personal" });
  await say("Zed/0.221.4", { "x-codex-profile": "api-key" });
  await say("codex_cli_rs/0.169.0");
}

async function picture(name, options, prepare = () => {}, from = world) {
  const context = await newContext(browser, { viewport: { width: 1280, height: 960 }, reducedMotion: "reduce", ...options });
  const page = await openPage(context, from);
  await prepare(page);
  await page.evaluate(() => document.fonts.ready);
  writeFileSync(join(folder, `${name}.png`), await page.screenshot());
  await context.close();
}

const ready = (page) => card(page, "Work").waitFor();
await picture("page-light", { colorScheme: "light" }, ready);
await picture("page-dark", { colorScheme: "dark" }, ready);
await picture("page-zh", { locale: "zh-CN" }, ready);
await picture("page-narrow", { viewport: { width: 390, height: 844 } }, ready);
await picture("page-requests", { colorScheme: "dark" }, (page) => show(page, "requests"));
await picture("page-settings", {}, (page) => show(page, "settings"));
await picture("page-sign-in", {}, async (page) => {
  await page.getByRole("button", { name: "Add account" }).click();
  await page.getByRole("button", { name: "With a code" }).click();
  await page.locator(".code").waitFor();
});

const fresh = await World.with([], null);
await picture("page-guide", {}, (page) => page.getByText("Three steps, and you are set").waitFor(), fresh);
await fresh.end();
await browser.close();
await world.end();
