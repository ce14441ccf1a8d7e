// One browser for a file of specs, and in it a context of its own for each.

import assert from "node:assert/strict";
import { after } from "node:test";
import { chromium } from "playwright-core";

/** What Chromium is started with, besides. */
export const FLAGS = [
  "--no-sandbox",
  "--no-proxy-server",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What a test waits for comes within this time, or not at all. */
const PATIENCE_MS = 10_000;

/** Starts the browser, which ends with the file. */
export async function launch(...flags) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
  after(() => browser.close());
  return browser;
}

/** A window of its own; what its pages complain about is collected in `complaints`. */
export async function newContext(browser, options = {}) {
  const context = await browser.newContext({
    locale: "en-GB",
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  context.complaints = [];
  context.on("weberror", (error) => context.complaints.push(error.error().stack));
  context.on("console", (message) => {
    if (isComplaint(message)) context.complaints.push(message.text());
  });
  return context;
}

/** A request that failed is what some tests are about; the page's own faults never are. */
function isComplaint(message) {
  return message.type() === "error" && !message.text().startsWith("Failed to load resource");
}

/** Opens the page in a new tab of `context`, with a link of its own. */
export async function openPage(context, world, view = "profiles") {
  const page = await context.newPage();
  await page.goto(await world.link());
  await page.locator(`body[data-shown="profiles"]`).waitFor();
  if (view !== "profiles") await show(page, view);
  return page;
}

/** Goes to another view. */
export async function show(page, view) {
  await page.locator(`.bar a[href="#${view}"]`).last().click();
  await page.locator(`body[data-shown="${view}"]`).waitFor();
}

/** The card of a profile, by the name it is shown under. */
export function card(page, name) {
  const heading = page.getByRole("heading", { level: 3, name, exact: true });
  return page.getByRole("listitem").filter({ has: heading });
}

/** Opens the menu of a card and picks an action. */
export async function pick(page, name, action) {
  await page.getByRole("button", { name: `More for ${name}`, exact: true }).click();
  await page.getByRole("button", { name: action }).click();
}

/** Waits until `look` gives something true, which it gives back. */
export async function eventually(look, what = look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Fails if a page of this context complained. */
export function noComplaints(context) {
  assert.deepEqual(context.complaints, []);
}
