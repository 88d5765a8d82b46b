// SPDX-License-Identifier: Apache-2.0
// Events, console, faults and what goes on inside: four panes, one shown at a time.

import { $, attr, make, onChange, text } from "./dom.js";
import { energy, fixed, reasons, span, timeWords, dayWords, wallSeconds } from "./words.js";

const FAULTS = {
  none: "works",
  absent: "does not answer",
  noise: "noise on its bus",
  upset: "registers upset",
  stopped: "oscillator stopped",
  wedged: "holds its bus",
  jammed: "holds its bus for good",
  nak: "refuses every other transfer",
  garbage: "its data is noise",
  bits: "single wrong bits",
  slow: "slow",
  busy: "slow to draw",
  "keeps nothing": "says yes, keeps nothing",
  twin: "doubled, at one address",
  "twin near": "doubled, two days apart",
  impostor: "an EEPROM in its place",
  neighbour: "an EEPROM beside it",
  strays: "answers for the memory",
  welded: "contacts welded",
  stuck: "does not move",
  "sense low": "sense line stays low",
  "sense high": "sense line stays high",
  "sense noise": "sense line is noise",
};
const PARTS = [
  ["atm90e32", "Metering IC", "ATM90E32AS", "absent,noise,upset,wedged,garbage,bits,slow,keeps nothing"],
  ["pn532", "Card reader", "PN532", "absent,wedged,jammed,nak,garbage,bits,slow,twin"],
  ["lcd", "Display", "HD44780", "absent,wedged,nak,garbage,bits,slow,busy,keeps nothing,twin,strays"],
  ["rtc", "Clock", "DS3231", "absent,stopped,wedged,nak,garbage,bits,slow,keeps nothing,twin,twin near,neighbour"],
  ["fram", "Ledger memory", "MB85RC256V", "absent,wedged,nak,garbage,bits,slow,keeps nothing,twin,impostor"],
  ["relay", "Supply relay", "latching", "welded,stuck,slow,sense low,sense high,sense noise"],
];

function tabs(list) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const pick = (tab, focus) => {
    for (const other of all) {
      const chosen = other === tab;
      attr(other, "aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      $(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  };
  for (const tab of all) tab.addEventListener("click", () => pick(tab, false));
  list.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const here = all.indexOf(document.activeElement);
    pick(all[(here + move + all.length) % all.length], true);
  });
}

const orNone = (value, words) => (value === null || value === undefined ? "–" : words(value));
const whole = (n) => Math.round(n).toLocaleString("en").replaceAll(",", "\u202f");

function inside(s) {
  return [
    ["Simulated", span(s.sim_s)],
    ["Consumed", energy(s.import_wh)],
    ["Free heap", orNone(s.heap_free, (n) => `${fixed(n / 1024, 1)} KiB`)],
    ["Work per tick", orNone(s.cpu_us_per_tick, (n) => `${whole(n)} µs`)],
    ["I²C traffic", orNone(s.bus?.i2c_bytes_per_s, (n) => `${whole(n)} B/s`)],
    ["SPI frames", orNone(s.bus?.spi_frames_per_s, (n) => `${whole(n)} /s`)],
    ["Restarts", whole(s.restarts)],
    ["Watchdog bites", whole(s.wdt_bites)],
    ["Reasons to be off", reasons(s).join(", ") || "none"],
    ["Firmware", s.meter_alive ? "running" : "not running"],
  ];
}

export class Records {
  constructor(send) {
    tabs($("tabs"));
    this.showEvents = onChange((events) => this.listEvents(events));
    this.showConsole = onChange((lines) => this.print(lines));
    this.values = new Map();
    this.menus = PARTS.map(([part, name, type, modes]) => {
      const menu = make("select", {}, ...["none", ...modes.split(",")].map((mode) => make("option", { value: mode }, FAULTS[mode])));
      menu.addEventListener("change", () => send({ cmd: "fault", part, mode: menu.value }));
      $("pane-faults").append(make("label", {}, make("span", {}, name, " ", make("small", {}, type)), menu));
      return [part, menu];
    });
  }

  show(s) {
    this.showEvents(s.events);
    this.showConsole(s.console);
    let broken = 0;
    for (const [part, menu] of this.menus) {
      const mode = s.faults[part] ?? "none";
      if (menu.value !== mode) menu.value = mode;
      attr(menu, "data-broken", mode !== "none");
      if (mode !== "none") broken++;
    }
    $("fault-count").hidden = !broken;
    text($("fault-count"), String(broken));
    for (const [name, value] of inside(s)) this.value(name, value);
  }

  value(name, value) {
    if (!this.values.has(name)) {
      const node = make("dd");
      $("pane-inside").append(make("div", {}, make("dt", {}, name), node));
      this.values.set(name, node);
    }
    text(this.values.get(name), value);
  }

  listEvents(events) {
    const rows = [...events].sort((a, b) => b.seq - a.seq).map(({ seq, t, text: words }) => {
      const wall = wallSeconds(t);
      const time = make("time", {}, wall === null ? "no clock" : timeWords(wall));
      if (wall !== null) time.append(make("small", {}, dayWords(wall)));
      return make("li", { "data-seq": seq }, time, make("span", {}, words), make("small", {}, `#${seq}`));
    });
    $("pane-events").replaceChildren(...(rows.length ? rows : [make("li.empty", {}, "Nothing written down yet.")]));
  }

  print(lines) {
    const pane = $("pane-console");
    const following = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24;
    pane.textContent = lines.join("\n") || "The firmware has printed nothing.";
    if (following) pane.scrollTop = pane.scrollHeight;
  }
}
