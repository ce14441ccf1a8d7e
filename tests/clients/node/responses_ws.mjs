// The Responses API over WebSocket: responses_ws.mjs [COMMAND-BETWEEN-TURNS].
import assert from "node:assert/strict";
import { execSync } from "node:child_process";
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";
import { nextCall } from "./fake.mjs";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";

/** All events of one response. */
const turn = (socket, fields) =>
  new Promise((resolve, reject) => {
    const events = [];
    const take = (event) => {
      events.push(event);
      if (!["response.completed", "response.failed", "error"].includes(event.type)) return;
      socket.off("event", take);
      socket.off("close", reject);
      resolve(events);
    };
    socket.on("event", take);
    socket.on("close", reject);
    socket.send({ type: "response.create", model, ...fields });
  });

const said = (events) => {
  assert.equal(events.at(-1).type, "response.completed", JSON.stringify(events.at(-1)));
  return events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
};

const connect = (options) => {
  const socket = new ResponsesWS(client, options);
  // An error event comes as an event too, where it is looked at.
  socket.on("error", (error) => error.error ?? assert.fail(error));
  return socket;
};

const socket = connect();
if (process.argv[2]) {
  assert.equal(said(await turn(socket, { input: "one" })), "You said: one");
  execSync(process.argv[2]);
  assert.equal(said(await turn(socket, { input: "two" })), "You said: two");
  socket.close();
  process.exit(0);
}

table("Responses over WebSocket");

const first = await turn(socket, { input: "good morning", instructions: "Be brief.", temperature: 0.2 });
assert.equal(said(first), "You said: good morning");
assert.equal(first[0].type, "response.created");
proved("a turn, its events as they come");
const numbers = Array.from({ length: 30 }, (_, n) => n + 1).join(" ");
const previous_response_id = first.at(-1).response.id;
const second = await turn(socket, { input: "count to 30", previous_response_id, store: false });
assert.equal(said(second), numbers);
assert.deepEqual(second.map((event) => event.sequence_number), [...second.keys()]);
proved("a second turn by `previous_response_id`, not stored");

const tools = [
  {
    type: "function",
    name: "weather",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
];
const asked = await turn(socket, { input: 'call weather {"city": "Paris"}', tools, store: false });
const response = asked.at(-1).response;
const call = response.output.find((item) => item.type === "function_call");
assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
const answered = await turn(socket, {
  input: [{ type: "function_call_output", call_id: call.call_id, output: "18 degrees" }],
  previous_response_id: response.id,
  tools,
  store: false,
});
assert.equal(said(answered), "The tool answered: 18 degrees");
proved("a function tool, there and back");

const body = { error: { message: "Too fast.", type: "requests", code: "rate_limit_exceeded" } };
await nextCall({ kind: "status", status: 429, body });
const [error] = await turn(socket, { input: "hello" });
assert.equal(error.status, 429);
assert.equal(error.error.code, "rate_limit_exceeded");
assert.equal(error.error.message, "Too fast.");
assert.equal(said(await turn(socket, { input: "hello" })), "You said: hello");
proved("an error as an event, after which the connection goes on");
const [unknown] = await turn(socket, { input: "hello", previous_response_id: "resp_unknown", store: false });
assert.equal(unknown.error.code, "previous_response_not_found");
assert.equal(said(await turn(socket, { input: "hello" })), "You said: hello");
proved("`previous_response_not_found` for an id that is unknown");
socket.close();

// With compression, which this library leaves off by itself.
const compressing = connect({ perMessageDeflate: { threshold: 0 } });
const instructions = "Once upon a time. ".repeat(5000);
for (const input of ["hello", "hello again"]) {
  assert.equal(said(await turn(compressing, { input, instructions })), `You said: ${input}`);
}
assert.match(compressing.socket.platformSocket.extensions, /permessage-deflate/);
proved("compression (`permessage-deflate`)");
compressing.close();
