// The four ways to a profile.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { card, eventually, pick } from "../browser.mjs";
import { promise } from "../suite.mjs";
import { account, fake, loginFile } from "../world.mjs";

const dialog = (page) => page.getByRole("dialog");
const begin = async (page, way) => {
  await page.getByRole("button", { name: "Add account" }).click();
  await dialog(page).getByRole("button", { name: way }).click();
};
const signInPage = (page) => dialog(page).getByRole("link", { name: "Open the sign-in page" });
const signsIn = (name) => loginFile(account(name));
const tokens = (world, name) => JSON.parse(world.read(`profiles/${name}/auth.json`)).tokens;

/** Follows the link in a second tab, as a person does. */
async function signInInSecondTab(page) {
  const [tab] = await Promise.all([page.context().waitForEvent("page"), signInPage(page).click()]);
  await tab.waitForLoadState();
  await tab.close();
}

promise("with the browser: the second tab signs in, and the dialog follows", {}, async ({ world, page }) => {
  await signsIn("ada");
  await page.getByRole("button", { name: "Add account" }).click();
  await dialog(page).getByLabel("Name (optional)").fill("ada");
  await dialog(page).getByRole("button", { name: "In the browser" }).click();
  await dialog(page).getByText("Waiting for you to sign in…").waitFor();
  await signInInSecondTab(page);
  await dialog(page).getByText("“ada” is ready.").waitFor();
  assert.equal(tokens(world, "ada").account_id, "acct-ada");
  await dialog(page).getByRole("button", { name: "Switch to it" }).click();
  await page.getByRole("button", { name: "In use: ada" }).waitFor();
});

promise("with a code, when both ports are taken", {}, async ({ world, page }) => {
  await signsIn("grace");
  const takers = [1455, 1457].map((port) => createServer((caller) => caller.destroy()).listen(port, "127.0.0.1"));
  await Promise.all(takers.map((taker) => once(taker, "listening")));
  try {
    await begin(page, "In the browser");
    await dialog(page).getByText("A code needs no port.").waitFor();
  } finally {
    takers.forEach((taker) => taker.close());
  }
  await dialog(page).getByRole("button", { name: "Use a code instead" }).click();
  const code = dialog(page).locator(".code code");
  await code.waitFor();
  const approve = `${process.env.FAKE_OPENAI}/codex/device?user_code=${await code.textContent()}`;
  await fetch(approve);
  await dialog(page).getByText(/ is ready\.$/).waitFor();
  const added = (await world.api("GET", "/overview")).profiles.find((one) => one.account_id === "acct-grace");
  assert.ok(added);
});

promise("by pasting the address; what is wrong with another is said", {}, async ({ page }) => {
  await signsIn("alan");
  await begin(page, "By pasting an address");
  const pasted = dialog(page).getByLabel("Address of that page");
  await pasted.fill("http://localhost:1455/nonsense");
  await dialog(page).getByRole("button", { name: "Finish" }).click();
  await eventually(async () => (await dialog(page).getByRole("alert").allTextContents()).join("") !== "");
  const url = await signInPage(page).getAttribute("href");
  const answer = await fetch(url, { redirect: "manual" });
  await pasted.fill(answer.headers.get("location"));
  await dialog(page).getByRole("button", { name: "Finish" }).click();
  await dialog(page).getByText(/ is ready\.$/).waitFor();
});

promise("with an API key, which is never shown again", {}, async ({ world, page }) => {
  await fake("api-keys", { key: "sk-typed-into-the-page" });
  await begin(page, "With an API key");
  await dialog(page).getByLabel("API key").fill("sk-typed-into-the-page");
  await dialog(page).getByLabel("Name (optional)").fill("billed");
  await dialog(page).getByRole("button", { name: "Add the key" }).click();
  await dialog(page).getByText("“billed” is ready.").waitFor();
  await dialog(page).getByRole("button", { name: "Close" }).last().click();
  await card(page, "billed").waitFor();
  assert.equal(JSON.parse(world.read("profiles/billed/auth.json")).OPENAI_API_KEY, "sk-typed-into-the-page");
  assert.ok(!(await page.content()).includes("sk-typed"));
});

promise("a sign-in is cancelled by its button and by closing the dialog", {}, async ({ world, page }) => {
  const states = [];
  page.on("response", async (answer) => {
    if (answer.request().method() === "DELETE") states.push((await answer.json()).state);
  });
  await begin(page, "With a code");
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await dialog(page).getByRole("button", { name: "With a code" }).click();
  await dialog(page).locator(".code").waitFor();
  await page.keyboard.press("Escape");
  await eventually(() => states.length === 2);
  assert.deepEqual(states, ["cancelled", "cancelled"]);
  assert.equal((await world.api("GET", "/overview")).profiles.length, 2);
});

promise("the profile whose login ended is renewed by the one button on its card", {}, async ({ world, page }) => {
  const before = tokens(world, "work");
  await pick(page, "work", "Sign out at OpenAI…");
  await dialog(page).getByRole("button", { name: "Sign out" }).click();
  await signsIn("work");
  await card(page, "work").getByRole("button", { name: "Sign in again" }).click();
  await dialog(page).getByRole("button", { name: "In the browser" }).click();
  await signInInSecondTab(page);
  await dialog(page).getByText("“work” has a new login.").waitFor();
  await dialog(page).getByRole("button", { name: "Close" }).last().click();
  await card(page, "work").getByText("Ready").waitFor();
  assert.notEqual(tokens(world, "work").refresh_token, before.refresh_token);
});
