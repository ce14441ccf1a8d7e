// Errors as the SDK knows them, retries, and streams that are left.
import assert from "node:assert/strict";
import { APICallError, generateText, streamText } from "ai";
import { cancelledStreams, nextCall, until } from "../fake.mjs";
import { proved } from "../report.mjs";

export async function errors(model) {
  const ask = (more) => generateText({ model, maxRetries: 0, prompt: "hello", ...more });
  const caught = (call) => call.then(() => assert.fail("it did not fail"), (error) => error);

  for (const [status, isRetryable] of [[400, false], [404, false], [429, true], [500, true], [503, true]]) {
    const error = { message: `What happened was a ${status}.`, type: "t", code: "c", param: null };
    await nextCall({ kind: "status", status, body: { error } });
    const found = await caught(ask());
    assert(APICallError.isInstance(found), found);
    assert.deepEqual([found.statusCode, found.isRetryable, found.message], [status, isRetryable, error.message]);
    assert.equal(found.data.error.code, "c");
  }
  proved("`APICallError`, with its status, and whether a retry makes sense");

  await nextCall({ kind: "rate_limit_exceeded", retry_after_seconds: 0 });
  assert.equal((await ask({ maxRetries: 2 })).text, "You said: hello");
  proved("`maxRetries` after 429");

  // An error is told as a part of the stream, or thrown where the connection itself broke.
  const fails = async (prompt) => {
    const errors = [];
    const stream = streamText({ model, maxRetries: 0, prompt, onError: ({ error }) => errors.push(error) });
    try {
      for await (const _ of stream.stream);
    } catch (error) {
      errors.push(error);
    }
    assert(errors.length > 0, `${prompt}: it ended cleanly`);
  };
  await fails("fail with server_error");
  proved("a failure in the middle of a stream");
  await nextCall({ kind: "cut_after", events: 4 });
  await fails("count to 30");
  proved("a stream that is cut is an error");

  const before = await cancelledStreams();
  await nextCall({ kind: "stall_after", events: 8, milliseconds: 60000 });
  const leaving = new AbortController();
  const left = streamText({ model, maxRetries: 0, prompt: "count to 30", abortSignal: leaving.signal, onError: () => {} });
  for await (const part of left.stream) if (part.type === "text-delta") leaving.abort();
  await until(async () => (await cancelledStreams()) === before + 1);
  proved("`abortSignal` stops upstream");
}
