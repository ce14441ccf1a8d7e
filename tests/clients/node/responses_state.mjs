// Answers that are kept: going on from one, retrieving, deleting, listing what it was given.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";

const first = await client.responses.create({ model, input: "good morning" });
const second = await client.responses.create({
  model,
  input: "and again",
  previous_response_id: first.id,
});
assert.equal(second.output_text, "You said: and again");
assert.equal(second.previous_response_id, first.id);

const third = await client.responses
  .stream({ model, input: "a third time", previous_response_id: second.id })
  .finalResponse();
assert.equal(third.previous_response_id, second.id);
assert.equal((await client.responses.retrieve(third.id)).id, third.id);

const said = [];
for await (const item of client.responses.inputItems.list(second.id, { order: "asc", limit: 2 })) {
  said.push(item.content[0].text);
}
assert.deepEqual(said, ["good morning", "You said: good morning", "and again"]);

const tools = [
  {
    type: "function",
    name: "weather",
    strict: false,
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
];
const asked = await client.responses.create({ model, input: 'call weather {"city":"Paris"}', tools });
const call = asked.output.find((item) => item.type === "function_call");
const answer = await client.responses.create({
  model,
  tools,
  previous_response_id: asked.id,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "18 degrees" }],
});
assert.equal(answer.output_text, "The tool answered: 18 degrees");

await client.responses.delete(first.id);
await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
await assert.rejects(
  client.responses.create({ model, input: "go on", previous_response_id: first.id }),
  (error) =>
    error instanceof OpenAI.BadRequestError && error.code === "previous_response_not_found",
);
