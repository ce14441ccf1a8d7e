// The live list of requests.

import assert from "node:assert/strict";
import { eventually, show } from "../browser.mjs";
import { promise } from "../suite.mjs";
import { World, account, apiKey, fake } from "../world.mjs";

const rows = (page) => page.locator("#view-requests").getByRole("table").getByRole("row");

/** The text of the cells of the newest request. */
const newest = (page) => rows(page).nth(1).getByRole("cell").allInnerTexts();

promise("a request appears as it is made, with who served it and what it took", {}, async ({ world, page }) => {
  await show(page, "requests");
  await page.getByText("No request yet").waitFor();
  const answer = await world.say("hello", { headers: { "user-agent": "spec/1.0" } });
  await answer.text();
  const cells = await eventually(async () => {
    const cells = await newest(page).catch(() => []);
    return cells[6]?.includes(" in, ") ? cells : null;
  });
  const [, client, model, profile, result, first] = cells;
  assert.match(client, /spec.*POST \/v1\/chat\/completions/s);
  assert.equal(model.trim(), "gpt-5.2-codex");
  assert.match(profile, /work.*the one in use/s);
  assert.match(result, /200/);
  assert.match(first, /\d+ m?s/);
});

promise(
  "why another profile served, and whose error it was",
  { world: () => World.with([account("work"), account("other"), apiKey("key")]) },
  async ({ world, page }) => {
    await show(page, "requests");
    await world.say("hello", { headers: { "x-codex-profile": "other" } }).then((answer) => answer.text());
    await rows(page).filter({ hasText: "asked for by header" }).waitFor();
    await fake("faults", { kind: "usage_limit_reached", plan_type: "pro", resets_in_seconds: 600 });
    await world.say("hello").then((answer) => answer.text());
    await rows(page).filter({ hasText: "429" }).getByText("OpenAI · usage_limit_reached").waitFor();
    await world.say("x", { model: 7 }).then((answer) => answer.text());
    const refused = rows(page).filter({ hasText: "400" });
    await refused.getByText("Client").waitFor();
  },
);

promise("a stream is seen while it goes on", {}, async ({ world, page }) => {
  await show(page, "requests");
  await fake("faults", { kind: "stall_after", events: 2, milliseconds: 1500 });
  const answer = await world.say("hello", { stream: true });
  await rows(page).filter({ hasText: "streaming…" }).waitFor();
  await answer.text();
  await eventually(async () => (await newest(page))[6].includes(" in, "));
});

promise("the first view has the latest, and leads to all", {}, async ({ world, page }) => {
  for (let count = 0; count < 8; count += 1) await world.say("hello").then((answer) => answer.text());
  const latest = page.locator("#view-profiles").getByRole("table").getByRole("row");
  await eventually(async () => (await latest.count()) === 7);
  await page.getByRole("link", { name: "All requests" }).click();
  await eventually(async () => (await rows(page).count()) === 9);
});
