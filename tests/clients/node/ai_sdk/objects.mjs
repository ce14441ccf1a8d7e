// Objects of a schema, and JSON without one.
import assert from "node:assert/strict";
import { generateObject, generateText, Output, streamObject, streamText } from "ai";
import { z } from "zod";
import { proved } from "../report.mjs";

const schema = z.object({ title: z.string(), steps: z.array(z.object({ minutes: z.number() })) });
const expected = { title: "example", steps: [{ minutes: 1.5 }] };

export async function objects(model) {
  const common = { model, maxRetries: 0, prompt: "a recipe for soup" };

  const whole = await generateText({ ...common, output: Output.object({ schema }) });
  assert.deepEqual(whole.output, expected);
  const stream = streamText({ ...common, output: Output.object({ schema }) });
  let partial = null;
  for await (partial of stream.partialOutputStream);
  assert.deepEqual(partial, expected);
  proved("`Output.object`, whole and streamed");

  assert.deepEqual((await generateObject({ ...common, schema })).object, expected);
  const streamed = streamObject({ ...common, schema });
  for await (const _ of streamed.partialObjectStream);
  assert.deepEqual(await streamed.object, expected);
  proved("`generateObject` and `streamObject`");

  const prompt = "a soup, as JSON with 'title' and 'minutes'";
  const free = await generateText({ ...common, prompt, output: Output.json() });
  assert.deepEqual(Object.keys(free.output).sort(), ["minutes", "title"]);
  proved("JSON without a schema");
}
