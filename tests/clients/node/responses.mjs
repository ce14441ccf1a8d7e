// The Responses API: whole, streamed, with the helper, with tools and reasoning.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");

table("Responses");

const whole = await client.responses.create({ model, input: "good morning" });
assert.equal(whole.status, "completed");
assert.equal(whole.output_text, "You said: good morning");
assert.equal(whole.usage.total_tokens, whole.usage.input_tokens + whole.usage.output_tokens);
proved("a whole answer, with its usage");

const roles = [{ role: "system", content: "Be brief." }, { role: "user", content: "hello" }];
assert.equal((await client.responses.create({ model, input: roles })).output_text, "You said: hello");
proved("messages without a type, `system` among them");

let text = "";
let last = null;
for await (const event of await client.responses.create({ model, input: "count to 30", stream: true })) {
  if (event.type === "response.output_text.delta") text += event.delta;
  assert(event.sequence_number > (last?.sequence_number ?? -1), event.type);
  last = event;
}
assert.equal(text, numbers);
assert.equal(last.type, "response.completed");
proved("a stream, its events numbered");

const final = await client.responses.stream({ model, input: "count to 30" }).finalResponse();
assert.equal(final.output_text, numbers);
proved("the stream helper");

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const weather = { type: "function", name: "weather", strict: true, parameters };
for (const [tool, prompt, kind] of [
  [weather, 'call weather {"city": "Paris"}', "function_call"],
  [{ type: "custom", name: "shell" }, "call shell echo hi", "custom_tool_call"],
]) {
  const question = [{ role: "user", content: prompt }];
  const asked = await client.responses.create({ model, input: question, tools: [tool] });
  const [call] = asked.output.filter((item) => item.type === kind);
  const result = { type: `${kind}_output`, call_id: call.call_id, output: "done" };
  const input = [...question, ...asked.output, result];
  const answer = await client.responses.create({ model, input, tools: [tool] });
  assert.equal(answer.output_text, "The tool answered: done");
  proved(`a ${kind.split("_")[0]} tool, there and back`);
}

const thought = await client.responses.create({ model, input: "think first", reasoning: { summary: "auto" } });
assert.equal(thought.output[0].type, "reasoning");
assert.match(thought.output[0].summary[0].text, /Thinking/);
proved("reasoning with its summary");

const found = await client.responses.create({ model, input: "search the web", tools: [{ type: "web_search" }] });
assert.equal(found.output[1].content[0].annotations[0].title, "Example Domain");
proved("web search with citations");

const cut = await client.responses.create({ model, input: "stop at max_output_tokens" });
assert.deepEqual([cut.status, cut.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
proved("incomplete answers, with the reason");
