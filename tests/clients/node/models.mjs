// The list of models, one of them, and one that does not exist.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { proved, table } from "./report.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-5.2-codex";

table("Models");
const ids = [];
for await (const one of client.models.list()) ids.push(one.id);
assert(ids.includes(model), ids.join());
proved("the list of models");
assert.equal((await client.models.retrieve(model)).id, model);
proved("one model");
await assert.rejects(client.models.retrieve("no-such-model"), OpenAI.NotFoundError);
proved("`NotFoundError` for one that does not exist");
