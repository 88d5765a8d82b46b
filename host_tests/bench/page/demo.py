# SPDX-License-Identifier: Apache-2.0
"""A paper meter to work on the page without the bench: `python -m host_tests.bench.page.demo [--port 8080]`.

It keeps the page's contract (snapshot and commands) and behaves plausibly: credit falls with consumption,
trips and cards follow a few rules. It measures nothing and shares nothing with the firmware.
"""

import argparse
import datetime
import threading
import time
from decimal import Decimal, InvalidOperation

from host_tests.bench.page.server import serve

CURRENCY = "EUR"
START = datetime.datetime(2025, 1, 14, 17, 58, 0)
ALARM1_MICRO, ALARM2_MICRO = 5_000_000, 2_000_000
OVERLOAD_W, OVERLOAD_HOLD_S = 9_000, 30
CARD_READ_S = 0.8
BOOT_S = 2
NO_CREDIT, REMINDER, OVERLOAD = 2, 4, 8
REASONS = {
    NO_CREDIT: "Credit used up: buy and insert card",
    REMINDER: "Low credit: insert card to go on",
    OVERLOAD: "Load too high: reduce, then insert card",
}
REFUSALS = {
    "foreign": "card of other meter",
    "unknown": "not a meter card",
    "old": "already used",
    "torn": "card is damaged",
    "blank": "card is blank",
}
CGRAM = [
    [0b00100, 0b01110, 0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0],
    [0b01110, 0b11011, 0b10001, 0b10001, 0b10001, 0b10001, 0b11111, 0],
    [0b01110, 0b11011, 0b10001, 0b10001, 0b11111, 0b11111, 0b11111, 0],
    [0b01110, 0b11111, 0b11111, 0b11111, 0b11111, 0b11111, 0b11111, 0],
    [0b00010, 0b00100, 0b01000, 0b11111, 0b00010, 0b00100, 0b01000, 0],
    [0b00000, 0b00100, 0b00100, 0b01110, 0b01110, 0b11111, 0b11011, 0],
    [0b00000, 0b01010, 0b11111, 0b11111, 0b01110, 0b00100, 0b00000, 0],
    [0b11111, 0b10001, 0b10101, 0b10101, 0b10101, 0b10001, 0b11111, 0],
]
BLANK = [[32] * 20 for _ in range(4)]


def _card(label, about, uid):
    return {"label": label, "about": about, "uid": uid, "pending_micro": 0}


