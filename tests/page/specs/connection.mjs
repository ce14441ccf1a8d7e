// How the page comes in, and what it does when the router goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { card, eventually, launch, newContext, openPage } from "../browser.mjs";
import { World, relay } from "../world.mjs";

const browser = await launch();

/** A test with a world and a window, but no page yet. */
function promise(name, body) {
  test(name, async () => {
    const world = await World.twoAccounts();
    const context = await newContext(browser);
    try {
      await body(world, context);
    } finally {
      await context.close();
      await world.end();
    }
  });
}

const closed = (page) => page.getByRole("heading", { name: "This page is closed" });

promise("without a link the page says how to open it", async (world, context) => {
  const page = await context.newPage();
  await page.goto(world.address);
  await closed(page).waitFor();
  await page.getByText("codex-router open").waitFor();
});

promise("a link opens the page once, and leaves no trace in the address", async (world, context) => {
  const link = await world.link();
  const page = await context.newPage();
  await page.goto(link);
  await card(page, "work").waitFor();
  assert.equal(page.url(), `${world.address}/`);
  await page.reload();
  await card(page, "work").waitFor();

  const other = await newContext(browser);
  const second = await other.newPage();
  await second.goto(link);
  await closed(second).waitFor();
  await second.getByText("This link was used before").waitFor();
  await other.close();
});

promise("a router that starts anew closes the page, and one new link opens every tab", async (world, context) => {
  const first = await openPage(context, world);
  const second = await openPage(context, world);
  await world.stop();
  await first.getByText("The router does not answer.").waitFor();
  await card(first, "work").waitFor();
  await world.start();
  await closed(first).waitFor();
  await closed(second).waitFor();
  await first.goto(await world.link());
  await card(first, "work").waitFor();
  await card(second, "work").waitFor();
});

promise("a stream that is cut is opened again, and nothing is lost meanwhile", async (world, context) => {
  const wire = await relay(world.address);
  const page = await context.newPage();
  await page.goto((await world.link()).replace(world.address, wire.address));
  await card(page, "work").waitFor();
  wire.cut();
  const banner = page.getByText("The router does not answer.");
  await banner.waitFor();
  await world.cli("use", "other");
  wire.mend();
  await page.getByRole("button", { name: "In use: other" }).waitFor();
  await banner.waitFor({ state: "hidden" });
  wire.end();
});

promise("what the person is typing stays while things happen", async (world, context) => {
  const page = await openPage(context, world);
  await page.getByRole("button", { name: "More for other" }).click();
  await page.getByRole("button", { name: "Name and colour…" }).click();
  const label = page.getByLabel("Label");
  await label.pressSequentially("Half a na");
  await world.cli("use", "other");
  await eventually(async () => (await page.title()).startsWith("other"));
  assert.equal(await label.inputValue(), "Half a na");
  assert.ok(await label.evaluate((field) => field === document.activeElement));
});

promise("the button that switched keeps the focus", async (world, context) => {
  const page = await openPage(context, world);
  const use = page.getByRole("button", { name: "Switch: other" });
  await use.focus();
  await page.keyboard.press("Enter");
  const used = page.getByRole("button", { name: "In use: other" });
  await used.waitFor();
  assert.ok(await used.evaluate((button) => button === document.activeElement));
});
