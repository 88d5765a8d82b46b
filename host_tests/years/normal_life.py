# SPDX-License-Identifier: Apache-2.0
"""Ordinary households for months: whatever the watch finds in them is no theft.

    python -m host_tests.years.normal_life --days 365 --json

What runs is the firmware's own, in this interpreter: the Watcher's quantities and its table (watch/watcher.py,
core/watch.py), the books with ledger, event log, registers, frozen days and incidents, on a FRAM and a flash in
memory. What does not: metering IC, bus, and the other tasks (the bench has those). A minute is booked as one tick.
Simulated and real: a day takes some 0.15 s of one core.
The watch looks every 5 s, as on the meter; looks that cannot change anything any more (the same quantities, and no hold
under way) are left out, which changes no result.

Who lives there: household.py.
"""

import contextlib
import json
import random
import sys
import time
import types
from collections import Counter
from datetime import datetime, timedelta
from math import isqrt
from typing import Annotated
from unittest import mock

import typer
from meter import heap
from meter.books import books, opening
from meter.core import codes
from meter.core import watch as w
from meter.core.state import KINDS, MeterState, times
from meter.documents import parse
from meter.drivers.metering_ic.sample import Sample
from meter.storage.events import EventLog
from meter.storage.ledger import Ledger
from meter.watch import watcher as watch

from host_tests.bench import documents
from host_tests.bench.page.words import event_text
from host_tests.bench.plant.flash import RINGS_AT, SECTOR, NorFlash
from host_tests.bench.run.cpython import VirtualTime
from host_tests.years.household import DAY_MIN, Household, rows

EPOCH = datetime(2000, 1, 1)
BEGIN = datetime(2026, 1, 5)
LOOK_S = 5


class Fram:
    """A FRAM that always answers."""

    def __init__(self):
        self.data = bytearray(32_768)

    def read_into(self, offset, buf):
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, offset, buf):
        self.data[offset : offset + len(buf)] = buf

    keep = write


class Partition:
    """esp32.Partition over a flash in memory."""

    flash = NorFlash()

    def __init__(self):
        self.first = RINGS_AT // SECTOR

    @classmethod
    def find(cls, _type=0, label=None):
        return [cls()]

    def readblocks(self, block, buf, offset=0):
        buf[:] = self.flash.read((self.first + block) * SECTOR + offset, len(buf))

    def writeblocks(self, block, buf, offset):
        self.flash.program((self.first + block) * SECTOR + offset, bytes(buf))

    def ioctl(self, op, arg):
        if op == 6:
            self.flash.erase(self.first + arg)
        return 0


@contextlib.contextmanager
def memory_of_its_own():
    """What `from esp32 import Partition` gives meanwhile. What is loaded for a moment stays: there is heap enough, and
    a year has half a million minutes."""
    module = types.ModuleType("esp32")
    module.Partition = Partition
    Partition.flash = NorFlash()
    before = sys.modules.get("esp32")
    sys.modules["esp32"] = module
    kept = set()
    try:
        with mock.patch.object(heap, "_let_go", kept.add):
            yield
    finally:
        for name in kept:
            heap._let_go(name)
        if before is None:
            del sys.modules["esp32"]
        else:
            sys.modules["esp32"] = before


class Pulses:
    """The metering IC's pulse output, as machine.Counter: exact, and up to a second younger than the registers."""

    def __init__(self):
        self.counts = 0

    def value(self):
        return self.counts // 100


