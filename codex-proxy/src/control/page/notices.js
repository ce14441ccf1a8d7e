// What happened, told as it happens.

import { on, profileNamed } from "./bus.js";
import { nameOf } from "./condition.js";
import { signIn } from "./sign_in.js";
import { isOurs } from "./switching.js";
import { toast } from "./toast.js";
import { windowName } from "./usage.js";
import { has, t } from "./words.js";

const KINDS = {
  login_required: "bad",
  limit_reached: "bad",
  limit_near: "warn",
  fallback_used: "warn",
  unsaved_login: "warn",
  signed_out_elsewhere: "bad",
};

/** Shows notices from now on. */
export function showNotices() {
  on("notice", (notice) => {
    if (notice.kind === "adopted") return;
    if (notice.kind === "switched" && isOurs(notice.to)) return;
    toast(wordsOf(notice), { kind: KINDS[notice.kind] ?? "plain", action: actionOf(notice) });
  });
}

function wordsOf(notice) {
  const key = `notice.${notice.kind}`;
  if (!has(key)) return notice.text;
  const named = (name) => (profileNamed(name) ? nameOf(profileNamed(name)) : name);
  return t(key, {
    profile: named(notice.profile),
    to: named(notice.to),
    window: notice.window ? windowName(notice.window) : "",
    percent: Math.round(notice.used_percent ?? 0),
  });
}

function actionOf({ kind, profile }) {
  const renew = profileNamed(profile);
  const mends = ["login_required", "signed_out_elsewhere"].includes(kind);
  return mends && renew ? { t: "card.sign_in_again", run: () => signIn({ renew }) } : null;
}
