# SPDX-License-Identifier: Apache-2.0
"""Single-bit errors of every part's transfers, one at a time and each position in its turn, in one run per part.

    -run    while the meter works: every bit of the transfers it makes each tick, look or page; of a card's visits and
            of what is written to memory as many as there are, with the power cut right after some
    -start  at each of many starts one bit: of the clock every one, of the others evenly chosen ones
What a driver does about each bit by itself: test_single_bits.py and the IC drivers' tests.
"""

import re
import shutil
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path

from meter.core import codes
from meter.storage import ledger

from host_tests.bench import documents
from host_tests.bench.plant.wrong_bits import S
from host_tests.system.fault_case import COUNT_W_S, LOAD_W, LOW_W, TARIFF, Case
from scripts.image.image import ROOT, build_image

CLOCK = b"\0", 1, 16  # the transfer that reads the clock
_LOOK_S = 20
_LIMIT_S = 40_000
_DARK_S = 2
_UP_S = 5
_ENOUGH = {"lcd": 300, "pn532": 250}  # errors, where transfers are seldom alike
_QUIET_S = {"atm90e32": 200, "rtc": 400, "fram": 60}  # without one that has not been: all have


@cache
def _looks_often() -> bytes:
    """Firmware that compares its clock every 20 s, for an hour each would take days."""
    with tempfile.TemporaryDirectory() as made:
        firmware = Path(made) / "firmware"
        shutil.copytree(ROOT / "firmware", firmware)
        found = 0
        for path in (firmware / "meter/metering").glob("clock*.py"):
            text, n = re.subn(r"^(_\w+_S = const\()3600\)", rf"\g<1>{_LOOK_S})", path.read_text(), flags=re.M)
            path.write_text(text)
            found += n
        assert found == 1, "the clock is not looked at where this looks for it"
        files = documents.as_files(documents.settings(initial_credit="50.00"), TARIFF)
        return build_image(None, files, firmware=firmware)


