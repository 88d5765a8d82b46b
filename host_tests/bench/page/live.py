# SPDX-License-Identifier: Apache-2.0
"""The bench at a multiple of real time, driven by a page.

One thread serves the meter and owns everything. The page's commands wait in a queue until that thread takes
them, and what the page shows is a dict that thread puts out.
"""

import json
import queue
import time
from collections import deque
from datetime import timedelta
from decimal import Decimal

from meter.core import account, codes, rates
from meter.documents import parse

from host_tests.bench.cards.cards import pending_micro
from host_tests.bench.page.words import claims_text, event_text
from host_tests.bench.plant.flash import read_file
from host_tests.bench.plant.plant import EPOCH
from host_tests.bench.run.session import Bench
from host_tests.bench.views.ledger import read_events, read_ledger
from scripts.chips.card_file import CardFile
from scripts.supplier.errors import VendError


def _pending(card):
    try:
        return pending_micro(card)
    except (AttributeError, VendError):
        return None  # no card of the scheme, or not one a shop can read


SLICE_S = 0.02  # wall time between two looks at the queue


class LiveBench(Bench):
    """A bench whose live() runs until told to stop."""

    def __init__(self, warp: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.warp = warp
        self.warp_actual = 0.0
        self._tariff = self._tariff_on_meter()
        self._tariff_event = 0
        micro = {name: int(Decimal(self.settings[name]) * 1_000_000) for name in ("alarm1", "alarm2", "overdraft")}
        self._limits = (micro["alarm1"], micro["alarm2"], -micro["overdraft"])
        self._counted = (0.0, 0, 0, 0)  # at the last look: virtual second, meter ns, I2C bytes, SPI frames
        self._figures = {}
        self._heap_free = None
        self.meter.measure = True
        self.meter.on_line = self._console
        self._sold = 0
        self._cards_stamp = None
        self._cards_shown = []
        self._commands = queue.Queue()
        self._snapshot = {}
        self._pace = None  # (wall, virtual) the warp is counted from
        self._rates = deque(maxlen=50)

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
                self.load(c["w"], c["pf_milli"])
            case "voltage":
                plant.house.set_voltage(0, c["v"] * 1000)
            case "plug":
                self.plug(c["in"])
            case "cover":
                plant.cover(c["open"])
            case "magnet":
                plant.set_input(board.MAGNET, int(c["on"]))
            case "button":
                plant.set_input(board.BUTTON, 0 if c["down"] else 1)
            case "card":
                self.insert(c["id"])
            case "sell":
                self.sell(c["id"], c["amount"])
                self._sold += 1
            case "warp":
                self.warp = c["x"]
                self._pace = None
            case "fault":
                self.fault(c["part"], c["mode"])

    # -- time --------------------------------------------------------------------------------

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

    # -- what the page shows -----------------------------------------------------------------

    def _describe(self, entry) -> dict:
        """A card as the page shows it; what waits on it is read as a shop reads it, while it is out of the slot."""
        pending = None if entry.id == self.card else _pending(entry.card)
        about = entry.text
        if entry.id == self.card:
            about = "In the slot: see the meter's display."
        elif (entry.id == "good" or isinstance(entry.card, CardFile)) and pending is not None:
            about = f"{pending / 1e6:.2f} waits on it." if pending else "Nothing new on it: sell some."
        return {
            "id": entry.id,
            "label": entry.label,
            "about": about,
            "uid": entry.card.uid.hex().upper(),
            "pending_micro": pending,
        }

    def _cards(self) -> list:
        # Reading a card takes AES: only when something has happened to one.
        stamp = (self.card, self._sold)
        if stamp != self._cards_stamp:
            self._cards_stamp = stamp
            self._cards_shown = [self._describe(entry) for entry in self.deck.cards]
        return self._cards_shown

    def _look(self) -> dict:
        plant, board = self.plant, self.board
        clock = plant.clock
        state = read_ledger(plant.fram)
        if len(self._rates) > 1:
            (wall0, virtual0), (wall1, virtual1) = self._rates[0], self._rates[-1]
            self.warp_actual = (virtual1 - virtual0) / 1e6 / max(1e-6, wall1 - wall0)
        utc = plant.rtc.time(clock.now_us)
        local = utc + timedelta(minutes=self.settings["utc_offset_min"]) if utc else None
        events = read_events(plant.fram, 20)
        changed = max((e.number for e in events if e.code == codes.LOG_TARIFF_CHANGED), default=0)
        if changed > self._tariff_event:
            self._tariff, self._tariff_event = self._tariff_on_meter(), changed
        rate = self._rate(local)
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
                "on": self.plugged and plant.lcd.display_on,
                "backlight": plant.lcd.backlight,
                "cells": [list(row) for row in plant.lcd.cells()],
                "cgram": [list(plant.lcd.cgram[8 * n : 8 * n + 8]) for n in range(8)],
            },
            "relay": {
                "closed": plant.relay.closed,
                "coil": "open"
                if plant.level[board.RELAY_OPEN]
                else "close"
                if plant.level[board.RELAY_CLOSE]
                else None,
                "operations": len(plant.relay.pulses),
            },
            "led": bool(plant.level[board.ALARM_LED]),
            "buzzer": bool(plant.level[board.BUZZER]),
            "load_w": self.load_w,
            "load_pf_milli": self.pf_milli,
            "voltage_v": plant.house.u_mv[0] // 1000,
            "phase_power_w": plant.house.power_w() if self.plugged else 0,
            "credit_micro": state.credit_micro,
            "currency": self.settings["currency"],
            "alarm": account.alarm_level(state.credit_micro, *self._limits),
            "rate_name": self._tariff.rate_names[rate],
            "price_micro": self._tariff.prices_micro[rate],
            "import_wh": state.import_counts * 3125 // 1_000_000,
            "claims": state.claims,
            "claims_text": claims_text(state.claims),
            "cover_open": plant.cover_open,
            "magnet": bool(plant.level[board.MAGNET]),
            "card": self.card,
            "cards": self._cards(),
            "console": list(self.meter.console)[-40:],
            "faults": dict(self.faults),
            **self._measured(),
            "events": [
                {
                    "seq": e.number,
                    "t": self._local_iso(e.utc_s),
                    "text": event_text(e),
                }
                for e in events
            ],
        }

    def _tariff_on_meter(self):
        """Return the tariff as it lies in the meter's file system: a card may have brought another one."""
        return parse.tariff(json.loads(read_file(self.plant.flash, "tariff.json")))

    def _rate(self, local) -> int:
        if local is None:
            return self._tariff.fallback
        minute = local.hour * 60 + local.minute
        return rates.rate_at(self._tariff, local.year, local.month, local.day, local.weekday(), minute)

    def _local_iso(self, utc_s):
        if not utc_s:
            return None
        return (EPOCH + timedelta(seconds=utc_s, minutes=self.settings["utc_offset_min"])).isoformat()

    def _measured(self) -> dict:
        """Heap, processor time and bus traffic, once a simulated second or more."""
        plant = self.plant
        now_s = plant.clock.now_us / 1e6
        was_s, was_ns, was_bytes, was_frames = self._counted
        if now_s - was_s >= 1:
            i2c_bytes = sum(bus.bytes for bus in plant.buses)
            span_s = now_s - was_s
            self._figures = {
                "heap_free": self._heap_free,
                "cpu_us_per_tick": round((self.meter.meter_ns - was_ns) / 1000 / span_s),
                "bus": {
                    "i2c_bytes_per_s": round((i2c_bytes - was_bytes) / span_s),
                    "spi_frames_per_s": round((plant.spi_frames - was_frames) / span_s),
                },
            }
            self._counted = (now_s, self.meter.meter_ns, i2c_bytes, plant.spi_frames)
        return self._figures

    def _console(self, line: str) -> None:
        if line.startswith("STATUS"):
            self._heap_free = int(line.split("heap_free=")[1].split()[0])
