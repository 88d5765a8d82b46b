// SPDX-License-Identifier: Apache-2.0
// The cards on the desk, the slot they go into (dragged or pressed), and the vending desk that sells onto them.

import { $, attr, make, onChange, text, toast } from "./dom.js";
import { money } from "./words.js";

const DRAG_PX = 6;
const SLOT_REACH_PX = 28;
const AMOUNTS = ["5.00", "10.00", "20.00", "50.00"];
const SLOTTED = " in slot";
const HINT = "Drag a card into the slot, or press it.";

const story = (card) => `${card.about.replace(/\.$/, "")} · ${card.uid}`;

function face(card, currency) {
  const pending = card.pending_micro > 0 ? [make("em", { title: "Bought, not yet read by a meter" }, `+${money(card.pending_micro)}`)] : [];
  return [make("i.contact", { "aria-hidden": "true" }), make("b", {}, card.label), make("small", {}, card.uid), ...pending];
}

export class Cards {
  constructor(send) {
    this.send = send;
    this.cards = [];
    this.inside = null;
    this.reshow = onChange(({ cards, card, currency }) => this.build(cards, card, currency));
    this.onto = onChange((options) => this.fillDesk(options));
    this.desk();
  }

  show(s) {
    if (this.dragging) return;
    this.reshow({ cards: s.cards, card: s.card, currency: s.currency });
    this.onto(s.cards.map(({ id, label }) => ({ id, label })));
    text($("vend-currency"), s.currency);
  }

  build(cards, inside, currency) {
    Object.assign(this, { cards, inside });
    const focused = document.activeElement?.dataset?.card;
    $("tray").replaceChildren(...cards.map((card, i) => this.cardButton(card, i, currency, card.id === inside)));
    const i = cards.findIndex((card) => card.id === inside);
    const slotted = i < 0 ? [] : [this.slotted(cards[i], i, currency)];
    $("slot-card").replaceChildren(...slotted);
    attr($("slot"), "data-full", i >= 0);
    text($("slot-hint"), i >= 0 ? "Press or drag it out" : "Insert card");
    text($("card-about"), i >= 0 ? story(cards[i]) : HINT);
    if (focused) this.focus(focused) || this.focus(focused.replace(SLOTTED, ""));
  }

  focus(name) {
    const button = document.querySelector(`[data-card="${CSS.escape(name)}"]`);
    button?.focus({ preventScroll: true });
    return Boolean(button);
  }

  cardButton(card, i, currency, inside) {
    const words = `${card.label}: ${card.about}. ${inside ? "In the slot: take out" : "Put into the slot"}`;
    const button = make("button.card", { type: "button", "data-card": card.id, "data-hue": i % 6, "aria-pressed": inside, "aria-label": words }, ...face(card, currency));
    const about = () => text($("card-about"), story(card));
    button.addEventListener("pointerenter", about);
    button.addEventListener("focus", about);
    this.draggable(button, card, inside);
    return button;
  }

  slotted(card, i, currency) {
    const button = make("button.card.in", { type: "button", "data-card": card.id + SLOTTED, "data-hue": i % 6, "aria-label": `${card.label} is in the slot: take it out` }, ...face(card, currency));
    this.draggable(button, card, true);
    return button;
  }

  move(card, into) {
    this.send({ cmd: "card", id: into ? card.id : null });
  }

  /** Press = in or out; drag = over the slot is in, elsewhere is out. */
  draggable(button, card, inside) {
    let from = null, ghost = null, dragged = false;
    const over = (event) => {
      const box = $("slot").getBoundingClientRect();
      return event.clientX > box.left - SLOT_REACH_PX && event.clientX < box.right + SLOT_REACH_PX
        && event.clientY > box.top - SLOT_REACH_PX && event.clientY < box.bottom + SLOT_REACH_PX;
    };
    const end = (event, dropped) => {
      from = null;
      if (!ghost) return;
      ghost.remove();
      ghost = null;
      this.dragging = false;
      button.classList.remove("lifted");
      $("slot").classList.remove("near");
      if (dropped && over(event) !== inside) this.move(card, !inside);
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY };
      dragged = false;
      button.setPointerCapture(event.pointerId);
    });
    button.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (!ghost) {
        if (Math.hypot(event.clientX - from.x, event.clientY - from.y) < DRAG_PX) return;
        const box = button.getBoundingClientRect();
        ghost = button.cloneNode(true);
        ghost.classList.add("ghost");
        ghost.setAttribute("aria-hidden", "true");
        ghost.removeAttribute("data-card");
        Object.assign(ghost.style, { width: `${Math.max(box.width, 90)}px`, left: `${from.x - box.left}px`, top: `${from.y - box.top}px` });
        Object.assign(from, { dx: from.x - box.left, dy: from.y - box.top });
        document.body.append(ghost);
        button.classList.add("lifted");
        this.dragging = dragged = true;
      }
      ghost.style.left = `${event.clientX - from.dx}px`;
      ghost.style.top = `${event.clientY - from.dy}px`;
      $("slot").classList.toggle("near", over(event));
    });
    button.addEventListener("pointerup", (event) => end(event, true));
    button.addEventListener("pointercancel", (event) => end(event, false));
    button.addEventListener("click", () => {
      if (dragged) dragged = false;
      else this.move(card, !inside);
    });
  }

  desk() {
    for (const amount of AMOUNTS) {
      const chip = make("button.chip", { type: "button" }, amount.replace(".00", ""));
      chip.setAttribute("aria-label", `Amount ${amount}`);
      chip.addEventListener("click", () => { $("amount").value = amount; });
      $("amounts").append(chip);
    }
    $("vend").addEventListener("submit", (event) => {
      event.preventDefault();
      const id = $("vend-card").value;
      const amount = $("amount").value.trim().replace(",", ".");
      const label = this.cards.find((card) => card.id === id)?.label;
      this.send({ cmd: "sell", id, amount }, () => toast(`Sold ${amount} ${$("vend-currency").textContent} onto “${label}”.`, "good"));
    });
  }

  fillDesk(options) {
    const chosen = $("vend-card").value;
    $("vend-card").replaceChildren(...options.map(({ id, label }) => make("option", { value: id }, label)));
    if (options.some(({ id }) => id === chosen)) $("vend-card").value = chosen;
  }
}
