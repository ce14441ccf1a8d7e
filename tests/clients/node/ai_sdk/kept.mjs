// Conversations that the server keeps, which is the default of `openai(…)`: what it has said before
// is sent as references to it.
import assert from "node:assert/strict";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { proved } from "../report.mjs";

function referred(step) {
  const body = step.request.body;
  const { input } = typeof body === "string" ? JSON.parse(body) : body;
  return input.filter((item) => item.type === "item_reference").length;
}

export async function kept(model, openai) {
  const common = { model, maxRetries: 0, reasoning: "low", include: { requestBody: true } };

  const turns = [{ role: "user", content: "think first" }];
  for (const said of ["think first of a second", "a third"]) {
    turns.push(...(await generateText({ ...common, messages: turns })).response.messages, { role: "user", content: said });
  }
  const third = await generateText({ ...common, messages: turns });
  assert.equal(third.text, "You said: a third");
  assert.equal(referred(third), 4, "two answers, each with its reasoning");
  const stream = streamText({ ...common, messages: turns });
  assert.equal(await stream.text, "You said: a third");
  proved("a conversation with reasoning, by reference (`store`)");

  const search = { ...common, tools: { web_search: openai.tools.webSearch({}) } };
  const found = await generateText({ ...search, prompt: "search the web" });
  const after = [{ role: "user", content: "search the web" }, ...found.response.messages, { role: "user", content: "hello" }];
  const rest = await generateText({ ...search, messages: after });
  assert.equal(rest.text, "You said: hello");
  assert.equal(referred(rest), 1, "the search");
  proved("a conversation with a web search, by reference (`store`)");

  const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: () => "18 degrees" });
  const steps = { ...common, tools: { weather }, stopWhen: isStepCount(3) };
  const prompt = 'think first, call weather {"city": "Paris"}';
  const answer = await generateText({ ...steps, prompt });
  assert.equal(answer.text, "The tool answered: 18 degrees");
  assert(referred(answer.steps[1]) > 0, "the reasoning of the first step");
  const streamed = streamText({ ...steps, prompt });
  assert.equal(await streamed.text, "The tool answered: 18 degrees");
  assert.equal((await streamed.steps).length, 2);
  const next = [{ role: "user", content: prompt }, ...answer.response.messages, { role: "user", content: "hello" }];
  assert.equal((await generateText({ ...steps, messages: next })).text, "You said: hello");
  proved("tools over several steps, with reasoning by reference (`store`)");
}
