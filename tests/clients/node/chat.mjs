// Chat completions: whole, streamed, and with the helper that collects a stream.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";
const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");
const messages = [{ role: "user", content: "count to 30" }];

const whole = await client.chat.completions.create({ model, messages });
assert.equal(whole.choices[0].message.content, numbers);
assert.equal(whole.choices[0].finish_reason, "stop");
assert.equal(whole.usage.completion_tokens, 30);

let text = "";
let usage = null;
const options = { include_usage: true };
const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: options });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, numbers);
assert.equal(usage.completion_tokens, 30);

const helper = client.chat.completions.stream({ model, messages });
assert.equal(await helper.finalContent(), numbers);

await assert.rejects(client.chat.completions.create({ model, messages: [{ role: "wizard", content: "x" }] }), (error) => {
  assert(error instanceof OpenAI.BadRequestError, error);
  assert.equal(error.param, "messages[0].role");
  return true;
});
