// What can be said of a list of rules without showing it. Pure.

const LONGEST_BYTES = 128;

let count = 0;

/** The name that a profile had: one that was removed is called by its folder. */
export const nameBefore = (profile) => /^\.removed-(.+)-\d+$/.exec(profile)?.[1] ?? profile;

/** Whether two rules say the same. */
export const isSame = (one, other) => one.model === other.model && one.profile === other.profile;

/**
 * The rules with an `id` each, which stays a rule's own while it is moved or changed, so that what a
 * person is doing there is not torn from under the hands.
 */
export function reconciled(before, rules) {
  const free = [...before];
  const take = (fits) => {
    const at = free.findIndex(fits);
    return at < 0 ? null : free.splice(at, 1)[0].id;
  };
  const known = rules.map((rule) => take((row) => isSame(row, rule)));
  // What is left was changed: it still has its models or, with new ones, its place.
  const named = known.map((id, at) => id ?? take((row) => row.model === rules[at].model));
  const placed = named.map((id, at) => id ?? take((row) => row === before[at]));
  return rules.map(({ model, profile }, at) => ({ model, profile, id: placed[at] ?? (count += 1) }));
}

/** The name of the words for what is wrong with the models of a rule beside `others`, or `null`. */
export function wrongWith(model, others) {
  if (model === "") return "rules.empty";
  if (/[\s\p{Cc}]/u.test(model)) return "rules.spaces";
  if (new TextEncoder().encode(model).length > LONGEST_BYTES) return "rules.long";
  return others.some((rule) => rule.model === model) ? "rules.twice" : null;
}
