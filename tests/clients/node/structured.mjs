// Answers in the form of a schema: the `parse` methods and stream helpers of both APIs.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const messages = [{ role: "user", content: "a recipe for soup, please" }];
const Recipe = z.object({ title: z.string(), level: z.enum(["easy", "hard"]), steps: z.array(z.object({ minutes: z.int() })) });
const expected = { title: "example", level: "easy" };
const check = ({ steps, ...rest }) => {
  assert.deepEqual(rest, expected);
  assert.equal(typeof steps[0].minutes, "number");
};

table("Structured answers");

const response_format = zodResponseFormat(Recipe, "recipe");
const chat = await client.chat.completions.parse({ model, messages, response_format });
check(chat.choices[0].message.parsed);
proved("chat: `parse`");
const streamed = client.chat.completions.stream({ model, messages, response_format });
check((await streamed.finalChatCompletion()).choices[0].message.parsed);
proved("chat: the stream helper, parsed");

const text = { format: zodTextFormat(Recipe, "recipe") };
check((await client.responses.parse({ model, input: messages, text })).output_parsed);
proved("Responses: `parse`");
check((await client.responses.stream({ model, input: messages, text }).finalResponse()).output_parsed);
proved("Responses: the stream helper, parsed");

const refuse = [{ role: "user", content: "refuse to answer" }];
const refused = await client.chat.completions.parse({ model, messages: refuse, response_format });
assert.equal(refused.choices[0].message.parsed, null);
assert.match(refused.choices[0].message.refusal, /cannot help/);
proved("chat: a refusal instead");
const declined = await client.responses.parse({ model, input: refuse, text });
assert.equal(declined.output_parsed, null);
assert.equal(declined.output[0].content[0].type, "refusal");
proved("Responses: a refusal instead");

const content = "a soup, as JSON with 'title' and 'minutes'";
const plain = await client.chat.completions.create({ model, messages: [{ role: "user", content }], response_format: { type: "json_object" } });
assert.deepEqual(Object.keys(JSON.parse(plain.choices[0].message.content)).sort(), ["minutes", "title"]);
proved("chat: `json_object`");
