# SPDX-License-Identifier: Apache-2.0
"""CSV with a head, row by row, each with its line. Raises InputError, at the latest when the row is reached.

Cells are separated by commas, a cell has no line break in it, blank lines are passed over. Files may be large (a
recorded year has half a million rows): no more than a line is in memory.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import numbers
from .errors import InputError, shown
from .text_file import decoded, opened, refuse_wide, without_mark

MAX_N = 1 << 28
ROWS_MAX = 10_000_000
LINE_MAX_N = 1 << 16
CELLS = "Give it as many cells as the head"


class Row:
    """cells: name -> text, without blanks around it, in the order of the head. odd: it has fewer or more than that."""

    __slots__ = ("cells", "file", "line", "odd")

    def __init__(self, file: object, line: int, cells: dict[str, str], odd: str = ""):
        self.file, self.line, self.cells, self.odd = file, line, cells, odd

    def integer(self, name: str, low: int, high: int) -> int:
        return self._number(numbers.integer, name, low, high)

    def decimal(self, name: str, places: int, low: int, high: int) -> int:
        """The cell times 10 ** places; low and high are such multiples, too."""
        return self._number(numbers.decimal, name, places, low, high)

    def _number(self, read, name, *limits):
        try:
            return read(self.cells[name], *limits, name)
        except ValueError as e:
            raise self.wrong(str(e)) from None

    def wrong(self, why: str, remedy: str = "Correct it") -> InputError:
        """An error of this row, to be raised. why: the rest of a sentence, without its full stop."""
        return InputError(self.file, why, remedy, self.line)


def read_csv(
    path: Path | str,
    needed: Sequence[str],
    others: Sequence[str] | None = (),
    odd: bool = False,
    max_n: int = MAX_N,
    max_rows: int = ROWS_MAX,
) -> Iterator[Row]:
    """The rows. needed: columns that must be there, in any order; others: that may be; None: any may.

    odd: rows with too few or too many cells come too, and say so; without it they are refused."""
    with opened(path, max_n) as file:
        reader = csv.reader(_lines(file, path), strict=True)
        try:
            head: list[str] = []
            rows = 0
            for cells in reader:
                if not any(cells):
                    continue
                cells = [cell.strip() for cell in cells]
                if not head:
                    head = _checked(cells, needed, others, path, reader.line_num)
                    continue
                rows += 1
                if rows > max_rows:
                    raise InputError(path, f"it has more than {max_rows:,} rows", "Make several files of it")
                row = _row(path, reader.line_num, head, cells)
                if row.odd and not odd:
                    raise row.wrong(row.odd, CELLS)
                yield row
        except csv.Error as e:
            why = "a quotation mark is not closed" if "unexpected end" in str(e) else f"it is no CSV ({e})"
            raise InputError(path, why, line=reader.line_num) from None
        if not rows:
            why = "it has a head and no rows" if head else "it is empty"
            raise InputError(path, why, "Name another file")


def _lines(file, path) -> Iterator[str]:
    line = 0
    while raw := file.readline(LINE_MAX_N):
        if not line:
            refuse_wide(raw, path)
            raw = without_mark(raw)
        line += 1
        if len(raw) == LINE_MAX_N:
            raise InputError(path, f"it is longer than {LINE_MAX_N:,} bytes", line=line)
        try:
            text = decoded(raw, path) if raw.strip() else ""
        except InputError as e:
            raise InputError(path, e.why, e.remedy, line) from None
        yield text.rstrip("\r\n")


def _checked(head, needed, others, path, line):
    if len(head) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabs")):
            if mark in head[0]:
                raise InputError(path, f"its cells are separated by {name}", "Save it with commas", line)
    twice = [name for n, name in enumerate(head) if name in head[:n]]
    if twice or "" in head:
        why = f"the column {shown(twice[0])} is there twice" if twice else "a column has no name"
        raise InputError(path, why, "Correct the head", line)
    missing = [name for name in needed if name not in head]
    if missing:
        raise InputError(path, f"there is no column {', '.join(missing)}", "Write it into the head", line)
    unknown = [name for name in head if name not in needed and others is not None and name not in others]
    if unknown:
        raise InputError(path, f"the column {shown(unknown[0])} is not known", "Remove it", line)
    return head


def _row(path, line, head, cells):
    odd = "" if len(cells) == len(head) else f"the row has {len(cells)} cells, and the head {len(head)}"
    return Row(path, line, dict(zip(head, cells, strict=False)), odd)
