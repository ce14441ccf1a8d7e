// Times, lengths and amounts as people read them.

import { currentLanguage, t } from "./words.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function number(value, options) {
  return new Intl.NumberFormat(currentLanguage(), options).format(value);
}

function unit(value, name) {
  return number(value, { style: "unit", unit: name, unitDisplay: "narrow" });
}

/** A length of time by its units, the largest first. */
function parts(seconds) {
  const units = [
    [Math.floor(seconds / DAY), "day"],
    [Math.floor((seconds % DAY) / HOUR), "hour"],
    [Math.floor((seconds % HOUR) / MINUTE), "minute"],
  ];
  const largest = units.findIndex(([count]) => count > 0);
  return units.slice(largest).map(([count, name]) => (count > 0 ? unit(count, name) : null));
}

/** How long until then, in the two largest units; nothing once it is past. */
export function until(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  if (seconds <= 0) return null;
  if (seconds < MINUTE) return t("time.under_a_minute");
  return parts(seconds).slice(0, 2).filter(Boolean).join(t("time.space"));
}

/** How long ago that was, in the largest unit. */
export function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  if (seconds < MINUTE) return t("time.just_now");
  return t("time.ago", { length: parts(seconds)[0] });
}

/** Date and time, in full. */
export function moment(time) {
  return new Date(time).toLocaleString(currentLanguage(), {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

/** The time of day, to the second. */
export function clock(time) {
  return new Date(time).toLocaleTimeString(currentLanguage(), { hourCycle: "h23" });
}

/** The time of day, to the minute. */
export function hour(time) {
  const style = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(time).toLocaleTimeString(currentLanguage(), style);
}

/** A short span: milliseconds, or seconds once it is long. */
export function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${number(milliseconds / 1000, { maximumFractionDigits: 1 })} s`;
}

/** A large number, shortened. */
export function amount(value) {
  return number(value, { notation: "compact", maximumFractionDigits: 1 });
}

/** A share of a hundred. */
export function percent(value) {
  return number(value / 100, { style: "percent", maximumFractionDigits: 0 });
}

/** A word with a large first letter, as names of plans are written. */
export function capital(word) {
  return word.charAt(0).toLocaleUpperCase() + word.slice(1).replaceAll("_", " ");
}
