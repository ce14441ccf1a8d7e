// The page's right to ask the router: the link it was opened with, then a key of its own. The cookie
// that belongs to the key is out of any script's reach.

const KEY = "codex-router-page-key";

/** The key of this page, or `null`. */
export function pageKey() {
  return localStorage.getItem(KEY);
}

/** Forgets a key that the router no longer knows. */
export function forgetPageKey() {
  localStorage.removeItem(KEY);
}

/** Runs `run` when another tab was given a new key. */
export function onNewKey(run) {
  addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue) run();
  });
}

/**
 * Takes the one-time secret out of the address, so that no history or screenshot keeps it. What
 * follows it, such as `&add`, is where the page is to open.
 */
export function takeLink() {
  const [, secret, place] = /^#link=([\w-]+)(?:&(\w+))?/.exec(location.hash) ?? [];
  if (!secret) return null;
  history.replaceState(null, "", place ? `#${place}` : "/");
  return secret;
}

/** Trades the one-time secret for a key. Gives whether the router took it. */
export async function redeem(secret) {
  const answer = await fetch("/api/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ link: secret }),
  });
  if (!answer.ok) return false;
  const { page_key: key } = await answer.json();
  localStorage.setItem(KEY, key);
  return true;
}
