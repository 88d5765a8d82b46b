# SPDX-License-Identifier: Apache-2.0
"""Recorded households: CSV with local_time,active_kw,reactive_kvar,voltage_v,current_a.

A row holds until the next one, the last as long as the one before it. Figures are exact: what the file says in
decimals becomes whole mW, mvar, mV and mA. Each row is counted by the meter, or refused by its line before anything
runs: what the metering IC or its driver would leave out is no row. Raises InputError.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from scripts.common import InputError, read_csv

COLUMNS = ["local_time", "active_kw", "reactive_kvar", "voltage_v", "current_a"]
# What one phase of the meter counts, in mW and mvar. The driver (drivers/atm90e32/energy.py) believes 35 kVA, which are
# 100 A at 350 V; up to the start threshold (PStartTh, drivers/atm90e32/regs.py) the IC counts nothing.
MOST_M = 35_000_000
START_M = 1_000
# With 480 V, 65.535 A (all that the IC's current register holds at 1 mA a count) are less than 35 kVA.
MOST_MV = 480_000
MOST_MA = 65_535
# The RTC keeps 2000 to 2099; of days and months, number 0 is none, and the first year is left out altogether.
FIRST, LAST = datetime(2001, 1, 1), datetime(2099, 12, 31, 23, 59)
_EPOCH = datetime(2000, 1, 1)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?")


@dataclass(frozen=True)
class Row:
    at_s: int  # local seconds since 2000-01-01
    p_mw: int
    q_mvar: int
    u_mv: int
    i_ma: int
    line: int


@dataclass(frozen=True)
class Trace:
    rows: list
    end_s: int

    @property
    def start_s(self) -> int:
        return self.rows[0].at_s

    @property
    def holes(self) -> list:
        """(line, seconds) of rows that come more than three of the usual steps after the one before."""
        steps = [b.at_s - a.at_s for a, b in pairwise(self.rows)]
        usual = sorted(steps)[len(steps) // 2] if steps else 0
        return [(row.line, step) for row, step in zip(self.rows[1:], steps, strict=True) if step > 3 * usual]

    def first(self, n: int) -> "Trace":
        """Return the first n rows as a trace of their own."""
        if n >= len(self.rows):
            return self
        return Trace(self.rows[:n], self.rows[n].at_s)

    def segments(self):
        """(start_s, end_s, row) one after another."""
        for row, following in zip(self.rows, [*self.rows[1:], None], strict=True):
            yield row.at_s, following.at_s if following else self.end_s, row

    def energy_mws(self) -> int:
        """Imported energy in mW·s, exact."""
        return sum(max(0, row.p_mw) * (end - start) for start, end, row in self.segments())


def read(path: Path | str) -> Trace:
    """A whole trace. Raises InputError with the first line that is wrong."""
    rows = []
    for cells in read_csv(path, COLUMNS):
        row = _row(cells)
        if rows and row.at_s <= rows[-1].at_s:
            how = "is the time" if row.at_s == rows[-1].at_s else "is before that"
            why = f"local_time {cells.cells['local_time']} {how} of line {rows[-1].line}"
            raise cells.wrong(why, "Times must rise")
        rows.append(row)
    if len(rows) < 2:
        why = "a trace needs two rows, for the last holds as long as the one before"
        raise InputError(path, why, "Write more rows")
    end_s = 2 * rows[-1].at_s - rows[-2].at_s
    if end_s > _seconds(LAST):
        raise InputError(path, f"this row lasts longer than the meter's clock, {LAST}", line=rows[-1].line)
    return Trace(rows, end_s)


def _seconds(moment):
    return int((moment - _EPOCH).total_seconds())


def _row(cells) -> Row:
    p_mw = _power(cells, "active_kw")
    q_mvar = _power(cells, "reactive_kvar")
    u_mv = cells.decimal("voltage_v", 3, 0, MOST_MV)
    i_ma = cells.decimal("current_a", 3, 0, MOST_MA)
    if not u_mv and (p_mw or q_mvar or i_ma):
        name = COLUMNS[1] if p_mw else COLUMNS[2] if q_mvar else COLUMNS[4]
        raise cells.wrong(f"{name} is {cells.cells[name]} at 0 V, where nothing flows", "Write 0, or the voltage")
    return Row(_seconds(_time(cells)), p_mw, q_mvar, u_mv, i_ma, cells.line)


def _power(cells, name):
    value = cells.decimal(name, 6, -MOST_M, MOST_M)
    if 0 < abs(value) <= START_M:
        why = f"{name} is {cells.cells[name]}, and the metering IC counts nothing up to {START_M / 1_000_000:.3f}"
        raise cells.wrong(why, "Write 0, or more")
    return value


def _time(cells):
    text = cells.cells["local_time"]
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        why = f"local_time {text[:40]!r} is no time like 2006-12-16T17:24:00"
        raise cells.wrong(why, "Write local time in whole seconds, without a zone") from None
    if not FIRST <= moment <= LAST:
        raise cells.wrong(f"local_time is {text}, and the meter's calendar is {FIRST} to {LAST}")
    return moment
