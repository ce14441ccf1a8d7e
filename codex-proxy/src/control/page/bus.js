// What the page knows, and who wants to hear of changes.

/** What is known now. */
export const known = {
  /** The overview as the router gave it last. */
  overview: null,
  /** The last requests, the newest first. */
  requests: [],
  /** `starting`, `live`, `lost` or `locked`. */
  connection: "starting",
};

const topics = new Map();

/** Runs `run` whenever something of this topic is told. Gives what ends that. */
export function on(topic, run) {
  if (!topics.has(topic)) topics.set(topic, new Set());
  topics.get(topic).add(run);
  return () => topics.get(topic).delete(run);
}

/** Tells everyone who listens. */
export function tell(topic, value) {
  for (const run of topics.get(topic) ?? []) run(value);
}

/** Takes a new overview over. */
export function setOverview(overview) {
  known.overview = overview;
  tell("overview", overview);
}

/** How many requests are kept to be shown. */
const MAX_REQUESTS = 200;

/** Takes the whole list over. */
export function setRequests(requests) {
  known.requests = requests.slice(0, MAX_REQUESTS);
  tell("requests");
}

/** Takes over one request that is new or has changed. */
export function putRequest(request) {
  const at = known.requests.findIndex((other) => other.id === request.id);
  if (at >= 0) known.requests[at] = request;
  else known.requests = [request, ...known.requests].slice(0, MAX_REQUESTS);
  tell("requests");
}

/** Says how the connection to the router is. */
export function setConnection(connection) {
  if (known.connection === connection) return;
  known.connection = connection;
  tell("connection", connection);
}

/** The profile of this name, as far as it is known. */
export function profileNamed(name) {
  return known.overview?.profiles.find((profile) => profile.name === name);
}

/** Runs `paint` at most once per frame, however often it is asked for. */
export function perFrame(paint) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
