# SPDX-License-Identifier: Apache-2.0
"""Recorded households: CSV with local_time,active_kw,reactive_kvar,voltage_v,current_a.

A row holds until the next one, the last as long as the one before it. Figures are exact: what the file
says in decimals becomes whole mW, mvar, mV and mA, or the row is refused.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

COLUMNS = ["local_time", "active_kw", "reactive_kvar", "voltage_v", "current_a"]
_EPOCH = datetime(2000, 1, 1)


class TraceError(ValueError):
    """The file is not a trace; the text names the line."""


@dataclass(frozen=True)
class Row:
    at_s: int  # local seconds since 2000-01-01
    p_mw: int
    q_mvar: int
    u_mv: int
    i_ma: int


@dataclass(frozen=True)
class Trace:
    rows: list
    end_s: int
    holes: list  # (line, seconds) where rows are further apart than three of the usual steps

    @property
    def start_s(self) -> int:
        return self.rows[0].at_s

    def first(self, n: int) -> "Trace":
        """Its first n rows as a trace of their own."""
        if n >= len(self.rows):
            return self
        return Trace(self.rows[:n], self.rows[n].at_s, self.holes)

    def segments(self):
        """(start_s, end_s, row) one after another."""
        for row, following in zip(self.rows, [*self.rows[1:], None], strict=True):
            yield row.at_s, following.at_s if following else self.end_s, row

    def energy_mws(self) -> int:
        """Imported energy in mW·s, exact."""
        return sum(max(0, row.p_mw) * (end - start) for start, end, row in self.segments())


def _figure(text: str, name: str, scale: int, low: int, high: int) -> int:
    try:
        value = Decimal(text) * scale
    except InvalidOperation:
        raise ValueError(f"{name} is {text!r}, not a number") from None
    if not value.is_finite():
        raise ValueError(f"{name} is {text!r}, not a number")
    if value != int(value):
        raise ValueError(f"{name} is {text}: at most {len(str(scale)) - 1} decimals are kept")
    if not low <= value <= high:
        raise ValueError(f"{name} is {text}: a meter sees {Decimal(low) / scale} to {Decimal(high) / scale}")
    return int(value)


def _row(fields) -> Row:
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(fields)} fields where {len(COLUMNS)} belong")
    try:
        moment = datetime.fromisoformat(fields[0])
    except ValueError:
        raise ValueError(f"local_time is {fields[0]!r}, not a time like 2006-12-16T17:24:00") from None
    if moment.tzinfo is not None or moment.microsecond:
        raise ValueError(f"local_time is {fields[0]!r}: local time in whole seconds, without a zone, belongs here")
    if not 2000 <= moment.year <= 2099:
        raise ValueError(f"local_time is {fields[0]!r}: the meter's calendar is 2000 to 2099")
    return Row(
        int((moment - _EPOCH).total_seconds()),
        _figure(fields[1], "active_kw", 1_000_000, -99_999_999, 99_999_999),
        _figure(fields[2], "reactive_kvar", 1_000_000, -99_999_999, 99_999_999),
        _figure(fields[3], "voltage_v", 1000, 0, 480_000),
        _figure(fields[4], "current_a", 1000, 0, 65_535),
    )


def read(path: Path) -> Trace:
    """Read a whole trace. Raises TraceError naming the first bad line, OSError when there is no file."""
    rows, lines = [], []
    with open(path, newline="", encoding="utf-8") as f:
        reader = csv.reader(f)
        header = next(reader, None)
        if header != COLUMNS:
            raise TraceError(f"line 1: the columns must be {','.join(COLUMNS)}")
        try:
            for fields in reader:
                try:
                    row = _row(fields)
                    if rows and row.at_s <= rows[-1].at_s:
                        raise ValueError(f"local_time {fields[0]} does not come after the row before it")
                except ValueError as e:
                    raise TraceError(f"line {reader.line_num}: {e}") from None
                rows.append(row)
                lines.append(reader.line_num)
        except (csv.Error, UnicodeDecodeError) as e:
            raise TraceError(f"line {reader.line_num + 1}: {e}") from None
    if len(rows) < 2:
        raise TraceError("a trace needs at least two rows: how long the last one holds is taken from the one before")
    steps = [b.at_s - a.at_s for a, b in pairwise(rows)]
    usual = sorted(steps)[len(steps) // 2]
    holes = [(lines[n + 1], step) for n, step in enumerate(steps) if step > 3 * usual]
    return Trace(rows, rows[-1].at_s + steps[-1], holes)
