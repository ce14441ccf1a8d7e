// Answers that are kept: going on from one, retrieving, deleting, listing what it was given.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";

table("Responses that are kept");

const first = await client.responses.create({ model, input: "good morning" });
const second = await client.responses.create({
  model,
  input: "and again",
  previous_response_id: first.id,
});
assert.equal(second.output_text, "You said: and again");
assert.equal(second.previous_response_id, first.id);
proved("going on by `previous_response_id`");

const third = await client.responses
  .stream({ model, input: "a third time", previous_response_id: second.id })
  .finalResponse();
assert.equal(third.output_text, "You said: a third time");
assert.equal(third.previous_response_id, second.id);
proved("going on by `previous_response_id`, streamed");

const kept = await client.responses.retrieve(third.id);
assert.deepEqual([kept.id, kept.output_text], [third.id, third.output_text]);
proved("`retrieve`");

const said = [];
for await (const item of client.responses.inputItems.list(second.id, { order: "asc", limit: 2 })) {
  said.push(item.content[0].text);
}
assert.deepEqual(said, ["good morning", "You said: good morning", "and again"]);
proved("`input_items.list`, in pages");

const tools = [
  {
    type: "function",
    name: "weather",
    strict: false,
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
];
const asked = await client.responses.create({ model, input: 'think first, call weather {"city":"Paris"}', tools });
assert.equal(asked.output[0].type, "reasoning");
const call = asked.output.find((item) => item.type === "function_call");
const answer = await client.responses.create({
  model,
  tools,
  previous_response_id: asked.id,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "18 degrees" }],
});
assert.equal(answer.output_text, "The tool answered: 18 degrees");
proved("the result of a tool alone, after a call with reasoning");

// It can be neither retrieved nor gone on from.
async function isGone(id) {
  await assert.rejects(client.responses.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(
    client.responses.create({ model, input: "go on", previous_response_id: id }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "previous_response_not_found",
  );
}

await isGone("resp_unknown");
proved("errors for an id that is unknown");
await client.responses.delete(first.id);
await isGone(first.id);
assert.equal((await client.responses.retrieve(second.id)).id, second.id);
proved("`delete`, which leaves the answers after it");
const unstored = await client.responses.create({ model, input: "forget this", store: false });
assert.equal(unstored.store, false);
await isGone(unstored.id);
proved("`store: false`");
