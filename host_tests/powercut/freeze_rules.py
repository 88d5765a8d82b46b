# SPDX-License-Identifier: Apache-2.0
"""Frozen readings under power cuts: of each midnight and each month's end there is exactly one, whatever was cut.

A reading shows the registers before the tick that noticed the date (FORMAT.md, "Frozen registers"): the ledger record
before it, in a start after a cut as well. Only the write after a start's first tick of a date can be cut; so from
the second tick on the reading is there. What has been programmed whole is there for good.
"""

import struct
from datetime import date, timedelta

from meter.storage import freezes

from host_tests.bench.plant.flash import RINGS_AT, SECTOR
from host_tests.bench.plant.plant import EPOCH
from host_tests.bench.views.registers import now_by_rate
from host_tests.bench.views.rings import read_frozen

from .register_rules import totals_of

_RINGS = {
    "midnights": (freezes.DAYS_FIRST, freezes.DAYS_BLOCKS),
    "month-ends": (freezes.MONTHS_FIRST, freezes.MONTHS_BLOCKS),
}


def ring_of(offset: int):
    """Which of the two rings is there, or None."""
    block = (offset - RINGS_AT) // SECTOR
    return next((name for name, (first, n) in _RINGS.items() if first <= block < first + n), None)


class FreezeRules:
    """All methods give sentences about what is wrong."""

    def __init__(self, plant):
        self._flash = plant.flash
        self._kept = {name: [] for name in _RINGS}  # readings written whole
        self._dates = None  # (day, month) of this start's last tick
        self._since = 0  # the first month whose registers are known to have been stored

    def power_on(self):
        self._dates = None
        return self.close()

    def programmed(self, offset, data, before, state, registers, offset_s):
        """A program is complete. before: the ledger record before the newest, which is `state`; registers: the newest
        record of them."""
        name = ring_of(offset)
        if name is None or len(data) != freezes.SIZE or not any(data):
            return
        number, kept = struct.unpack_from("<I", data)[0], self._kept[name]
        found = [reading for reading in self._read(name) if reading.number == number]
        if len(found) != 1 or (kept and kept[-1].number >= number):
            yield f"{len(found)} of the {name} have number {number}, {len(kept)} were written before"
            return
        new = found[0]
        today = (EPOCH + timedelta(seconds=state.utc_s + offset_s)).date()
        last = (today - date(2000, 1, 1)).days if name == "midnights" else (today.year - 2000) * 12 + today.month - 2
        if not new.first <= new.last == last:
            yield f"a reading of {name} {new.first} to {new.last} was written on {today:%d %B}"
        if kept and new.last <= kept[-1].last:
            yield f"the reading for {new.last} of the {name} was written twice"
        elif kept and new.first != kept[-1].last + 1:
            yield f"{name} {new.first} to {new.last} were frozen after {kept[-1].first} to {kept[-1].last}"
        kept.append(new)
        yield from self._registers(name, new, before, state, registers)

    def _registers(self, name, new, s, state, registers):
        four = totals_of(s)
        expected = {
            "utc_s": state.utc_s,
            "totals": (s.import_counts, *four),
            "rate_counts": tuple(s.rate_counts),
            "rate_cost_micro": tuple(s.rate_cost_micro),
            "charges_micro": s.charges_micro,
            "credit_micro": s.credit_micro,
            "debt_micro": s.debt_micro,
            "phases": tuple(s.phase_counts or [0] * 12),
            "rates": now_by_rate(registers, four) if registers else [(0, 0, 0, 0)] * 8,
        }
        for field, value in expected.items():
            if getattr(new, field) != value:
                yield f"{name} {new.last}: {field} is {getattr(new, field)}, the ledger had {value}"

    def tick(self, state):
        """A tick is in the ledger. The one before it in this start has frozen what it had to."""
        if self._dates:
            day, month = self._dates
            self._since = self._since or month
            yield from self._once("midnights", day)
            if month > self._since:
                yield from self._once("month-ends", month - 1)
        self._dates = state.day, state.month

    def _once(self, name, wanted):
        n = sum(reading.first <= wanted <= reading.last for reading in self._kept[name])
        if n != 1:
            yield f"there are {n} readings for {wanted} of the {name}"

    def close(self):
        """Is each there, and nothing else?"""
        for name, kept in self._kept.items():
            found = self._read(name)
            if found != kept:
                yield f"the {name} are {[r.last for r in found]}, written were {[r.last for r in kept]}"

    def _read(self, name):
        return read_frozen(self._flash, name == "month-ends")
