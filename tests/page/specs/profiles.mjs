// Everything that is done with profiles.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { card, eventually, openPage, pick } from "../browser.mjs";
import { promise } from "../suite.mjs";
import { World, account, apiKey, fake, loginFile } from "../world.mjs";

const current = (world) => world.read(".current_profile").trim();
const inUse = (page, name) => page.getByRole("button", { name: `In use: ${name}`, exact: true });
const use = (page, name) => page.getByRole("button", { name: `Switch: ${name}`, exact: true });

promise("a card says whose login it is, and one click switches to it", {}, async ({ world, page }) => {
  await card(page, "work").getByText("work@example.com").waitFor();
  await card(page, "work").getByText("Pro · ChatGPT").waitFor();
  await inUse(page, "work").waitFor();
  await use(page, "other").click();
  await inUse(page, "other").waitFor();
  assert.equal(current(world), "other");
  assert.equal(JSON.parse(world.read("auth.json")).tokens.account_id, "acct-other");
  await use(page, "work").waitFor();
});

promise("where a switch is made stands what it means for a running Codex", {}, async ({ page }) => {
  await use(page, "other").click();
  const hint = card(page, "other").getByRole("status");
  await hint.getByText("Developer: Reload Window").waitFor();
  await hint.getByRole("button", { name: "Attach Codex…" }).waitFor();
  await hint.getByRole("button", { name: "Understood" }).click();
  await hint.waitFor({ state: "hidden" });
});

promise("a switch by the command line is on the page at once", {}, async ({ world, page }) => {
  await inUse(page, "work").waitFor();
  await world.cli("use", "other");
  await inUse(page, "other").waitFor();
});

promise("two tabs always show the same", {}, async ({ world, context, page }) => {
  const second = await openPage(context, world);
  await use(page, "other").click();
  await inUse(second, "other").waitFor();
  await use(second, "work").click();
  await inUse(page, "work").waitFor();
});

promise("label, colour and name are changed, and nothing else", {}, async ({ world, page }) => {
  await pick(page, "other", "Name and colour…");
  await page.getByLabel("Label").fill("Side projects");
  await page.getByRole("radio", { name: "#7c3aed" }).check();
  await page.getByLabel("Name", { exact: true }).fill("side");
  await page.getByRole("button", { name: "Save" }).click();
  await card(page, "Side projects").getByText("other@example.com").waitFor();
  const facts = world.state().profiles.side;
  assert.equal(facts.label, "Side projects");
  assert.equal(facts.color, "#7c3aed");
  assert.ok(existsSync(join(world.home, "profiles/side/auth.json")));
  assert.ok(!existsSync(join(world.home, "profiles/other")));
});

promise("a name that cannot be is refused where it was typed", {}, async ({ page }) => {
  await pick(page, "other", "Name and colour…");
  await page.getByLabel("Name", { exact: true }).fill("../out");
  await page.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog");
  await eventually(async () => (await dialog.getByRole("alert").allTextContents()).join("") !== "");
  await page.keyboard.press("Escape");
  await card(page, "other").waitFor();
});

promise("a removed profile comes back by Undo, and later from the list", {}, async ({ world, page }) => {
  const file = join(world.home, "profiles/other/auth.json");
  await pick(page, "other", "Remove");
  await card(page, "other").waitFor({ state: "detached" });
  assert.ok(!existsSync(file));
  await page.getByRole("button", { name: "Undo" }).click();
  await card(page, "other").waitFor();
  assert.ok(existsSync(file));

  await pick(page, "other", "Remove");
  await page.getByText("1 removed profile").click();
  await page.getByRole("button", { name: "Restore other" }).click();
  await card(page, "other").waitFor();
});

