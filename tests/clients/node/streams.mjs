// Many streams at once, and streams that are left in the middle.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { cancelledStreams, nextCall, until } from "./fake.mjs";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const asked = (n) => [{ role: "user", content: `count to ${n}` }];
const chat = (n) => client.chat.completions.stream({ model, messages: asked(n) }).finalContent();
const responses = async (n) => (await client.responses.stream({ model, input: asked(n) }).finalResponse()).output_text;

table("Streams");
for (const [name, call] of [["chat", chat], ["Responses", responses]]) {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => call(n + 1)));
  answers.forEach((answer, n) => assert.equal(answer, Array.from({ length: n + 1 }, (_, k) => k + 1).join(" ")));
  proved(`${name}: fifty at once`);
}

for (const [name, begin] of [
  ["chat", () => client.chat.completions.create({ model, messages: asked(30), stream: true })],
  ["Responses", () => client.responses.create({ model, input: asked(30), stream: true })],
]) {
  const before = await cancelledStreams();
  await nextCall({ kind: "stall_after", events: 8, milliseconds: 60000 });
  for await (const _ of await begin()) break;
  await until(async () => (await cancelledStreams()) === before + 1);
  proved(`${name}: one that is left stops upstream`);
}
