// What people see and hear: every view in light and dark, narrow and wide, with the keyboard alone.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { card, launch, newContext, noComplaints, openPage, pick, show } from "../browser.mjs";
import { World, account, apiKey } from "../world.mjs";

const browser = await launch();
const world = await World.with([account("work"), account("other"), apiKey("key"), account("gone")]);
const rule = (model, profile) => ({ model, profile });
await world.api("PATCH", "/settings", { model_rules: [rule("gpt-5.2-codex-mini", "other"), rule("gpt-5*", "gone")] });
await world.cli("remove", "gone");
world.write("profiles/broken/auth.json", "{");
await world.say("hello").then((answer) => answer.text());
after(() => world.end());

const VIEWS = ["profiles", "requests", "settings"];

/** A page with these options, and `body` for it. */
async function withPage(options, body) {
  const context = await newContext(browser, options);
  try {
    const page = await openPage(context, world);
    await card(page, "work").waitFor();
    await body(page);
    noComplaints(context);
  } finally {
    await context.close();
  }
}

/** What depends on the colours, and so on light and dark. */
const COLORS = ["color-contrast", "link-in-text-block"];

/** Fails on anything in this part of the page that axe calls serious or worse. */
async function isAccessible(page, what, { part = "body", rules = null } = {}) {
  // Without frames there is nothing for which axe would need a page of its own.
  const axe = new AxeBuilder({ page }).include(part).setLegacyMode(true);
  const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
  const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const found = bad.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], what);
}

/** Everything that can be open over the first view. */
const DIALOGS = {
  "add account": (page) => page.getByRole("button", { name: "Add account" }).click(),
  "device code": async (page) => {
    await page.getByRole("button", { name: "Add account" }).click();
    await page.getByRole("button", { name: "With a code" }).click();
    await page.locator(".code").waitFor();
  },
  "edit profile": (page) => pick(page, "other", "Name and colour…"),
  "sign out": (page) => pick(page, "work", "Sign out at OpenAI…"),
  "delete for good": async (page) => {
    const purge = page.getByRole("button", { name: "Delete gone for good…" });
    if (!(await purge.isVisible())) await page.getByText("1 removed profile").click();
    await purge.click();
  },
  "connect a client": (page) => page.getByRole("button", { name: "Connect a client…" }).click(),
  "attach Codex": (page) => page.getByRole("button", { name: "Attach Codex…" }).click(),
};

for (const [colorScheme, rules] of [["light", null], ["dark", COLORS]]) {
  test(`axe has no serious finding (${colorScheme})`, async () => {
    await withPage({ colorScheme, reducedMotion: "reduce" }, async (page) => {
      for (const view of VIEWS) {
        await show(page, view);
        await isAccessible(page, view, { rules });
      }
      await show(page, "profiles");
      for (const [name, open] of Object.entries(DIALOGS)) {
        await open(page);
        await page.getByRole("dialog").waitFor();
        await isAccessible(page, name, { part: "dialog", rules });
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }
      await page.getByRole("button", { name: "More for work" }).click();
      await isAccessible(page, "menu", { part: ".card", rules });
    });
  });
}

test("axe has no serious finding on the guide and the closed page", async () => {
  const fresh = await World.with([], null);
  const context = await newContext(browser, { reducedMotion: "reduce" });
  const page = await openPage(context, fresh);
  await page.getByRole("heading", { name: "Three steps, and you are set" }).waitFor();
  await isAccessible(page, "guide");
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.getByRole("heading", { name: "This page is closed" }).waitFor();
  await isAccessible(page, "closed");
  await context.close();
  await fresh.end();
});

for (const locale of ["en-GB", "zh-CN"]) {
  test(`from 320 to 3840 pixels nothing has to be scrolled sideways (${locale})`, async () => {
    await withPage({ locale }, async (page) => {
      for (const width of [320, 768, 1280, 3840]) {
        await page.setViewportSize({ width, height: 900 });
        for (const view of VIEWS) {
          await show(page, view);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${view}: ${wide} of ${width}`);
        }
      }
    });
  });
}

test("a system in Chinese has the page in Chinese", async () => {
  await withPage({ locale: "zh-CN" }, async (page) => {
    await page.getByRole("heading", { name: "账号" }).waitFor();
    await card(page, "work").getByText("可用").waitFor();
    const words = await page.locator("body").innerText();
    assert.ok(!/\b(Switch|Settings|Ready|Base URL for)\b/.test(words), words);
  });
});

test("everything can be done with the keyboard alone", async () => {
  await withPage({}, async (page) => {
    const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
    const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
    await press("Tab");
    assert.equal(await focused(), "Skip to the content");
    await press("Enter", "Tab");
    assert.equal(await focused(), "Refresh");
    await page.getByRole("button", { name: "More for other" }).focus();
    await press("Enter", "ArrowDown", "ArrowDown", "ArrowUp", "Home");
    assert.equal((await focused()).trim(), "Name and colour…");
    await press("Escape");
    assert.equal(await focused(), "More for other");
    await press("Enter", "Enter");
    await page.getByRole("dialog", { name: "Profile “other”" }).waitFor();
    await press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await focused(), "More for other");
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(ring, "solid");
  });
});

test("nothing on the page jumps when something happens", async () => {
  await withPage({}, async (page) => {
    await page.evaluate(() => {
      globalThis.jumped = [];
      // The words of a button that says something else now are where they were said.
      const own = ({ node }) => !(node?.parentElement ?? node)?.closest(".button.use");
      const observer = new PerformanceObserver((list) => {
        const sources = list.getEntries().flatMap((entry) => entry.sources);
        globalThis.jumped.push(...sources.filter(own).map(({ node }) => node?.outerHTML ?? node?.textContent));
      });
      observer.observe({ type: "layout-shift" });
    });
    await world.cli("use", "other");
    await page.getByRole("button", { name: "In use: other" }).waitFor();
    await world.cli("use", "work");
    await page.getByRole("button", { name: "In use: work" }).waitFor();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    assert.deepEqual(await page.evaluate(() => globalThis.jumped), []);
  });
});
