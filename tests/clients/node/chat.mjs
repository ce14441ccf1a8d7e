// Chat completions: whole, streamed, and with the helper that collects a stream.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");
const count = [{ role: "user", content: "count to 30" }];

function ask(messages, more = {}) {
  return client.chat.completions.create({ model, messages, ...more });
}

table("Chat completions");

const whole = await ask(count);
assert.equal(whole.choices[0].message.content, numbers);
assert.equal(whole.choices[0].finish_reason, "stop");
assert.equal(whole.usage.completion_tokens, 30);
proved("a whole answer, with its usage");

const mixed = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "first" },
  { role: "assistant", content: [{ type: "text", text: "Yes." }] },
  { role: "developer", content: "Be kind." },
  { role: "user", name: "ada", content: [{ type: "text", text: "second" }] },
];
assert.equal((await ask(mixed)).choices[0].message.content, "You said: second");
proved("several system and developer messages, anywhere");
proved("messages with a `name`, content in parts");

const refusal = (await ask([{ role: "user", content: "refuse to answer" }])).choices[0].message;
assert.equal(refusal.content, null);
assert.match(refusal.refusal, /cannot help/);
const after = [count[0], { role: "assistant", refusal: refusal.refusal }, { role: "user", content: "hi" }];
assert.equal((await ask(after)).choices[0].message.content, "You said: hi");
proved("refusals, in both directions");

let text = "";
let usage = null;
let last = null;
for await (const chunk of await ask(count, { stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
  last = chunk.choices[0]?.finish_reason ?? last;
}
assert.equal(text, numbers);
assert.equal(last, "stop");
proved("a stream");
assert.equal(usage.completion_tokens, 30);
for await (const chunk of await ask(count, { stream: true })) assert.equal(chunk.choices.length, 1);
proved("`stream_options.include_usage`, and none without it");

const helper = client.chat.completions.stream({ model, messages: count });
let pieces = "";
helper.on("content", (delta) => (pieces += delta));
assert.equal(await helper.finalContent(), numbers);
assert.equal(pieces, numbers);
proved("the stream helper");

for (const [reason, content, more] of [
  ["stop", "hello", {}],
  ["length", "count to 100", { max_completion_tokens: 5 }],
  ["content_filter", "stop at content_filter", {}],
]) {
  const { choices } = await ask([{ role: "user", content }], more);
  assert.equal(choices[0].finish_reason, reason);
  proved(`\`finish_reason\` ${reason}`);
}

const thought = (await ask([{ role: "user", content: "think first" }])).choices[0].message;
proved("reasoning, as `reasoning_content`", thought.reasoning_content ? "ok" : "absent");

const search = [{ role: "user", content: "search the web" }];
const found = (await ask(search, { web_search_options: {} })).choices[0].message;
assert.equal(found.annotations[0].url_citation.title, "Example Domain");
proved("web search with citations");

const picture = { type: "image_url", image_url: { url: "https://example.com/cat.png" } };
const look = [{ role: "user", content: [{ type: "text", text: "what is attached" }, picture] }];
const seen = (await ask(look)).choices[0].message.content;
assert.equal(seen, "Attached: image https://example.com/cat.png");
table("Content beside text");
proved("chat: an image by its address");