promise("a removed profile is deleted for good after it was said what is lost", {}, async ({ world, page }) => {
  await pick(page, "other", "Remove");
  await card(page, "other").waitFor({ state: "detached" });
  await world.add(account("other", { user: "user-new", account: "acct-new", email: "new@example.com" }));
  await card(page, "other").getByText("new@example.com").waitFor();
  await page.getByText("1 removed profile").click();
  const ask = () => page.getByRole("button", { name: "Delete other for good…" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete “other” for good?" });
  await ask();
  await dialog.getByText("It cannot be undone").waitFor();
  await dialog.getByText("The profile “other” that is in the list now stays as it is.").waitFor();
  await dialog.getByText("OpenAI is not told").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  const hidden = () => readdirSync(join(world.home, "profiles")).filter((name) => name.startsWith("."));
  assert.equal(hidden().length, 1);
  await ask();
  await dialog.getByRole("button", { name: "Delete for good" }).click();
  await page.getByText("“other” was deleted for good.").waitFor();
  await page.getByText("1 removed profile").waitFor({ state: "hidden" });
  assert.deepEqual(hidden(), []);
  await card(page, "other").getByText("new@example.com").waitFor();
});

promise("the profile in use is not removed, and the menu says why", {}, async ({ world, page }) => {
  await page.getByRole("button", { name: "More for work" }).click();
  const remove = page.getByRole("button", { name: /^Remove Switch to another profile first/ });
  assert.equal(await remove.getAttribute("aria-disabled"), "true");
  await remove.click({ force: true });
  assert.ok(existsSync(join(world.home, "profiles/work/auth.json")));
});

promise(
  "signing out at OpenAI says what stops, and ends the login there",
  {},
  async ({ world, page }) => {
    await pick(page, "work", "Sign out at OpenAI…");
    const dialog = page.getByRole("dialog", { name: "Sign “work” out at OpenAI?" });
    await dialog.getByText("Codex uses this login now").waitFor();
    const { tokens } = JSON.parse(world.read("profiles/work/auth.json"));
    await dialog.getByRole("button", { name: "Sign out" }).click();
    await dialog.waitFor({ state: "detached" });
    const revoked = (await fake("requests", null, "GET")).filter(({ path }) => path.endsWith("/revoke"));
    assert.ok(revoked.some((request) => JSON.stringify(request).includes(tokens.refresh_token)));
    await card(page, "work").getByRole("button", { name: "Sign in again" }).waitFor();
  },
);

promise("a login that is in no profile is offered to be saved", {}, async ({ world, page }) => {
  world.write("auth.json", await loginFile(account("newcomer")));
  const offer = page.getByRole("heading", { name: "Codex uses a login that is in no profile" });
  await offer.waitFor();
  await page.getByLabel("Name (optional)").fill("saved");
  await page.getByRole("button", { name: "Save as a profile" }).click();
  await card(page, "saved").getByText("newcomer@example.com").waitFor();
  await offer.waitFor({ state: "hidden" });
  assert.equal(JSON.parse(world.read("profiles/saved/auth.json")).tokens.account_id, "acct-newcomer");
});

promise("a folder made by hand is a card, and a broken one says what is wrong", {}, async ({ world, page }) => {
  await world.add(account("third"));
  await card(page, "third").waitFor();
  world.write("profiles/third/auth.json", '{"tokens":');
  await card(page, "third").getByText("Cannot be read").waitFor();
  await card(page, "work").getByText("Ready").waitFor();
});

promise(
  "an API key has no limits, and what has them shows them with their age",
  { world: () => World.with([account("work"), apiKey("key")]) },
  async ({ page }) => {
    await card(page, "key").getByText("Billed by use").waitFor();
    assert.equal(await card(page, "key").getByRole("meter").count(), 0);
    await fake("usage", { account: "acct-work", primary: 42, secondary: 7 });
    await page.getByRole("button", { name: "Refresh" }).click();
    const bar = card(page, "work").getByRole("meter", { name: "5 hours" });
    await eventually(async () => (await bar.getAttribute("aria-valuenow")) === "42");
    await card(page, "work").getByText("42% used").waitFor();
    await card(page, "work").getByText(/^Read just now/).waitFor();
  },
);
