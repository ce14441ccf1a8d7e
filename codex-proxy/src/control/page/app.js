const storageKey = "codex-router-page-key";

async function open() {
  const link = new URLSearchParams(location.hash.slice(1)).get("link");
  if (!link) return;
  history.replaceState(null, "", location.pathname);
  const answer = await fetch("/api/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ link }),
  });
  if (answer.ok) localStorage.setItem(storageKey, (await answer.json()).page_key);
}

async function show() {
  const headers = { "x-codex-router-page": localStorage.getItem(storageKey) ?? "" };
  const answer = await fetch("/api/overview", { headers });
  const overview = await answer.json();
  document.getElementById("state").textContent = answer.ok
    ? `${overview.current ?? "no profile"} · ${overview.profiles.length} profiles`
    : overview.error.message;
}

await open();
await show();
