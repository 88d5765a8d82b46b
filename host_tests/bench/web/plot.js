// SPDX-License-Identifier: Apache-2.0
// Power and credit over simulated time: two axes that share their grid lines, the past as the server kept it
// (see page/history.py), the present as the last vertex. The pointer or the arrow keys read values off.

import { axes, timeMarks } from "./axes.js";
import { attr, text } from "./dom.js";
import { dateWords, fixed, money, power, span, timeWords, wallSeconds } from "./words.js";

const T = 0, MEAN = 1, LOW = 2, HIGH = 3, CREDIT = 4, CLOSED = 5;
const STEPS = [4, 5, 6];
const PAD = { left: 40, right: 48, top: 10, bottom: 24 };
const SHORTEST_S = 60;

export class Plot {
  constructor(canvas, tip) {
    Object.assign(this, { canvas, tip });
    this.paint = canvas.getContext("2d");
    this.points = [];
    this.now = null;
    this.spanS = 86400;
    this.cursor = null; // {x} under the pointer, {t} by keyboard
    new ResizeObserver(() => this.fit()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = null; this.draw(); });
    canvas.addEventListener("pointermove", (event) => this.read({ x: event.offsetX }));
    canvas.addEventListener("pointerdown", (event) => this.read({ x: event.offsetX }));
    canvas.addEventListener("pointerleave", () => this.read(null));
    canvas.addEventListener("blur", () => this.read(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.fit();
  }

  replace(points) {
    this.points = points;
    attr(this.canvas, "data-points", points.length);
    this.draw();
  }

  append(points) {
    for (const point of points) if (!this.points.length || point[T] > this.points.at(-1)[T]) this.points.push(point);
    attr(this.canvas, "data-points", this.points.length);
  }

  show(snapshot) {
    this.now = snapshot;
    this.draw();
  }

  span(seconds) {
    this.spanS = seconds;
    this.draw();
  }

  read(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (event.key === "Escape") this.read(null);
    if (!move || !this.view?.seen.length) return;
    event.preventDefault();
    const { seen } = this.view;
    const from = this.cursor?.t === undefined ? seen.length - 1 : seen.findIndex((p) => p[T] >= this.cursor.t);
    const to = (from < 0 ? seen.length - 1 : from) + move;
    this.read({ t: seen[Math.min(Math.max(to, 0), seen.length - 1)][T] });
  }

  fit() {
    const box = this.canvas.parentElement;
    const ratio = devicePixelRatio || 1;
    Object.assign(this, { width: box.clientWidth, height: box.clientHeight });
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  palette() {
    const style = getComputedStyle(this.canvas);
    return (this.colours ??= Object.fromEntries(
      ["ink", "muted", "line", "panel", "power", "credit", "off"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()])));
  }

  /** Everything one drawing needs: the points seen, the scales, and x and y as functions. */
  layout() {
    const { now, points } = this;
    const t1 = now.sim_s;
    const oldest = points.length ? points[0][T] : t1;
    const t0 = Math.min(Math.max(oldest, t1 - this.spanS), t1 - Math.min(SHORTEST_S, this.spanS));
    const first = Math.max(points.findIndex((p) => p[T] > t0), 0);
    const seen = points.slice(Math.max(first - 1, 0));
    const live = [t1, now.phase_power_w, now.phase_power_w, now.phase_power_w, now.credit_micro, now.powered && now.relay.closed];
    if (!seen.length || seen.at(-1)[T] < t1) seen.push(live);
    let low = 0, high = 100, least = Infinity, most = -Infinity;
    for (const p of seen) {
      low = Math.min(low, p[LOW]);
      high = Math.max(high, p[HIGH]);
      least = Math.min(least, p[CREDIT]);
      most = Math.max(most, p[CREDIT]);
    }
    if (least > 0 && least < most * 0.4) least = 0;
    const room = Math.max((most - least) * 0.06, 20_000);
    const [kw, credit] = axes([low / 1000, (high * 1.06) / 1000], [least === 0 ? 0 : (least - room) / 1e6, (most + room) / 1e6], STEPS);
    const plotW = this.width - PAD.left - PAD.right, plotH = this.height - PAD.top - PAD.bottom;
    const y = (scale) => (value) => PAD.top + plotH * (1 - (value - scale.low) / (scale.high - scale.low));
    const wallNow = wallSeconds(now.t_local);
    return {
      seen, t0, t1, kw, credit, plotW, plotH,
      wall: wallNow === null ? null : wallNow - t1,
      x: (t) => PAD.left + (plotW * (Math.max(t, t0) - t0)) / (t1 - t0),
      yKw: y(kw), yCredit: y(credit),
    };
  }

  draw() {
    const { paint } = this;
    paint.clearRect(0, 0, this.width, this.height);
    if (!this.now || this.width < 120) return;
    const view = (this.view = this.layout());
    const colours = this.palette();
    paint.font = "11px " + getComputedStyle(this.canvas).fontFamily;
    this.drawOff(view, colours);
    this.drawGrid(view, colours);
    paint.save();
    paint.beginPath();
    paint.rect(PAD.left, PAD.top - 4, view.plotW, view.plotH + 8);
    paint.clip();
    this.drawPower(view, colours);
    this.drawCredit(view, colours);
    paint.restore();
    this.drawCursor(view, colours);
  }

  drawOff({ seen, x, plotH }, colours) {
    const { paint } = this;
    paint.fillStyle = colours.off;
    for (let i = 1; i < seen.length; i++) {
      if (seen[i][CLOSED]) continue;
      let end = i;
      while (end + 1 < seen.length && !seen[end + 1][CLOSED]) end++;
      paint.fillRect(x(seen[i - 1][T]), PAD.top, Math.max(x(seen[end][T]) - x(seen[i - 1][T]), 1.5), plotH);
      i = end;
    }
  }

  drawGrid(view, colours) {
    const { paint } = this;
    const { kw, credit, plotW, plotH } = view;
    paint.lineWidth = 1;
    paint.strokeStyle = colours.line;
    paint.textBaseline = "middle";
    for (let i = 0; i <= kw.steps; i++) {
      const y = Math.round(PAD.top + plotH * (1 - i / kw.steps)) + 0.5;
      paint.beginPath();
      paint.moveTo(PAD.left, y);
      paint.lineTo(PAD.left + plotW, y);
      paint.stroke();
      paint.fillStyle = colours.power;
      paint.textAlign = "right";
      paint.fillText(fixed(kw.low + i * kw.step, kw.digits), PAD.left - 8, y);
      paint.fillStyle = colours.credit;
      paint.textAlign = "left";
      paint.fillText(fixed(credit.low + i * credit.step, credit.digits), PAD.left + plotW + 8, y);
    }
    paint.fillStyle = colours.muted;
    paint.textAlign = "center";
    paint.textBaseline = "alphabetic";
    for (const { t, words } of timeMarks(view.t0, view.t1, Math.max(2, plotW / 84), view.wall)) {
      const x = Math.round(view.x(t)) + 0.5;
      paint.globalAlpha = 0.6;
      paint.beginPath();
      paint.moveTo(x, PAD.top + plotH);
      paint.lineTo(x, PAD.top + plotH + 4);
      paint.stroke();
      paint.globalAlpha = 1;
      paint.fillText(words, Math.min(Math.max(x, PAD.left), PAD.left + plotW - 4), this.height - 6);
    }
    if (credit.low < 0 && credit.high > 0) {
      paint.setLineDash([4, 4]);
      paint.strokeStyle = colours.credit;
      paint.beginPath();
      paint.moveTo(PAD.left, view.yCredit(0));
      paint.lineTo(PAD.left + plotW, view.yCredit(0));
      paint.stroke();
      paint.setLineDash([]);
    }
  }

  drawPower({ seen, x, yKw }, colours) {
    const { paint } = this;
    const zero = yKw(0);
    const line = new Path2D(), area = new Path2D(), range = new Path2D();
    line.moveTo(x(seen[0][T]), yKw(seen[0][MEAN] / 1000));
    area.moveTo(x(seen[0][T]), zero);
    for (let i = 1; i < seen.length; i++) {
      const left = x(seen[i - 1][T]), right = x(seen[i][T]), y = yKw(seen[i][MEAN] / 1000);
      for (const path of [line, area]) {
        path.lineTo(left, y);
        path.lineTo(right, y);
      }
      const top = yKw(seen[i][HIGH] / 1000), bottom = yKw(seen[i][LOW] / 1000);
      if (bottom - top > 1) range.rect(left, top, Math.max(right - left, 1), bottom - top);
    }
    area.lineTo(x(seen.at(-1)[T]), zero);
    paint.fillStyle = colours.power;
    paint.globalAlpha = 0.13;
    paint.fill(area);
    paint.globalAlpha = 0.16;
    paint.fill(range);
    paint.globalAlpha = 1;
    paint.strokeStyle = colours.power;
    paint.lineWidth = 1.5;
    paint.lineJoin = "round";
    paint.stroke(line);
  }

  drawCredit({ seen, x, yCredit }, colours) {
    const { paint } = this;
    paint.beginPath();
    seen.forEach((p, i) => {
      const px = x(p[T]), py = yCredit(p[CREDIT] / 1e6);
      // A purchase is a step up, not a slope.
      if (i && p[CREDIT] > seen[i - 1][CREDIT]) paint.lineTo(px, yCredit(seen[i - 1][CREDIT] / 1e6));
      paint.lineTo(px, py);
    });
    paint.strokeStyle = colours.panel;
    paint.lineWidth = 4.5;
    paint.globalAlpha = 0.75;
    paint.stroke();
    paint.globalAlpha = 1;
    paint.strokeStyle = colours.credit;
    paint.lineWidth = 2;
    paint.stroke();
  }

  drawCursor(view, colours) {
    const { paint, tip, cursor } = this;
    tip.hidden = !cursor;
    if (!cursor) return;
    attr(tip, "aria-live", cursor.t === undefined ? "off" : "polite"); // read aloud to those who use the keys
    const { seen, x } = view;
    const t = cursor.t ?? view.t0 + ((cursor.x - PAD.left) / view.plotW) * (view.t1 - view.t0);
    let i = seen.findIndex((p) => p[T] >= t);
    if (i < 0) i = seen.length - 1;
    const p = seen[i];
    const px = Math.min(Math.max(cursor.x ?? x(p[T]), PAD.left), PAD.left + view.plotW);
    paint.strokeStyle = colours.muted;
    paint.lineWidth = 1;
    paint.beginPath();
    paint.moveTo(Math.round(px) + 0.5, PAD.top);
    paint.lineTo(Math.round(px) + 0.5, PAD.top + view.plotH);
    paint.stroke();
    for (const [y, colour] of [[view.yKw(p[MEAN] / 1000), colours.power], [view.yCredit(p[CREDIT] / 1e6), colours.credit]]) {
      paint.beginPath();
      paint.arc(px, y, 4, 0, 7);
      paint.fillStyle = colour;
      paint.fill();
      paint.strokeStyle = colours.panel;
      paint.lineWidth = 2;
      paint.stroke();
    }
    this.label(view, p, px);
  }

  label(view, p, px) {
    const when = view.wall === null ? `after ${span(p[T])}` : `${dateWords(p[T] + view.wall)} ${timeWords(p[T] + view.wall)}`;
    const between = p[HIGH] - p[LOW] > 1 ? ` (${power(p[LOW])} to ${power(p[HIGH])})` : "";
    const words = [when, `Power ${power(p[MEAN])}${between}`, `Credit ${money(p[CREDIT], this.now.currency)}`];
    if (!p[CLOSED]) words.push("Supply off");
    text(this.tip, words.join("\n"));
    const onLeft = px > this.width / 2;
    this.tip.style.left = onLeft ? "" : `${px + 12}px`;
    this.tip.style.right = onLeft ? `${this.width - px + 12}px` : "";
  }
}
