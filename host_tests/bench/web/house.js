// SPDX-License-Identifier: Apache-2.0
// What the outside does to the meter: load, power factor, mains voltage, and how fast time runs.

import { $, attr, make, segments, text } from "./dom.js";
import { factor, fixed, power } from "./words.js";

// No two sums of these are equal, so which ones are on can be told from the load alone.
const APPLIANCES = [
  { name: "Fridge", w: 120, pf: 0.85 },
  { name: "Kettle", w: 2000, pf: 1 },
  { name: "Oven", w: 2500, pf: 1 },
  { name: "EV", w: 7200, pf: 0.99 },
];
const WARPS = [[1, "1×"], [10, "10×"], [60, "60×"], [600, "600×"], [3600, "3600×"], [0, "max"]];
const LEAST_W = 10, MOST_W = 12000, STOPS = 1000;
const SEND_EVERY_MS = 80;
const SETTLE_MS = 700;
const BELIEVE_MS = 3000;

/** The load slider's scale: 0 at the left end, then equal ratios from 10 W to 12 kW, in two figures. */
export function wattsAt(stop) {
  if (stop <= 0) return 0;
  const raw = LEAST_W * (MOST_W / LEAST_W) ** (stop / STOPS);
  const unit = 10 ** Math.max(Math.floor(Math.log10(raw)) - 1, 0);
  return Math.min(Math.round(raw / unit) * unit, MOST_W);
}

export function stopAt(watts) {
  if (watts < LEAST_W) return 0;
  return Math.round((STOPS * Math.log(watts / LEAST_W)) / Math.log(MOST_W / LEAST_W));
}

/** What these appliances draw together: active powers add, and so do reactive ones. */
export function together(appliances) {
  const w = appliances.reduce((sum, one) => sum + one.w, 0);
  const q = appliances.reduce((sum, one) => sum + one.w * Math.tan(Math.acos(one.pf)), 0);
  return { w, pf_milli: w ? Math.round((1000 * w) / Math.hypot(w, q)) : 1000 };
}

function subset(watts) {
  for (let mask = 0; mask < 1 << APPLIANCES.length; mask++) {
    const on = APPLIANCES.filter((_, i) => mask & (1 << i));
    if (together(on).w === watts) return on;
  }
  return [];
}

/** A slider that sends while it is moved, not too often, and is not pushed back by news older than the hand. */
class Slider {
  constructor(input, send) {
    this.input = input;
    this.moved = -Infinity;
    input.addEventListener("input", () => {
      this.moved = performance.now();
      this.paint();
      this.timer ??= setTimeout(() => {
        this.timer = null;
        send(Number(input.value));
      }, SEND_EVERY_MS);
    });
  }

  get free() {
    return performance.now() - this.moved > SETTLE_MS;
  }

  set(value) {
    if (this.free && Number(this.input.value) !== value) this.input.value = value;
    this.paint();
  }

  paint() {
    const { min, max, value } = this.input;
    this.input.style.setProperty("--at", `${(100 * (value - min)) / (max - min)}%`);
  }
}

export class House {
  constructor(send) {
    this.state = { w: 0, pf_milli: 1000 };
    this.asked = -Infinity;
    // What was asked counts at once: the next hand on a control must not send what news still on its way will correct.
    const load = (w, pf_milli) => {
      this.state = { w, pf_milli };
      this.on = subset(w);
      this.asked = performance.now();
      send({ cmd: "load", w, pf_milli });
    };
    this.load = new Slider($("load"), (stop) => load(wattsAt(stop), this.state.pf_milli));
    this.pf = new Slider($("pf"), (percent) => load(this.state.w, percent * 10));
    this.volt = new Slider($("volt"), (v) => send({ cmd: "voltage", v }));
    for (const id of ["load", "pf", "volt"]) $(id).addEventListener("input", () => this.words());

    this.chips = APPLIANCES.map((one) => {
      const chip = make("button.chip", { type: "button", "aria-pressed": false }, one.name, make("small", {}, power(one.w)));
      chip.addEventListener("click", () => {
        const on = this.on.includes(one) ? this.on.filter((other) => other !== one) : [...this.on, one];
        const sum = together(on);
        load(sum.w, sum.pf_milli);
      });
      $("appliances").append(chip);
      return [one, chip];
    });
    const none = make("button.chip.plain", { type: "button" }, "All off");
    none.addEventListener("click", () => load(0, 1000));
    $("appliances").append(none);
    this.on = [];

    this.pickWarp = segments($("warp-choices"), "warp", WARPS, (x) => send({ cmd: "warp", x }));
  }

  show(s) {
    if (s.load_w === this.state.w && s.load_pf_milli === this.state.pf_milli) this.asked = -Infinity;
    if (performance.now() - this.asked > BELIEVE_MS) this.state = { w: s.load_w, pf_milli: s.load_pf_milli };
    this.on = subset(this.state.w);
    for (const [one, chip] of this.chips) attr(chip, "aria-pressed", this.on.includes(one));
    this.load.set(stopAt(this.state.w));
    this.pf.set(Math.abs(Math.round(this.state.pf_milli / 10)));
    this.volt.set(s.voltage_v);
    this.words();
    this.pickWarp(s.warp);
    text($("warp-actual"), `${factor(s.warp_actual)} now`);
  }

  words() {
    const watts = this.load.free ? this.state.w : wattsAt(Number($("load").value));
    const percent = this.pf.free ? this.state.pf_milli / 10 : Number($("pf").value);
    text($("load-out"), power(watts));
    text($("pf-out"), fixed(percent / 100, 2));
    text($("volt-out"), `${$("volt").value}\u202fV`);
    attr($("load"), "aria-valuetext", power(watts));
    attr($("pf"), "aria-valuetext", fixed(percent / 100, 2));
    attr($("volt"), "aria-valuetext", `${$("volt").value} volts`);
  }
}
