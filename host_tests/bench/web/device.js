// SPDX-License-Identifier: Apache-2.0
// The meter as a thing on the bench: lamps, relay, button, cover, magnet, plug, and the house it feeds.

import { $, attr, calm, text } from "./dom.js";
import { Lcd } from "./lcd.js";
import { fixed, power } from "./words.js";

const IMPULSES_PER_KWH = 3200;
const BLUR_HZ = 8; // faster than this a lamp is not seen to blink, and should not be made to
const FLASH_S = 0.08;

/** The energy pulse lamp: blinks with the energy that flows, at the speed time has here. */
class PulseLamp {
  constructor(lamp) {
    this.lamp = lamp;
    this.rate = this.phase = 0;
    this.before = performance.now();
    const step = (now) => {
      this.phase += (this.rate * Math.min(now - this.before, 250)) / 1000;
      this.before = now;
      if (this.rate > 0 && this.rate <= BLUR_HZ && !calm()) {
        attr(lamp, "data-lit", (this.phase % 1) / this.rate < FLASH_S ? "yes" : "no");
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  show(watts, warp) {
    this.rate = (Math.abs(watts) * IMPULSES_PER_KWH * warp) / 3.6e6;
    if (this.rate === 0) attr(this.lamp, "data-lit", "no");
    else if (this.rate > BLUR_HZ || calm()) attr(this.lamp, "data-lit", "blur");
  }
}

/** A buzzer one may hear, if one asks for it: piezo buzzers live around 2.4 kHz. */
class Buzzer {
  constructor(button) {
    this.wanted = false;
    this.on = false;
    button.addEventListener("click", () => {
      this.wanted = !this.wanted;
      attr(button, "aria-pressed", this.wanted);
      this.context ??= new AudioContext();
      this.context.resume();
      this.sound();
    });
    this.button = button;
  }

  show(on) {
    this.on = on;
    attr(this.button, "data-on", on);
    attr(this.button, "aria-label", `Buzzer ${on ? "sounding" : "silent"}: let it be heard`);
    this.sound();
  }

  sound() {
    const audible = this.on && this.wanted;
    if (audible && !this.tone) {
      const gain = new GainNode(this.context, { gain: 0.03 });
      this.tone = new OscillatorNode(this.context, { type: "square", frequency: 2400 });
      this.tone.connect(gain).connect(this.context.destination);
      this.tone.start();
    } else if (!audible && this.tone) {
      this.tone.stop();
      this.tone = null;
    }
  }
}

/** A button that is down for as long as a finger, the mouse or a key holds it. */
function holdable(button, changed) {
  let held = false;
  const set = (down) => {
    if (down === held) return;
    held = down;
    button.classList.toggle("down", down);
    changed(down);
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    set(true);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, () => set(false));
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    set(true);
  });
  button.addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter") && set(false));
  button.addEventListener("blur", () => set(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  document.addEventListener("visibilitychange", () => document.hidden && set(false));
}

function flip(button, then) {
  button.addEventListener("click", () => then(button.getAttribute("aria-checked") !== "true"));
}

export class Device {
  constructor(send) {
    this.lcd = new Lcd($("lcd"), $("bezel"), $("lcd-text"));
    this.pulse = new PulseLamp($("pulse-led"));
    this.buzzer = new Buzzer($("buzzer"));
    this.operations = null;
    holdable($("push"), (down) => send({ cmd: "button", down }));
    flip($("cover"), (open) => send({ cmd: "cover", open }));
    flip($("magnet"), (on) => send({ cmd: "magnet", on }));
    flip($("plug"), (into) => send({ cmd: "plug", in: into }));
  }

  show(s) {
    this.lcd.show(s.lcd);
    this.pulse.show(s.powered ? s.phase_power_w : 0, s.warp_actual ?? s.warp);
    this.buzzer.show(s.buzzer);
    attr($("alarm-led"), "data-lit", s.led ? "yes" : "no");
    attr($("alarm-led"), "aria-label", `Alarm light ${s.led ? "on" : "off"}`);
    this.showRelay(s);
    this.showSurroundings(s);
  }

  showRelay({ relay, powered, phase_power_w: watts }) {
    const state = relay.closed ? "closed" : "open";
    const box = $("relay");
    attr(box, "data-state", state);
    attr(box, "data-live", powered ? (relay.closed ? "through" : "in") : "no");
    attr(box, "data-flow", powered && relay.closed && watts > 0);
    attr(box, "aria-label", `Supply relay ${state}, switched ${relay.operations} times`);
    text($("relay-word"), `Relay ${state}`);
    text($("relay-count"), `${relay.operations}×`);
    attr($("relay-count"), "title", "times switched");
    // A coil pulse lasts 60 ms: too short to be met by a snapshot, so the count of operations tells of it too.
    const switched = this.operations !== null && relay.operations !== this.operations;
    this.operations = relay.operations;
    const coil = relay.coil ?? (switched ? (relay.closed ? "close" : "open") : null);
    if (coil) this.glow($(`coil-${coil}`));
  }

  glow(coil) {
    coil.classList.add("hot");
    clearTimeout(coil.cooling);
    coil.cooling = setTimeout(() => coil.classList.remove("hot"), 450);
  }

  showSurroundings(s) {
    attr($("plug"), "aria-checked", s.powered);
    text($("plug-word"), s.powered ? `Mains, ${fixed(s.voltage_v, 0)} V` : "Mains plug pulled");
    attr($("cover"), "aria-checked", s.cover_open);
    text($("cover-word"), s.cover_open ? "Cover is open" : "Terminal cover");
    attr($("magnet"), "aria-checked", s.magnet);
    text($("magnet-word"), s.magnet ? "Magnet at the case" : "Magnet");
    const lit = s.powered && s.relay.closed;
    const using = lit && s.phase_power_w > 0;
    attr($("house"), "data-lit", lit);
    attr($("house"), "data-flow", using);
    const words = lit ? `House, ${power(s.phase_power_w)}` : "House is dark";
    text($("house-word"), words);
    attr($("house"), "aria-label", words);
  }
}
