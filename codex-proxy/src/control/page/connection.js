// Keeps the stream of events open: again after it broke, at growing intervals, and not at all while
// nobody looks. A browser has six connections for one server, and each open tab holds one.

import { Refusal } from "./api.js";
import { readEvents } from "./events.js";
import { putRequest, setConnection, setOverview, setRequests, tell } from "./bus.js";

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 10_000;
const HIDDEN_FOR_MS = 20_000;

const receivers = {
  overview: setOverview,
  requests: ({ requests }) => setRequests(requests),
  request: putRequest,
  notice: (notice) => tell("notice", notice),
  sign_in: (signIn) => tell("sign_in", signIn),
};

let stream = null;
let pause = FIRST_PAUSE_MS;
let retry;

/** Opens the stream, unless it is open. */
export function connect() {
  clearTimeout(retry);
  if (stream) return;
  stream = new AbortController();
  read(stream).finally(() => {
    stream = null;
  });
}

/** Closes it, and stays away. */
export function disconnect() {
  clearTimeout(retry);
  stream?.abort();
}

async function read({ signal }) {
  try {
    await readEvents(signal, receive);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return;
  }
  if (!signal.aborted) tryLater();
}

function receive(name, data) {
  pause = FIRST_PAUSE_MS;
  setConnection("live");
  receivers[name]?.(data);
}

function tryLater() {
  setConnection("lost");
  // Several tabs shall not knock at the same moment.
  retry = setTimeout(connect, pause * (0.75 + Math.random() / 2));
  pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
}

/** Tries at once, since somebody asks for it. */
export function connectNow() {
  pause = FIRST_PAUSE_MS;
  connect();
}

let hidden;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(disconnect, HIDDEN_FOR_MS);
  else if (stream === null && document.body.dataset.shown !== "locked") connectNow();
});
