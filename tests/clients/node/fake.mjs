// What only the fake itself can do or tell.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const url = `${process.env.FAKE_URL}/fake/`;

// Has the next call go wrong, once.
export async function nextCall(fault) {
  const answer = await fetch(`${url}faults`, { method: "POST", body: JSON.stringify(fault) });
  assert.equal(answer.status, 204);
}

export async function cancelledStreams() {
  return (await (await fetch(`${url}stats`)).json()).cancelled_streams;
}

// Waits for it, at most five seconds.
export async function until(condition) {
  for (let waited = 0; !(await condition()); waited += 10) {
    assert(waited < 5000, "it did not come about");
    await sleep(10);
  }
}