class Bits(Case):
    """Public beyond a case's: flips, starts."""

    def __init__(self, part: str, when: str):
        super().__init__(part, "bits", when, _looks_often() if (part, when) == ("rtc", "run") else None)
        self.flips = self.starts = 0
        self._sold = 1  # the card that the verdict puts in has a purchase on it

    def run(self) -> "Bits":
        with self.bench() as b:
            if self.when == "start":
                self._starts(b)
            else:
                self._walk(b)
            self._after(b)
        return self

    def _wire(self, b):
        """The Walk that a fault of this part has put on its wire."""
        b.fault(self.part, "bits")
        bus = b.plant.buses[self.part == "pn532"]
        wire = b.plant.meter_ic.wrong_bits if self.part == "atm90e32" else bus.disturb[self._chip(b).addr]
        return wire

    def _chip(self, b):
        return {"pn532": b.plant.reader, "lcd": b.plant.lcd, "rtc": b.plant.rtc, "fram": b.plant.fram}[self.part]

    def _after(self, b) -> None:
        """All is well again, and nothing remembers wrongly."""
        b.fault(self.part, "none")
        b.load(LOAD_W)
        self.pass_s(b, 150)
        b.insert("good")
        self.pass_s(b, 6)
        b.insert(None)
        self.pass_s(b, 12)
        s, events = b.state(), b.events()
        self.expect(not s.claims and b.plant.relay.closed, f"claims {s.claims}")
        self.expect(s.purchase_count == self._sold, f"{s.purchase_count} purchases, {self._sold} sold")
        self.expect("Attention" not in b.screen(), "the display still shows a fault")
        self.expect(self.glass.right(b.plant), "the display does not show what it was sent")
        self.expect(b.meter.restarts == 0, f"{b.meter.restarts} restarts")
        self.expect(self.worst_gap_s <= 2, f"{self.worst_gap_s} s without a tick")
        fell = [each.text.decode() for each in b.crashes()]
        self.expect(not fell and all(e.code != codes.LOG_TASK_CRASH for e in events), f"a task fell: {fell}")
        self.expect(not b.plant.relay.violations and not b.plant.relay.pulses[1:], "the relay moved")
        self.expect(all(e.code != codes.LOG_CLOCK_SET for e in events), "a wrong time was taken over")
        if self.part == "rtc":
            self._clock(b, "at the end")
        self.money(b, s)
        if self.when == "run" and self.part != "fram":
            flowed = b.plant.meter_ic.lifetime(0x80)
            # Two counts per bit at most, which even out.
            self.expect(abs(flowed - s.import_counts) <= 300, f"{flowed - s.import_counts} counts off")

    def _clock(self, b, when, lost=False):
        s = b.state()
        true_s = int((b.plant.rtc.time(b.plant.clock.now_us) - datetime(2000, 1, 1)).total_seconds())
        self.expect(abs(s.utc_s - true_s) <= 3, f"the clock is {s.utc_s - true_s} s off {when}")

    # -- while it works ---------------------------------------------------------------------------

    def _walk(self, b):
        b.load(LOW_W)
        b.plug(True)
        self.pass_s(b, 10)
        wire = self._wire(b)
        wire.once = self.part not in _ENOUGH
        if self.part == "fram":
            slots = [bytes((at >> 8, at & 255)) for at in (ledger.SLOT_A, ledger.SLOT_B)]
            wire.only = lambda sort: sort[0] in slots and sort[1] > 2
        until_us = b.plant.clock.now_us + _LIMIT_S * S
        turn = {"lcd": self._a_minute, "fram": self._a_cut, "pn532": self._a_visit}.get(self.part, self._a_while)
        while b.plant.clock.now_us < until_us and not self._walked(b, wire):
            turn(b, wire)
            if len(self.problems) > 5:
                break
        self.flips = wire.flips
        self.expect(self._walked(b, wire) and self.flips > 150, f"{self.flips} errors, and not all: {wire.at}")

    def _walked(self, b, wire):
        """Has every bit been wrong of all that comes again and again?"""
        enough = _ENOUGH.get(self.part)
        return wire.flips >= enough if enough else b.plant.clock.now_us - wire.flipped_us > _QUIET_S[self.part] * S

    def _a_while(self, b, wire):
        self.pass_s(b, 62)
        if self.part == "rtc":
            self._clock(b, f"after {wire.flips} errors")

    def _a_minute(self, b, wire):
        """One error, and a minute in which the display must come right."""
        flips = wire.flips
        wire.soon(wire.flips % 2)
        while wire.flips == flips:
            self.pass_s(b, 1)
        wire.paused = True
        self.pass_s(b, 60)
        wire.paused = False
        where = dict(wire.at)
        self.expect(self.glass.right(b.plant), f"the display is wrong a minute after error {wire.flips}: {where}")

    def _a_cut(self, b, wire):
        """Errors for some minutes, and a power cut right after one."""
        self.pass_s(b, 800)
        wire.paused = True
        self.pass_s(b, 3)  # both copies are whole
        wire.paused = False
        wire.soon(0)
        flips = wire.flips
        for _ in range(5):
            if wire.flips == flips:
                self.pass_s(b, 1)
        before, counted = b.state(), b.plant.meter_ic.lifetime(0x80)
        start_counts = before.import_counts
        self._power_cut(b)
        after = b.state()
        gained = after.import_counts - start_counts
        self.expect(0 <= gained <= (_UP_S + 2) * LOW_W / COUNT_W_S, f"{gained} counts over a cut, of {counted}")
        self.expect(after.purchase_count == before.purchase_count, "a purchase was lost")

    def _a_visit(self, b, wire):
        """A card with a new purchase is put in, and taken out when it has been served, or refused."""
        wire.paused = True
        try:
            b.sell("good", "1.00")
            self._sold += 1
        except ValueError:
            pass  # the shop sells the next one when the meter has written back that it has the last
        wire.paused = False
        b.insert("good")
        self.pass_s(b, 7)
        b.insert(None)
        self.pass_s(b, 5)
        self.expect(b.state().purchase_count in (self._sold - 1, self._sold), f"{b.state().purchase_count} purchases")

    # -- at starts --------------------------------------------------------------------------------

    def _power_cut(self, b):
        b.plug(False)
        b.run_s(_DARK_S)
        b.plug(True)
        self.starts += 1
        self.pass_s(b, _UP_S, ticks=False)
        self._gap_s = 0

    def _starts(self, b):
        b.load(LOW_W)
        b.plug(True)
        self.pass_s(b, 10)
        wire = self._wire(b)
        wire.paused = True
        read = self._reads_of_a_start(b, wire)
        for n in range(72 if self.part == "rtc" else 24):
            before = b.state()
            sort, bit, spare = read(n)
            wire.at = {sort: bit} if sort else dict.fromkeys(wire.at, bit)
            wire.only = lambda each, sort=sort: sort is None or each == sort
            wire.soon(spare)
            wire.paused = False
            b.plug(False)
            b.run_s(_DARK_S)
            b.plug(True)
            self.starts += 1
            self.pass_s(b, _UP_S, ticks=False)
            wire.paused = True
            self._gap_s = 0
            s = b.state()
            what = f"start {n + 1}, bit {bit}"
            gained = s.import_counts - before.import_counts
            self.expect(0 <= gained <= (_UP_S + 2) * LOW_W / COUNT_W_S, f"{what}: {gained} counts")
            self.expect(s.charges_micro == before.charges_micro, f"{what}: {s.charges_micro} charged")
            self.expect((s.day, s.month) == (before.day, before.month), f"{what}: day {s.day}, month {s.month}")
            if self.part == "rtc":
                self._clock(b, f"at {what}")
            if len(self.problems) > 5:
                break
        self.flips = wire.flips
        self.expect(wire.flips >= self.starts * 9 // 10, f"only {wire.flips} errors in {self.starts} starts")

    def _reads_of_a_start(self, b, wire):
        """A function of the number of a start: which sort of transfer is hit (None: any), which bit of it, and after
        how many others."""
        if self.part == "rtc":
            # Date and time, and the status register: after two address bytes and the register's number.
            bits = [*range(8, 16), *range(24, 24 + 56), *range(24 + 15 * 8, 24 + 16 * 8)]
            return lambda n: (CLOCK, bits[n % len(bits)], n % 4)
        if self.part == "fram":
            size = 8 * (4 + ledger.SIZE_3)
            slots = [(bytes((at >> 8, at & 255)), 2, ledger.SIZE_3) for at in (ledger.SLOT_A, ledger.SLOT_B)]
            return lambda n: (slots[n & 1], n * 137 % size, 0)
        return lambda n: (None, n * 7 % 64, n * 13 % 260 if self.part == "atm90e32" else n % 20)


CASES = [(part, when) for part in ("atm90e32", "pn532", "lcd", "rtc", "fram") for when in ("run", "start")]


def cases() -> list:
    return [Bits(*case) for case in CASES]
