// What is to be said of a profile: one state, why, and the one thing that mends it. Pure.

import { has, t } from "./words.js";
import { until } from "./format.js";

const NEAR_PERCENT = 80;

/** Whether a window is used up, or nearly; `null` when it is neither or unknown. */
export function pressure({ used_percent: used, resets_at: resets }) {
  if (used === null || used === undefined) return null;
  if (resets && !until(resets)) return null;
  if (used >= 100) return "reached";
  return used >= NEAR_PERCENT ? "near" : null;
}

/** `{ tone, words, detail, mend }`; `mend` is `sign_in`, `check` or nothing. */
export function conditionOf(profile) {
  if (profile.state === "needs_login") return mustSignIn(profile);
  if (profile.state === "unreadable") return unreadable(profile);
  if (profile.reason) return doubtful(profile);
  return limited(profile) ?? serving(profile);
}

function mustSignIn({ reason }) {
  const key = `reason.${reason}`;
  const detail = has(key) ? t(key) : reason;
  return { tone: "bad", words: t("state.needs_login"), detail, mend: "sign_in" };
}

function unreadable({ reason, action }) {
  const mend = action?.includes("log in") ? "sign_in" : "check";
  const detail = [reason, action].filter(Boolean).join("; ");
  return { tone: "bad", words: t("state.unreadable"), detail, mend };
}

function doubtful({ reason }) {
  const detail = t("reason.maybe_signed_out");
  const ours = reason.startsWith("codex may");
  return {
    tone: "warn",
    words: t("state.doubtful"),
    detail: ours ? detail : reason,
    mend: "sign_in",
  };
}

function limited({ usage }) {
  const windows = usage?.windows ?? [];
  const reached = windows.find((window) => pressure(window) === "reached");
  if (reached) return { tone: "bad", words: t("state.limit_reached"), detail: null, mend: null };
  const near = windows.some((window) => pressure(window) === "near");
  return near ? { tone: "warn", words: t("state.limit_near"), detail: null, mend: null } : null;
}

function serving({ state }) {
  const words = t(state === "expired" ? "state.expired" : "state.ok");
  return { tone: state === "expired" ? "quiet" : "good", words, detail: null, mend: null };
}

/** What a profile is called. */
export function nameOf(profile) {
  return profile.label || profile.name;
}

/** The kind of login, in words. */
export function kindOf({ auth_mode: mode }) {
  const key = `kind.${mode}`;
  return has(key) ? t(key) : (mode ?? t("kind.unknown"));
}
