// The Responses API, whole, streamed and with the helper; and the list of models.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");

const whole = await client.responses.create({ model, input: "good morning" });
assert.equal(whole.status, "completed");
assert.equal(whole.output_text, "You said: good morning");

let text = "";
let last = null;
for await (const event of await client.responses.create({ model, input: "count to 30", stream: true })) {
  if (event.type === "response.output_text.delta") text += event.delta;
  last = event;
}
assert.equal(text, numbers);
assert.equal(last.type, "response.completed");

const final = await client.responses.stream({ model, input: "count to 30" }).finalResponse();
assert.equal(final.output_text, numbers);

const ids = [];
for await (const one of client.models.list()) ids.push(one.id);
assert(ids.includes(model), ids.join());
assert.equal((await client.models.retrieve(model)).id, model);
await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
