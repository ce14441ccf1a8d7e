import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { FLAGS, card, newContext, openPage, show, pick } from "./browser.mjs";
import { World, account, apiKey } from "./world.mjs";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
const world = await World.with([account("work"), account("personal"), apiKey("api-key"), account("gone")]);
const empty = await World.with([account("work"), account("personal")]);
await world.api("PATCH", "/profiles/personal", { label: "Personal" });
await world.api("PATCH", "/settings", { model_rules: [
  { model: "gpt-5.2-codex-mini", profile: "work" }, { model: "gpt-5*", profile: "personal" }, { model: "o4-*", profile: "gone" } ] });
await world.cli("remove", "gone");
async function pic(name, options, prepare, from = world) {
  const context = await newContext(browser, { viewport: { width: 1280, height: 1000 }, reducedMotion: "reduce", ...options });
  const page = await openPage(context, from);
  await prepare(page);
  await page.evaluate(() => document.fonts.ready);
  writeFileSync(`/tmp/lo-shots/${name}.png`, await page.screenshot());
  await context.close();
}
const rules = (bad) => async (page) => {
  await show(page, "settings");
  await page.locator(".rules, .new-rule").first().waitFor({ state: "attached" });
  await page.waitForTimeout(400);
  if (bad) {
    const second = page.locator(".rules input").nth(1);
    await second.fill("gpt 5");
    await page.keyboard.press("Tab");
  }
  await page.locator(".new-rule").evaluate((n) => n.scrollIntoView({ block: "center" }));
  await page.waitForTimeout(200);
};
await pic("light", { colorScheme: "light" }, rules(true));
await pic("dark", { colorScheme: "dark" }, rules(true));
await pic("zh", { locale: "zh-CN" }, rules(false));
await pic("narrow", { viewport: { width: 320, height: 1000 } }, rules(true));
await pic("narrow-zh", { viewport: { width: 320, height: 1000 }, locale: "zh-CN", colorScheme: "dark" }, rules(false));
await pic("empty", {}, rules(false), empty);
await pic("server", {}, async (page) => { await rules(false)(page); await page.getByLabel("Names in the network").evaluate((n) => n.scrollIntoView({ block: "center" })); });
const purge = async (page) => {
  await page.locator(".removed-box summary").click();
  await page.locator(".removed-acts .danger").click();
  await page.getByRole("dialog").waitFor();
};
await pic("purge", {}, purge);
await pic("purge-narrow", { viewport: { width: 320, height: 900 }, colorScheme: "dark" }, purge);
await pic("removed", {}, async (page) => { await page.locator(".removed-box summary").click(); await page.locator(".removed").scrollIntoViewIfNeeded(); });
await pic("removed-narrow", { viewport: { width: 320, height: 900 } }, async (page) => { await page.locator(".removed-box summary").click(); await page.locator(".removed").scrollIntoViewIfNeeded(); });
await browser.close(); await world.end(); await empty.end();
