// Tools: the helper `runTools`, which calls functions itself until the model has its answer, and
// what it cannot do.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
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

table("Tools of chat completions");
for (const stream of [false, true]) {
  asked.length = 0;
  const runner = client.chat.completions.runTools({
    model,
    stream,
    messages: [{ role: "user", content: 'call weather {"city": "Paris"} and call clock {"zone": "CET"}' }],
    tools: [tool("weather", "city", "18 degrees"), tool("clock", "zone", "noon")],
  });
  assert.equal(await runner.finalContent(), "The tool answered: 18 degrees; noon");
  assert.deepEqual(asked, [["weather", "Paris"], ["clock", "CET"]]);
}
proved("`runTools`, whole and streamed");
proved("calls in parallel");

function call(content, more) {
  return client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });
}

const shell = { type: "custom", custom: { name: "shell", description: "A shell." } };
const custom = (await call("call shell echo hi", { tools: [shell] })).choices[0];
assert.equal(custom.finish_reason, "tool_calls");
assert.equal(custom.message.tool_calls[0].custom.input, "echo hi");
const answered = await client.chat.completions.create({
  model,
  tools: [shell],
  messages: [
    { role: "user", content: "call shell echo hi" },
    custom.message,
    { role: "tool", tool_call_id: custom.message.tool_calls[0].id, content: "hi" },
  ],
});
assert.equal(answered.choices[0].message.content, "The tool answered: hi");
proved("custom tools, there and back");

const functions = [tool("weather", "city").function, tool("clock", "zone").function];
const tools = functions.map(({ name, parameters }) => ({ type: "function", function: { name, parameters } }));
const clock = { type: "function", function: { name: "clock" } };
const subset = { type: "allowed_tools", allowed_tools: { mode: "required", tools: [clock] } };
for (const tool_choice of [clock, subset]) {
  const [forced] = (await call("hello", { tools, tool_choice })).choices[0].message.tool_calls;
  assert.equal(forced.function.name, "clock");
}
proved("`tool_choice`: allowed_tools");

const legacy = (await call('call weather {"city": "Oslo"}', { functions })).choices[0];
assert.equal(legacy.finish_reason, "function_call");
assert.deepEqual(JSON.parse(legacy.message.function_call.arguments), { city: "Oslo" });
proved("legacy `functions` and `function_call`");