class PaperMeter:
    """A household meter as a small state machine over simulated seconds. Thread-safe."""

    def __init__(self, credit_micro=12_340_000):
        self.lock = threading.Lock()
        self.commands = []
        self.started = self.before = time.monotonic()
        self.sim_s = 0.0
        self.warp = 1
        self.warp_actual = 1.0
        self.powered, self.boot_left_s = True, 0.0
        self.closed, self.operations = True, 7
        self.load_w, self.pf_milli, self.voltage_v = 480, 950, 230
        self.credit_micro, self.import_wh = credit_micro, 1_204_318.0
        self.claims, self.reminded, self.over_s = 0, False, 0.0
        self.cover_open = self.magnet = self.button = False
        self.inside, self.card_left_s, self.says = None, None, None
        self.page, self.restarts = 0, 0
        self.faults = dict.fromkeys(("atm90e32", "pn532", "lcd", "rtc", "fram", "relay"), "none")
        self.cards = {
            "home": _card("Household", "This meter's own card", "04 5A 1C 92 61 80"),
            "spare": _card("Spare card", "A second card for this meter", "04 7F 02 AA 61 80"),
            "foreign": _card("Neighbour", "A card of another meter", "04 11 B3 40 61 80"),
            "old": _card("Old copy", "A copy of a purchase that was used long ago", "04 5A 1C 92 61 80"),
            "torn": _card("Damaged card", "Its purchase cannot be read", "04 5A 1C 92 61 80"),
            "blank": _card("Blank card", "A new card on which nothing was written yet", "04 3D 88 F1 61 80"),
            "unknown": _card("Bus pass", "No card of this scheme at all", "04 C9 77 0E 2B 85"),
        }
        self.log, self.console = [], []
        self.note("Power came back after 2 h 10 min")
        self.print("Pennywatt 0.1, 112 KiB heap")
        self.print("boot: power up; ledger copy B, seq 40211")

    # What the page calls.

    def command(self, command):
        with self.lock:
            self.commands.append(command)
            getattr(self, "do_" + command["cmd"])(command)

    def snapshot(self):
        with self.lock:
            self.advance()
            rate, price = self.rate()
            alive = self.powered and self.boot_left_s <= 0
            alarm = 3 if self.credit_micro <= 0 else 2 if self.credit_micro <= ALARM2_MICRO else 0
            alarm = alarm or int(self.credit_micro <= ALARM1_MICRO)
            through = self.power_w()
            display = alive and self.faults["lcd"] == "none"
            cells = self.lines() if display else BLANK
            return {
                "t_local": self.local().isoformat() if self.faults["rtc"] == "none" else None,
                "warp": self.warp, "warp_actual": round(self.warp_actual, 2), "sim_s": round(self.sim_s, 3),
                "powered": self.powered, "meter_alive": alive, "restarts": self.restarts, "wdt_bites": 0,
                "lcd": {"on": display, "backlight": display, "cells": cells, "cgram": CGRAM},
                "relay": {"closed": self.closed, "coil": None, "operations": self.operations},
                "led": alive and bool(alarm) and (alarm > 1 or int(self.sim_s) % 2 == 0),
                "buzzer": alive and bool(self.claims) and self.sim_s % 4 < 0.6,
                "load_w": self.load_w, "load_pf_milli": self.pf_milli, "voltage_v": self.voltage_v,
                "phase_power_w": round(through, 1), "import_wh": int(self.import_wh),
                "credit_micro": round(self.credit_micro), "currency": CURRENCY,
                "rate_name": rate, "price_micro": price, "claims": self.claims,
                "claims_text": [text for bit, text in REASONS.items() if self.claims & bit],
                "alarm": alarm, "cover_open": self.cover_open, "magnet": self.magnet, "card": self.inside,
                "cards": [{"id": name, **card} for name, card in self.cards.items()],
                "console": list(self.console[-40:]), "faults": dict(self.faults),
                "heap_free": 58_240 - int(self.sim_s) % 1500 if alive else None,
                "cpu_us_per_tick": 3_410 if alive else None,
                "bus": {"i2c_bytes_per_s": 1_240 if alive else 0, "spi_frames_per_s": 38 if alive else 0},
                "events": [dict(event) for event in self.log[-20:]],
            }  # fmt: skip

    # Simulated time.

    def local(self):
        return START + datetime.timedelta(seconds=self.sim_s)

    def rate(self):
        return ("Day", 312_500) if 7 <= self.local().hour < 22 else ("Night", 214_000)

    def power_w(self):
        if not self.powered or not self.closed:
            return 0.0
        return self.load_w * (self.voltage_v / 230) ** 2

    def advance(self):
        now = time.monotonic()
        real_s, self.before = now - self.before, now
        target_s = real_s * (self.warp or 9_000)
        self.warp_actual += ((target_s / real_s if real_s > 0 else 0) - self.warp_actual) * 0.2
        while target_s > 0:
            step_s = min(target_s, 10.0)
            target_s -= step_s
            self.step(step_s)

    def step(self, step_s):
        self.sim_s += step_s
        if not self.powered:
            return
        if self.boot_left_s > 0:
            self.boot_left_s -= step_s
            if self.boot_left_s <= 0:
                self.note("Meter is running again")
            return
        wh = self.power_w() * step_s / 3600
        self.import_wh += wh
        self.credit_micro -= wh * self.rate()[1] / 1000
        self.over_s = self.over_s + step_s if self.power_w() > OVERLOAD_W else 0.0
        if self.over_s > OVERLOAD_HOLD_S:
            self.claim(OVERLOAD)
        if self.credit_micro <= 0:
            self.claim(NO_CREDIT)
        elif self.credit_micro <= ALARM2_MICRO and not self.reminded:
            self.reminded = True
            self.claim(REMINDER)
        if self.card_left_s is not None:
            self.card_left_s -= step_s
            if self.card_left_s <= 0:
                self.card_left_s = None
                self.read_card()
        wants_closed = not self.claims
        if wants_closed != self.closed and self.faults["relay"] == "none":
            self.closed = wants_closed
            self.operations += 1
            self.note("Supply on" if self.closed else "Supply off: " + self.reason())

    def claim(self, bit):
        if not self.claims & bit:
            self.claims |= bit
            self.over_s = 0.0

    def reason(self):
        return next((text for bit, text in REASONS.items() if self.claims & bit), "")

    def read_card(self):
        if self.faults["pn532"] != "none":
            return
        card = self.cards[self.inside]
        why = REFUSALS.get(self.inside)
        if why:
            self.says = ["Card refused:", why, "", "Remove card"]
            self.note("Card refused: " + why)
            return
        bought, card["pending_micro"] = card["pending_micro"], 0
        self.credit_micro += bought
        if bought:
            self.note(f"Purchase of {bought / 1e6:.2f} {CURRENCY}")
        self.claims &= ~(REMINDER | OVERLOAD)
        if self.credit_micro > 0:
            self.claims &= ~NO_CREDIT
        self.reminded = self.credit_micro <= ALARM2_MICRO
        self.says = [
            "Card read",
            f"Bought   {bought / 1e6:7.2f} {CURRENCY}",
            f"Credit   {self.credit_micro / 1e6:7.2f} {CURRENCY}",
            "Remove card",
        ]

    def lines(self):
        texts = self.says
        if texts is None and self.claims:
            texts = ["\x07 Supply off", *self.reason().split(": "), ""]
        if texts is None and self.page % 2:
            texts = [
                f"Consumed {self.import_wh / 1000:7.1f} kWh",
                f"Mains    {self.voltage_v:7d} V",
                f"Factor   {self.pf_milli / 1000:7.2f}",
                f"Relay    {'closed' if self.closed else 'open'}",
            ]
        if texts is None:
            level = chr(1 + (self.credit_micro > ALARM1_MICRO) + (self.credit_micro > 2 * ALARM1_MICRO))
            rate, price = self.rate()
            texts = [
                f"{self.local():%d %b %Y %H:%M}  {level}",
                f"Credit  {self.credit_micro / 1e6:8.2f} {CURRENCY}",
                f"Power   {self.power_w() / 1000:8.2f} kW\x04",
                f"{rate:<5}  {price / 1e6:.4f} /kWh",
            ]
        return [[ord(letter) & 0xFF for letter in text.ljust(20)[:20]] for text in texts]

    def note(self, text):
        self.log.append({"seq": len(self.log) + 311, "t": self.local().isoformat(), "text": text})
        self.print("log: " + text)

    def print(self, text):
        self.console.append(f"{self.sim_s:10.1f} {text}")

    # Commands.

    def do_load(self, command):
        self.load_w, self.pf_milli = command["w"], command["pf_milli"]

    def do_voltage(self, command):
        self.voltage_v = command["v"]

    def do_plug(self, command):
        if command["in"] and not self.powered:
            self.restarts, self.boot_left_s = self.restarts + 1, BOOT_S
        self.powered = command["in"]

    def do_cover(self, command):
        self.cover_open = command["open"]
        self.note("Cover opened" if self.cover_open else "Cover closed")

    def do_magnet(self, command):
        self.magnet = command["on"]
        self.note("Magnet near the meter" if self.magnet else "Magnet gone")

    def do_card(self, command):
        if command["id"] is not None and command["id"] not in self.cards:
            raise ValueError("There is no such card on the desk.")
        self.inside = command["id"]
        self.card_left_s = CARD_READ_S if self.inside else None
        self.says = ["Reading card...", "", "", ""] if self.inside else None

    def do_button(self, command):
        self.button = command["down"]
        self.page += self.button

    def do_warp(self, command):
        self.warp = command["x"]

    def do_sell(self, command):
        try:
            amount = Decimal(command["amount"])
        except InvalidOperation:
            raise ValueError(f"{command['amount']!r} is not an amount of money.") from None
        if not Decimal("0.01") <= amount <= 500:
            raise ValueError("One sale is from 0.01 to 500.00.")
        if command["id"] not in ("home", "spare"):
            raise ValueError("This card is not registered at this vending desk.")
        self.cards[command["id"]]["pending_micro"] += int(amount * 1_000_000)

    def do_fault(self, command):
        self.faults[command["part"]] = command["mode"]
        self.note(f"{command['part']}: {command['mode']}")


def main():
    parser = argparse.ArgumentParser(description="The page with a paper meter behind it.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--credit", type=Decimal, default=Decimal("12.34"))
    options = parser.parse_args()
    server = serve(PaperMeter(int(options.credit * 1_000_000)), options.port)
    print(f"Page of a paper meter: {server.url}  (Ctrl-C ends it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.close()


if __name__ == "__main__":
    main()
