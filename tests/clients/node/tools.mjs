// The helper `runTools`: it calls the functions itself until the model has its answer.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const asked = [];

function tool(name, argument, answer) {
  const run = (input) => {
    asked.push([name, input[argument]]);
    return answer;
  };
  const properties = { [argument]: { type: "string" } };
  const parameters = { type: "object", properties, required: [argument], additionalProperties: false };
  return { type: "function", function: { name, description: name, parameters, parse: JSON.parse, function: run } };
}

for (const stream of [false, true]) {
  asked.length = 0;
  const runner = client.chat.completions.runTools({
    model: "gpt-5.2-codex",
    stream,
    messages: [{ role: "user", content: 'call weather {"city": "Paris"} and call clock {"zone": "CET"}' }],
    tools: [tool("weather", "city", "18 degrees"), tool("clock", "zone", "noon")],
  });
  assert.equal(await runner.finalContent(), "The tool answered: 18 degrees; noon");
  assert.deepEqual(asked, [["weather", "Paris"], ["clock", "CET"]]);
}
