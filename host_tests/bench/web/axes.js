// SPDX-License-Identifier: Apache-2.0
// Round numbers for axes. Pure functions.

import { dayWords, minuteWords, span, timeWords } from "./words.js";

function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.9999) * power;
}

/** An axis of exactly n steps that covers low to high with round marks, so two axes can share grid lines. */
export function axis(low, high, n) {
  let step = roundStep(Math.max((high - low) / n, 1e-9));
  for (;;) {
    const start = Math.floor(low / step + 1e-9) * step;
    if (start + n * step >= high - step * 1e-6) {
      const digits = Math.min(4, Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (/^25/.test(step.toExponential().replace(".", "")) ? 1 : 0)));
      return { low: start, high: start + n * step, steps: n, step, digits };
    }
    step = roundStep(step * 1.01);
  }
}

/** Two axes with the same number of steps, the one that wastes the least height. */
export function axes(first, second, counts) {
  const tried = counts.map((n) => [axis(...first, n), axis(...second, n)]);
  const waste = ([a, b]) => (a.high - a.low) / (first[1] - first[0]) + (b.high - b.low) / (second[1] - second[0]);
  return tried.reduce((best, pair) => (waste(pair) < waste(best) - 1e-9 ? pair : best));
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
  604800, 1209600, 2592000, 7776000, 31536000];

/** [{t, words}] between two simulated times; `wall` turns one into local seconds, or is null without a clock. */
export function timeMarks(from, to, most, wall) {
  const step = TIME_STEPS.find((s) => (to - from) / s <= most) ?? TIME_STEPS.at(-1);
  const shift = wall ?? 0;
  const marks = [];
  for (let local = Math.ceil((from + shift) / step) * step; local <= to + shift; local += step) {
    let words;
    if (wall === null) words = span(local).replace(/ (00 min|00 s|0 h)$/, "");
    else if (step >= 86400 || local % 86400 === 0) words = dayWords(local);
    else words = step < 60 ? timeWords(local) : minuteWords(local);
    marks.push({ t: local - shift, words });
  }
  return marks;
}
