// Text, what comes with it, and what may come with a prompt.
import assert from "node:assert/strict";
import { generateText, isStepCount, streamText } from "ai";
import { proved } from "../report.mjs";

const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");
// Nothing is kept at the server, so that a conversation carries its own history.
const providerOptions = { openai: { store: false } };

export async function text(model, openai) {
  const ask = (more) => generateText({ model, providerOptions, maxRetries: 0, ...more });
  const read = (more) => streamText({ model, providerOptions, maxRetries: 0, ...more });

  const whole = await ask({ instructions: "Be brief.", prompt: "good morning" });
  assert.equal(whole.text, "You said: good morning");
  assert.equal(whole.finishReason, "stop");
  assert.equal(whole.usage.outputTokens, 4);
  assert.equal(whole.usage.totalTokens, whole.usage.inputTokens + 4);
  proved("`generateText`, with usage");

  const stream = read({ prompt: "count to 30" });
  const kinds = new Set();
  for await (const part of stream.stream) kinds.add(part.type);
  for (const kind of ["text-start", "text-delta", "text-end", "finish"]) assert(kinds.has(kind), kind);
  assert.equal(await stream.text, numbers);
  assert.equal((await stream.usage).outputTokens, 30);
  proved("`streamText`, with usage");

  const turns = [{ role: "user", content: "first" }];
  turns.push(...(await ask({ messages: turns })).response.messages, { role: "user", content: "second" });
  assert.equal((await ask({ messages: turns })).text, "You said: second");
  proved("a conversation");

  const filtered = await ask({ prompt: "stop at content_filter" });
  assert.equal(filtered.finishReason, "content-filter");
  const short = await ask({ prompt: "count to 100", maxOutputTokens: 5 });
  assert.equal(short.finishReason, "length");
  proved("`maxOutputTokens`");

  const thought = await ask({ prompt: "think first", reasoning: "low" });
  assert(thought.usage.outputTokenDetails.reasoningTokens > 0, thought.usage);
  const thinking = read({ prompt: "think first", reasoning: "low" });
  assert.equal(await thinking.reasoningText, thought.reasoningText);
  proved("reasoning shown, whole and streamed", thought.reasoningText ? "ok" : "absent");
  const again = [{ role: "user", content: "think first" }, ...thought.response.messages, { role: "user", content: "hello" }];
  assert.equal((await ask({ messages: again })).text, "You said: hello");
  proved("reasoning sent back", thought.reasoningText ? "ok" : "absent");

  const parts = [
    { type: "text", text: "what is attached" },
    { type: "file", mediaType: "image/png", data: Buffer.from("png") },
    { type: "file", mediaType: "application/pdf", filename: "notes.pdf", data: Buffer.from("%PDF-") },
  ];
  const seen = await ask({ messages: [{ role: "user", content: parts }] });
  assert.equal(seen.text, "Attached: image data:image/png;base64,cG5n, file notes.pdf");
  proved("images and files");

  const search = model.provider === "openai.responses" ? { web_search: openai.tools.webSearch({}) } : undefined;
  const found = await ask({ prompt: "search the web", tools: search, stopWhen: isStepCount(2) });
  proved("sources of a web search", found.sources.some(({ url }) => url.startsWith("https://example.com/")) ? "ok" : "absent");

  const { headers, id } = whole.response;
  assert(id.startsWith("resp_") || id.startsWith("chatcmpl-"), id);
  const responseId = whole.providerMetadata?.openai?.responseId;
  assert.equal(responseId === id, model.provider === "openai.responses");
  proved("the id of the answer, in the response and the provider's metadata");
  proved("the header `x-codex-router-profile`", headers["x-codex-router-profile"] ? "ok" : "absent");
}
