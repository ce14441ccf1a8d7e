// What goes wrong upstream arrives as the error that the SDK has for it.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { nextCall } from "./fake.mjs";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";

async function chat(stream = false, content = "hello", by = client) {
  const answer = await by.chat.completions.create({ model, messages: [{ role: "user", content }], stream });
  if (stream) for await (const _ of answer);
}

async function responses(stream = false, input = "hello", by = client) {
  const answer = await by.responses.create({ model, input, stream });
  if (stream) for await (const _ of answer);
}

async function caught(call) {
  return call().then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );
}

table("Errors");
const ways = [chat, responses].flatMap((call) => [false, true].map((stream) => () => call(stream)));
for (const [status, name, type, code, param] of [
  [400, "BadRequestError", "invalid_request_error", "context_length_exceeded", "input"],
  [403, "PermissionDeniedError", "invalid_request_error", "unsupported_region", null],
  [404, "NotFoundError", "invalid_request_error", "model_not_found", "model"],
  [409, "ConflictError", "invalid_request_error", "conflict", null],
  [422, "UnprocessableEntityError", "invalid_request_error", "bad_value", "input"],
  [429, "RateLimitError", "requests", "rate_limit_exceeded", null],
  [500, "InternalServerError", "server_error", "server_error", null],
  [503, "InternalServerError", "server_error", "server_is_overloaded", null],
]) {
  for (const way of ways) {
    const message = `What happened was a ${status}.`;
    await nextCall({ kind: "status", status, body: { error: { message, type, code, param } } });
    const error = await caught(way);
    assert(error instanceof OpenAI[name], `${status}: ${error}`);
    assert.deepEqual([error.status, error.type, error.code, error.param], [status, type, code, param]);
    assert.equal(error.error.message, message);
  }
  proved(`${status} as \`${name}\`, with type, code and param`);
}

for (const way of ways) {
  await nextCall({ kind: "rate_limit_exceeded", retry_after_seconds: 7 });
  const error = await caught(way);
  assert.equal(error.headers.get("retry-after"), "7");
}
proved("`Retry-After`");

const patient = new OpenAI({ maxRetries: 2 });
for (const fault of [{ kind: "rate_limit_exceeded", retry_after_seconds: 0 }, { kind: "status", status: 500 }]) {
  await nextCall(fault);
  await chat(false, "hello", patient);
}
proved("`max_retries` after 429 and 500");

const wizard = [{ role: "wizard", content: "x" }];
const error = await caught(() => client.chat.completions.create({ model, messages: wizard }));
assert(error instanceof OpenAI.BadRequestError, error);
assert.equal(error.param, "messages[0].role");
proved("`BadRequestError` that names the message");

for (const stream of [false, true]) {
  const early = await caught(() => chat(stream, "fail at once with rate_limit_exceeded"));
  assert(early instanceof OpenAI.RateLimitError && early.code === "rate_limit_exceeded", early);
}
proved("chat: a stream that fails before any text has the status of the failure");

const broken = await caught(() => chat(true, "fail with server_error"));
assert(broken instanceof OpenAI.APIError && !broken.status, broken);
assert.match(broken.message, /The prompt asked for it/);
proved("a failure in the middle of a stream");

await nextCall({ kind: "cut_after", events: 4 });
await caught(() => chat(true));
proved("a stream that is cut is an error");

await nextCall({ kind: "slow_head", milliseconds: 3000 });
const late = await caught(() => chat(false, "hello", new OpenAI({ maxRetries: 0, timeout: 200 })));
assert(late instanceof OpenAI.APIConnectionTimeoutError, late);
proved("the client's own timeout");
