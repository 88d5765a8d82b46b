# SPDX-License-Identifier: Apache-2.0
"""A bench in use: a plant, a meter on it, and what a person can do to both.

Tests drive it with run_s(); `make sim` drives it with live(), which keeps to a multiple of real time, takes
the page's commands from a queue and puts out what the page shows. One thread owns everything.
"""

import queue
import time
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal

from scripts.image import build_image

from . import documents
from .board import load_board
from .cards import Deck, read_back, sell
from .chips.desfire import DesfireCard
from .clock import VirtualTime
from .faults import FAULTS, set_fault
from .flash import NorFlash
from .ledger_view import read_events, read_ledger
from .plant import EPOCH, Plant
from .process import MeterProcess
from .words import claims_text, event_text

SLICE_S = 0.02  # wall time between two looks at the queue


class Bench:
    """A plant, a meter and what the person at the page can do to them."""

    def __init__(self, arch="i386", heap=None, warp=1, utc=datetime(2026, 1, 12, 7, 0), tariff=None, files=None, **settings):
        """A meter just plugged in. settings: changes to the bench's; files: documents to put in place of the usual."""
        self.settings = documents.settings(**settings)
        self.board = load_board()
        files = {**documents.as_files(self.settings, tariff), **(files or {})}
        self.plant = Plant(
            VirtualTime(), self.board, NorFlash(build_image(None, files)), utc_s=int((utc - EPOCH).total_seconds())
        )
        self.meter = MeterProcess(self.plant, arch, heap)
        self.meter.measure = True
        self.deck = Deck(self.settings["meter_number"], self.settings["currency"])
        self.card = None
        self.plugged = False
        self.warp = warp
        self.warp_actual = 0.0
        self.load_w, self.pf_milli = 600, 980
        self.faults = {part: "none" for part in FAULTS}
        self._commands = queue.Queue()
        self._snapshot = {}
        self._pace = None  # (wall, virtual) the warp is counted from
        self._rates = deque(maxlen=50)
        self._load()
        self.plug(True)

    # -- the person -------------------------------------------------------------------------------

    def command(self, command: dict) -> None:
        """From any thread. Raises ValueError with a sentence for the person when it cannot be done."""
        done = queue.Queue()
        self._commands.put((command, done))
        error = done.get(timeout=10)
        if error is not None:
            raise error

    def snapshot(self) -> dict:
        return self._snapshot

    def _obey(self, c: dict) -> None:
        plant, board = self.plant, self.board
        match c["cmd"]:
            case "load":
                self.load_w, self.pf_milli = c["w"], c["pf_milli"]
                self._load()
            case "voltage":
                plant.house.set_voltage(0, c["v"] * 1000)
            case "plug":
                self.plug(c["in"])
            case "cover":
                plant.set_input(board.COVER, int(c["open"]))
            case "magnet":
                plant.set_input(board.MAGNET, int(c["on"]))
            case "button":
                plant.set_input(board.BUTTON, 0 if c["down"] else 1)
            case "card":
                self.insert(c["id"])
            case "sell":
                self._sell(c["id"], c["amount"])
            case "warp":
                self.warp = c["x"]
                self._pace = None
            case "fault":
                set_fault(plant, c["part"], c["mode"])
                self.faults[c["part"]] = c["mode"]

    def _load(self):
        q_factor = max(0, 1_000_000 - self.pf_milli**2) ** 0.5 / max(1, self.pf_milli)
        self.plant.house.set_load(0, self.load_w * 1000, round(self.load_w * 1000 * q_factor))

    def plug(self, plugged: bool) -> None:
        if plugged and not self.plugged:
            self.meter.plug_in()
        elif self.plugged and not plugged:
            self.meter.pull_plug()
        self.plugged = plugged

    def insert(self, card_id) -> None:
        """Put a card in the slot, or take it out (None)."""
        now_us = self.plant.clock.now_us
        if self.card is not None:
            self.plant.reader.remove(now_us)
            self.card = None
        if card_id is not None:
            try:
                card = self.deck.take(card_id)
            except KeyError:
                raise ValueError("There is no such card.") from None
            self.plant.reader.insert(card, now_us)
            self.card = card_id

    def _sell(self, card_id, amount):
        if card_id == self.card:
            raise ValueError("Take the card out of the meter first: the desk needs it.")
        try:
            card = self.deck.card(card_id)
        except KeyError:
            raise ValueError("There is no such card.") from None
        if not isinstance(card, DesfireCard):
            raise ValueError("This card cannot hold a purchase.")
        sell(card, int(Decimal(amount) * 1_000_000))

    def _describe(self, entry) -> dict:
        """A card as the page shows it. What waits on it is read the way a shop reads it."""
        return {"id": entry.id, "label": entry.label, "about": entry.text, "uid": entry.card.uid.hex().upper(), "pending_micro": None}

    # -- the world --------------------------------------------------------------------------------

    def run_s(self, seconds: float) -> None:
        """Let virtual time pass as fast as it goes."""
        self.meter.run_s(seconds)

    def press(self, hold_s: float = 0.2) -> None:
        """The button, pressed and let go."""
        self.plant.set_input(self.board.BUTTON, 0)
        self.run_s(hold_s)
        self.plant.set_input(self.board.BUTTON, 1)

    def lcd(self) -> list[str]:
        """The four rows as they stand on the display."""
        return self.plant.lcd.rows()

    def state(self):
        """What the ledger in FRAM says."""
        return read_ledger(self.plant.fram)

    def events(self):
        return read_events(self.plant.fram)

    def live(self, stop) -> None:
        """Run at the warp asked for until stop() is true, obeying commands."""
        while not stop():
            began = time.monotonic()
            clock = self.plant.clock
            if self._pace is None:
                self._pace = (began, clock.now_us)
                self._rates.clear()
            if self.warp:
                wall, virtual = self._pace
                target = virtual + int((began + SLICE_S - wall) * self.warp * 1_000_000)
                # Never promise more than a few slices: a slow machine falls behind instead of running away.
                target = min(target, clock.now_us + int(3 * SLICE_S * self.warp * 1_000_000))
                self.meter.run(target)
                if clock.now_us < virtual + int((time.monotonic() - wall - 0.5) * self.warp * 1_000_000):
                    self._pace = None
            else:
                self.meter.run_s(20)
            self._take_commands()
            self._rates.append((time.monotonic(), clock.now_us))
            self._snapshot = self._look()
            spare = began + SLICE_S - time.monotonic()
            if self.warp and spare > 0:
                time.sleep(spare)

    def _take_commands(self):
        while True:
            try:
                command, done = self._commands.get_nowait()
            except queue.Empty:
                return
            try:
                self._obey(command)
            except ValueError as e:
                done.put(e)
            except Exception as e:
                done.put(ValueError(f"The bench could not do that: {e}"))
            else:
                done.put(None)

    def _look(self) -> dict:
        plant, board = self.plant, self.board
        clock = plant.clock
        state = read_ledger(plant.fram)
        if len(self._rates) > 1:
            (wall0, virtual0), (wall1, virtual1) = self._rates[0], self._rates[-1]
            self.warp_actual = (virtual1 - virtual0) / 1e6 / max(1e-6, wall1 - wall0)
        utc = plant.rtc.time(clock.now_us)
        local = utc + timedelta(minutes=self.settings["utc_offset_min"]) if utc else None
        return {
            "t_local": local.isoformat(timespec="seconds") if local else None,
            "warp": self.warp,
            "warp_actual": round(self.warp_actual, 1),
            "sim_s": round(clock.now_us / 1e6, 3),
            "powered": self.plugged,
            "meter_alive": self.meter.alive,
            "restarts": self.meter.restarts,
            "wdt_bites": self.meter.wdt_bites,
            "lcd": {
                "on": self.plugged,
                "backlight": plant.lcd.backlight,
                "cells": [list(row) for row in plant.lcd.cells()],
                "cgram": [list(plant.lcd.cgram[8 * n : 8 * n + 8]) for n in range(8)],
            },
            "relay": {
                "closed": plant.relay.closed,
                "coil": "open" if plant.level[board.RELAY_OPEN] else "close" if plant.level[board.RELAY_CLOSE] else None,
                "operations": len(plant.house.log_contact),
            },
            "led": bool(plant.level[board.ALARM_LED]),
            "buzzer": bool(plant.level[board.BUZZER]),
            "load_w": self.load_w,
            "load_pf_milli": self.pf_milli,
            "voltage_v": plant.house.u_mv[0] // 1000,
            "phase_power_w": plant.house.power_w(),
            "credit_micro": state.credit_micro,
            "currency": self.settings["currency"],
            "import_wh": state.import_counts * 3125 // 1_000_000,
            "claims": state.claims,
            "claims_text": claims_text(state.claims),
            "cover_open": bool(plant.level[board.COVER]),
            "magnet": bool(plant.level[board.MAGNET]),
            "card": self.card,
            "cards": [self._describe(entry) for entry in self.deck.cards],
            "console": list(self.meter.console)[-40:],
            "faults": dict(self.faults),
            "events": [
                {"seq": e.number, "t": (EPOCH + timedelta(seconds=e.utc_s)).isoformat() if e.utc_s else None, "text": event_text(e)}
                for e in read_events(plant.fram, 20)
            ],
        }

    def close(self) -> None:
        self.meter.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
