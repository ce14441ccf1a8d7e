// Making a profile the current one.

import { api } from "./api.js";
import { tell } from "./bus.js";
import { toast } from "./toast.js";
import { t } from "./words.js";

/** The profile that this page made current last; its card says what that means for Codex. */
export let lastSwitch = null;

/** Switches, and says what is not plain to see. */
export async function switchTo(name) {
  expected = name;
  const done = await api.use(name);
  lastSwitch = name;
  tell("switched", name);
  if (done.kept_as) toast(t("switch.kept_as", { name: done.kept_as }));
  if (done.codex_refuses) toast(t("switch.codex_refuses", { name }), { kind: "warn" });
  if (done.live_unknown) {
    toast(t("switch.live_unknown", { reason: done.live_unknown }), { kind: "warn" });
  }
}

let expected = null;

/** Whether this switch was made here, so that nobody needs to be told of it. */
export function isOurs(name) {
  return expected === name;
}

/** The person has read what a switch means for Codex. */
export function forgetSwitch() {
  lastSwitch = null;
  tell("switched", null);
}
