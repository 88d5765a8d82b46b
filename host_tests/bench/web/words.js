// SPDX-License-Identifier: Apache-2.0
// Numbers and states in words. Pure functions: no document, no clock.

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MINUS = "\u2212", THIN = "\u202f";
const two = (n) => String(n).padStart(2, "0");

const signed = (words) => words.replace("-", MINUS);

export function fixed(value, digits) {
  const rounded = value.toFixed(digits);
  return signed(Number(rounded) === 0 ? rounded.replace("-", "") : rounded);
}

export const money = (micro, currency = "") => fixed(micro / 1e6, 2) + (currency ? `${THIN}${currency}` : "");

export function power(watts) {
  if (Math.abs(watts) < 1000) return fixed(watts, 0) + `${THIN}W`;
  return fixed(watts / 1000, Math.abs(watts) < 9995 ? 2 : 1) + `${THIN}kW`;
}

export const energy = (wh) => fixed(wh / 1000, wh < 1e6 ? 3 : 1) + `${THIN}kWh`;

/** Local wall time as seconds, counted as if it were UTC; null when there is none. */
export function wallSeconds(iso) {
  const found = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?/.exec(iso ?? "");
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1).map((part) => Number(part ?? 0));
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

const at = (wall) => new Date(wall * 1000);
export const dayWords = (wall) => {
  const d = at(wall);
  return `${DAYS[d.getUTCDay()]} ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
};
export const dateWords = (wall) => `${dayWords(wall)} ${at(wall).getUTCFullYear()}`;
export const minuteWords = (wall) => `${two(at(wall).getUTCHours())}:${two(at(wall).getUTCMinutes())}`;
export const timeWords = (wall) => `${minuteWords(wall)}:${two(at(wall).getUTCSeconds())}`;

export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${two(minutes)} min`;
  return minutes ? `${minutes} min ${two(s % 60)} s` : `${s} s`;
}

export function factor(x) {
  if (x === null || x === undefined) return "–";
  return (x >= 10 ? Math.round(x).toLocaleString("en").replaceAll(",", THIN) : fixed(x, 1)) + "×";
}

const REASONS = [
  [1, "Disconnected by supplier"],
  [2, "Credit used up: buy and insert card"],
  [4, "Low credit: insert card to go on"],
  [8, "Load too high: reduce, then insert card"],
  [16, "Blocked: call supplier"],
  [32, "Fault in the meter"],
];

export function reasons(s) {
  if (s.claims_text?.length) return s.claims_text;
  return REASONS.filter(([bit]) => s.claims & bit).map(([, words]) => words);
}

const ALARMS = ["", "Credit is getting low", "Credit is very low", "Credit is used up"];

function lasts({ credit_micro: credit, phase_power_w: watts, price_micro: price }) {
  const hours = credit / ((watts / 1000) * price);
  return credit > 0 && hours > 0 && hours < 8760 ? `At this load, credit lasts ${span(hours * 3600)}` : "";
}

/** {tone, what, why, note}: whether the house has supply, and why not, as one would tell a neighbour. */
export function verdict(s) {
  const why = reasons(s).join(" · ");
  if (!s.powered) return { tone: "dark", what: "No mains", why: "The plug is pulled: the meter keeps what it knows" };
  if (!s.meter_alive) {
    return { tone: "warn", what: "Meter not running", why: `Its firmware is starting or has stopped; supply is ${s.relay.closed ? "on" : "off"}` };
  }
  if (s.relay.closed) {
    if (why) return { tone: "warn", what: "Supply still on", why: `It should be off. ${why}` };
    return { tone: s.alarm ? "warn" : "on", what: "Supply on", why: ALARMS[s.alarm] ?? "", note: lasts(s) };
  }
  return { tone: "off", what: "Supply off", why: why || "The meter has not closed its relay" };
}
