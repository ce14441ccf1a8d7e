// Tools, over several steps.
import assert from "node:assert/strict";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { proved } from "../report.mjs";

export async function tools(model) {
  const asked = [];
  const make = (argument, answer) =>
    tool({
      description: "A tool.",
      inputSchema: z.object({ [argument]: z.string() }),
      execute: (input) => {
        asked.push(input[argument]);
        return answer;
      },
    });
  const tools = { weather: make("city", "18 degrees"), clock: make("zone", "noon") };
  const common = { model, tools, maxRetries: 0, stopWhen: isStepCount(3) };
  const prompt = 'call weather {"city": "Paris"} and call clock {"zone": "CET"}';

  const whole = await generateText({ ...common, prompt });
  assert.deepEqual(asked.splice(0).sort(), ["CET", "Paris"]);
  assert.equal(whole.text, 'The tool answered: 18 degrees; noon');
  assert.equal(whole.steps.length, 2);
  assert.equal(whole.steps[0].finishReason, "tool-calls");
  proved("tools over several steps, in parallel");

  const stream = streamText({ ...common, prompt });
  const kinds = new Set();
  for await (const part of stream.stream) kinds.add(part.type);
  for (const kind of ["tool-input-start", "tool-input-delta", "tool-call", "tool-result"]) assert(kinds.has(kind), kind);
  assert.equal(await stream.text, "The tool answered: 18 degrees; noon");
  assert.equal((await stream.steps).length, 2);
  proved("tools over several steps, streamed, with their input as it comes");

  for (const [toolChoice, expected] of [
    ["required", ["weather"]],
    [{ type: "tool", toolName: "clock" }, ["clock"]],
    ["none", []],
  ]) {
    const { toolCalls } = await generateText({ ...common, prompt: "hello", toolChoice, stopWhen: isStepCount(1) });
    assert.deepEqual(toolCalls.map((call) => call.toolName), expected);
  }
  proved("`toolChoice`: required, a tool, none");

  // A result may be content in parts.
  const camera = tool({
    inputSchema: z.object({}),
    execute: () => "a cat",
    toModelOutput: () => ({ type: "content", value: [{ type: "text", text: "a cat" }] }),
  });
  const content = await generateText({ ...common, tools: { camera }, prompt: "call camera {}" });
  assert.match(content.text, /^The tool answered: .*a cat/);
  proved("a result in parts");
}
