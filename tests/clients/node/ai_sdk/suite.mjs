// Vercel's AI SDK, with each of the models that it offers for an API like OpenAI's.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { forClient, table } from "../report.mjs";
import { errors } from "./errors.mjs";
import { kept } from "./kept.mjs";
import { objects } from "./objects.mjs";
import { text } from "./text.mjs";
import { tools } from "./tools.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const id = "gpt-5.2-codex";
const openai = createOpenAI();
const compatible = createOpenAICompatible({
  name: "router",
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});

// What is kept at the server is for Responses alone.
for (const [client, model, ...more] of [
  ["`openai(…)`", openai(id), kept],
  ["`openai.chat(…)`", openai.chat(id)],
  ["`openai-compatible`", compatible(id)],
]) {
  forClient(client);
  table("Vercel's AI SDK");
  for (const topic of [text, tools, objects, errors, ...more]) await topic(model, openai);
}
