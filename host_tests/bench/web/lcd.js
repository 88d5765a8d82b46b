// SPDX-License-Identifier: Apache-2.0
// A 20x4 character display, dot by dot: 5x8 dots a cell, a dot's gap between cells, on a grid of whole device
// pixels so that it stays sharp at any size. Liquid crystal is slow: dots fade in and out over some frames.

import { attr, calm, text } from "./dom.js";
import { glyph, letter } from "./font.js";

export const COLUMNS = 20, ROWS = 4;
const MARGIN_X = 4, MARGIN_Y = 4;
export const GRID_W = COLUMNS * 6 - 1 + 2 * MARGIN_X;
export const GRID_H = ROWS * 9 - 1 + 2 * MARGIN_Y;
const FADE_MS = 90;
const GHOST = 0.045;

const LIT = { centre: [203, 226, 72], edge: [164, 194, 38], dot: "24, 36, 6" };
const UNLIT = { centre: [128, 139, 92], edge: [108, 119, 76], dot: "24, 32, 14" };

const mix = (a, b, k) => `rgb(${a.map((v, i) => Math.round(v + (b[i] - v) * k)).join(" ")})`;

export class Lcd {
  constructor(canvas, bezel, spoken) {
    Object.assign(this, { canvas, bezel, spoken });
    this.paint = canvas.getContext("2d");
    this.wanted = new Float32Array(COLUMNS * ROWS * 40);
    this.dots = new Float32Array(this.wanted.length);
    this.light = this.wantedLight = 0;
    this.frame = 0;
    new ResizeObserver(() => this.fit()).observe(bezel);
    this.fit();
  }

  /** lcd: {on, backlight, cells: 4 x 20 codes, cgram: 8 x 8 rows of five dots}. */
  show(lcd) {
    const lines = [];
    for (let row = 0; row < ROWS; row++) {
      const codes = lcd.cells[row];
      lines.push(codes.map(letter).join(""));
      for (let column = 0; column < COLUMNS; column++) {
        const rows = lcd.on ? glyph(codes[column], lcd.cgram) : null;
        let at = (row * COLUMNS + column) * 40;
        for (let y = 0; y < 8; y++) {
          for (let x = 4; x >= 0; x--) this.wanted[at++] = rows ? (rows[y] >> x) & 1 : 0;
        }
      }
    }
    this.wantedLight = lcd.backlight ? 1 : 0;
    attr(this.bezel, "data-lit", Boolean(lcd.backlight));
    text(this.spoken, lcd.on ? lines.map((line) => line.trimEnd()).join("\n") : "The display is off.");
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.step(now, now));
  }

  step(now, before) {
    const k = calm() ? 1 : 1 - Math.exp(-Math.max(now - before, 8) / FADE_MS);
    let moving = false;
    const towards = (from, to) => {
      if (Math.abs(to - from) < 0.02) return to;
      moving = true;
      return from + (to - from) * k;
    };
    for (let i = 0; i < this.dots.length; i++) {
      if (this.dots[i] !== this.wanted[i]) this.dots[i] = towards(this.dots[i], this.wanted[i]);
    }
    this.light = towards(this.light, this.wantedLight);
    this.draw();
    this.frame = moving ? requestAnimationFrame((next) => this.step(next, now)) : 0;
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    const style = getComputedStyle(this.bezel);
    const room = this.bezel.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const pitch = Math.max(2, Math.floor((room * ratio) / GRID_W));
    if (pitch === this.pitch && ratio === this.ratio) return;
    Object.assign(this, { pitch, ratio });
    this.canvas.width = GRID_W * pitch;
    this.canvas.height = GRID_H * pitch;
    this.canvas.style.width = `${this.canvas.width / ratio}px`;
    this.canvas.style.height = `${this.canvas.height / ratio}px`;
    this.draw();
  }

  draw() {
    const { paint, pitch, light } = this;
    const { width, height } = this.canvas;
    const glass = paint.createRadialGradient(width / 2, height * 0.45, height * 0.2, width / 2, height / 2, width * 0.62);
    glass.addColorStop(0, mix(UNLIT.centre, LIT.centre, light));
    glass.addColorStop(1, mix(UNLIT.edge, LIT.edge, light));
    paint.fillStyle = glass;
    paint.fillRect(0, 0, width, height);
    const colour = light > 0.5 ? LIT.dot : UNLIT.dot;
    const size = pitch > 2 ? pitch - Math.max(1, Math.round(pitch * 0.14)) : pitch;
    const offset = Math.max(1, Math.round(pitch * 0.25));
    for (const [shift, strength, ghost] of [[offset, 0.1, 0], [0, 0.93, GHOST]]) this.drawDots(colour, size, shift, strength, ghost);
  }

  /** Drawn twice: first the shadow that the dots cast on the reflector behind the glass, then the dots. */
  drawDots(colour, size, shift, strength, ghost) {
    const { paint, pitch } = this;
    let at = 0, opacity = -1;
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        const left = (MARGIN_X + column * 6) * pitch + shift, top = (MARGIN_Y + row * 9) * pitch + shift;
        for (let y = 0; y < 8; y++) {
          for (let x = 0; x < 5; x++) {
            const dark = ghost + (strength - ghost) * this.dots[at++];
            if (!dark) continue;
            if (dark !== opacity) paint.fillStyle = `rgba(${colour}, ${(opacity = dark).toFixed(3)})`;
            paint.fillRect(left + x * pitch, top + y * pitch, size, size);
          }
        }
      }
    }
  }
}
