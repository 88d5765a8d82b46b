// SPDX-License-Identifier: Apache-2.0
// The bench's page: one connection in, one snapshot at a time handed to every part of the page.

import { Cards } from "./cards.js";
import { Device } from "./device.js";
import { $, attr, segments, text, toast } from "./dom.js";
import { House } from "./house.js";
import { Link } from "./link.js";
import { Plot } from "./plot.js";
import { Records } from "./records.js";
import { dateWords, energy, money, power, span, timeWords, verdict, wallSeconds } from "./words.js";

const SPANS = [[600, "10 min"], [3600, "1 h"], [86400, "1 d"], [604800, "7 d"], [1e12, "all"]];
const GONE = {
  gone: "The bench is gone. Trying to reach it again…",
  silent: "The bench is silent: it has sent nothing for some seconds.",
};

let link = null;

/** Sends one command; a refusal is shown in the bench's own words. */
function send(command, then) {
  link.send(command).then(then, (refusal) => toast(refusal.message));
}

const plot = new Plot($("plot"), $("plot-tip"));
segments($("plot-spans"), "span", SPANS, (seconds) => plot.span(seconds))(86400);
const parts = [new Device(send), new House(send), new Cards(send), new Records(send), plot];

function showTop(s) {
  const wall = wallSeconds(s.t_local);
  text($("clock-date"), wall === null ? "Clock not set, running for" : dateWords(wall));
  text($("clock-time"), wall === null ? span(s.sim_s) : timeWords(wall));
  const { tone, what, why, note } = verdict(s);
  attr($("verdict"), "data-tone", tone);
  text($("verdict-what"), what);
  text($("verdict-why"), why);
  text($("verdict-note"), note ?? "");
  text($("fig-credit"), money(s.credit_micro, s.currency));
  attr($("fig-credit"), "data-alarm", s.alarm ?? 0);
  text($("fig-power"), power(s.phase_power_w));
  text($("fig-import"), energy(s.import_wh));
  text($("fig-rate"), s.rate_name ? `${s.rate_name} · ${(s.price_micro / 1e6).toFixed(4)}` : "–");
  attr($("fig-rate"), "title", `${s.currency} per kWh`);
  text($("plot-currency"), s.currency);
}

function heard(message) {
  if (message.type === "snapshot") {
    showTop(message.s);
    for (const part of parts) part.show(message.s);
    attr(document.documentElement, "data-seen", "yes");
  } else if (message.type === "history") plot.replace(message.points);
  else if (message.type === "points") plot.append(message.points);
  else if (message.type === "trouble") showState("trouble", message.text);
}

function showState(state, words = GONE[state]) {
  attr(document.documentElement, "data-link", state);
  $("gone").hidden = !words;
  if (words) text($("gone"), words);
}

link = new Link(heard, showState);