class Meter:
    """Books and watch on the memory of one meter."""

    def __init__(self, phases=1, exports=False, **settings):
        self.clock = VirtualTime()
        doc = documents.settings(
            phases=phases, exports=exports, initial_credit="900000.00", hoard="0", overload_w=0, utc_offset_min=0,
            **settings,
        )  # fmt: skip
        self.cfg = parse.settings(doc)
        self.tariff = parse.tariff(documents.tariff())
        self.fram = Fram()
        self.sample = Sample()
        self.pulses = Pulses()
        self.found = []  # (utc_s, code, value)
        self._rest = [0] * 2
        self.now_s = 0
        self.boot()

    def boot(self):
        self.log = EventLog(self.fram)
        self.books = books.Books(MeterState(), (Ledger(self.fram), self.log, self.fram), self.cfg, self.tariff)
        opening.read_ledger(self.books)
        self.watcher = watch.Watcher(self.books, lambda: 0, lambda _level: None, lambda: 0, self.pulses)
        self.watcher._begin()
        self._told = self.log.next_number
        self.now_s += 1

    def minute(self, spans, utc_s, rng):
        """Look as the watch does, then book it all."""
        mws = 0
        for span in spans:
            p_all = self._measure(span)
            mws += p_all * span.seconds
            self._look(span.seconds)
        self._book(mws, utc_s)
        # Counted already, but not read: up to a second of what flows now.
        self.pulses.counts = self.books.s.import_counts + self.books.s.export_counts
        self.pulses.counts += abs(p_all) * rng.randrange(1000) // 1000 * 100 // 1_125_000
        while self._told < self.log.next_number:
            record = self.log.record(self._told)
            self.found.append((record[1], record[2], record[4]))
            self._told += 1

    def _measure(self, span):
        sample = self.sample
        p_all = 0
        for n, (u, p, q) in enumerate(span.phases):
            s_mva = isqrt(p * p + q * q)
            sample.urms_mv[n] = u
            sample.irms_ma[n] = s_mva * 1000 // u
            sample.p_mw[n] = p
            sample.q_mvar[n] = q
            sample.s_mva[n] = s_mva
            sample.pf_milli[n] = p * 1000 // (s_mva or 1)
            p_all += p
        sample.p_total_mw = p_all
        sample.freq_chz = 5000
        return p_all

    def _look(self, seconds):
        watcher = self.watcher
        self.books.sample = self.sample
        watcher._look(self.sample)
        table = watcher.watch
        found = self.books.found
        last = len(table.rows) // w.COLUMNS
        for left_s in range(seconds, 0, -LOOK_S):
            before, told = bytes(table._timers), self.log.next_number
            table.step(watcher._quantities, self.now_s, LOOK_S, last, found)
            if bytes(table._timers) == before and self.log.next_number == told:
                self.now_s += left_s
                break
            self.now_s += LOOK_S

    def _book(self, mws, utc_s):
        sample = self.sample
        way = 0 if mws >= 0 else 1
        counts, self._rest[way] = divmod(abs(mws) + self._rest[way], 11_250)
        sample.import_counts, sample.export_counts = (counts, 0) if mws >= 0 else (0, counts)
        self.books.tick(sample, utc_s)


def life(days: int, household: Household, exports=False, on_day=lambda d: None, **settings):
    """Live n days. Return the meter."""
    with memory_of_its_own():
        lived = Meter(household.phases, exports, **settings)
        rng = random.Random(household.seed)
        zero_s = int((BEGIN - EPOCH).total_seconds())
        for day in range(days):
            minute = 0
            for spans in household.day(day):
                if spans is None:
                    minute += 60
                    lived.boot()
                    continue
                minute += household.step_min
                lived.minute(spans, zero_s + (day * DAY_MIN + minute) * 60, rng)
            on_day(day)
        return lived


def theft(lived) -> dict:
    """Kinds of tampering and how often they were found."""
    return {kind: times(lived.books.s, kind) for kind in range(KINDS) if times(lived.books.s, kind)}


def quality(lived) -> list:
    """What was found of the supply's quality: (moment, code)."""
    return [(utc_s, code) for utc_s, code, _ in lived.found if code >= codes.LOG_OVER_VOLTAGE]


VARIANTS = {
    "one phase": {},
    "one phase, solar": {"solar": True},
    "three phases": {"phases": 3},
    "three phases, solar": {"phases": 3, "solar": True},
}


def main(
    days: Annotated[int, typer.Option(help="Days to live, of each household")] = 365,
    seed: Annotated[int, typer.Option(help="Another seed: another year")] = 1,
    only: Annotated[str, typer.Option(help="One household: " + ", ".join(VARIANTS))] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words")] = False,
):
    """Live; the exit code is 1 if anything was taken for theft."""
    recorded = rows()
    results = {}
    for name, variant in VARIANTS.items():
        if only and name != only:
            continue
        began = time.monotonic()
        household = Household(recorded, seed=seed, **variant)
        lived = life(days, household, exports=variant.get("solar", False))
        counts = Counter(code for _, code in quality(lived))
        results[name] = {
            "days": days,
            "seconds_real": round(time.monotonic() - began, 1),
            "kwh": lived.books.s.import_counts // 320_000,
            "fed_in_kwh": lived.books.s.export_counts // 320_000,
            "theft": theft(lived),
            "theft_per_year": round(sum(theft(lived).values()) * 365 / days, 2),
            "quality": {str(code): n for code, n in sorted(counts.items())},
            "expected": len(household.expected),
            "events": [
                [(EPOCH + timedelta(seconds=utc_s)).isoformat(), event_text(types.SimpleNamespace(code=c, value=v))]
                for utc_s, c, v in lived.found
                if c >= codes.LOG_OVER_VOLTAGE or codes.LOG_COVER_OPEN <= c < codes.LOG_TASK_CRASH
            ],
        }
    if as_json:
        print(json.dumps(results))
    else:
        for name, result in results.items():
            print(f"{name}: {result['days']} days in {result['seconds_real']} s, theft {result['theft'] or 'none'}, "
                  f"quality {result['quality']}, disturbances that last {result['expected']}")  # fmt: skip
    raise typer.Exit(1 if any(result["theft"] for result in results.values()) else 0)


if __name__ == "__main__":
    typer.run(main)
