// The stream of events, read by `fetch`: an `EventSource` cannot send the page's key.

import { headers, refusal } from "./api.js";

/** Cuts what arrives into events, however the network has cut it before. */
export class EventParser {
  #rest = "";

  /** Gives the events that are complete now, as `{ name, data }`. */
  push(chunk) {
    const blocks = (this.#rest + chunk).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop();
    return blocks.map(parse).filter((event) => event.data !== "");
  }
}

function parse(block) {
  const event = { name: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event.name = value;
    if (field === "data") event.data += value;
  }
  return event;
}

/**
 * Reads events until the stream ends or `signal` is aborted; `each` is given name and data. Throws
 * the router's refusal.
 */
export async function readEvents(signal, each) {
  const answer = await fetch("/api/events", { headers: headers(), signal });
  if (!answer.ok) throw await refusal(answer);
  const parser = new EventParser();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const { name, data } of parser.push(value)) each(name, JSON.parse(data));
  }
}
