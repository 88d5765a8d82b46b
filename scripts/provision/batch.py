# SPDX-License-Identifier: Apache-2.0
"""Many meters from a table: a folder of documents and a label for each, all or nothing per meter.

The table is CSV with a head: `number`, and any keys of the settings document for what differs from the template, as in

    number,initial_credit,phases
    00012345,12.00,3
    00012346,,

An empty cell leaves the template's value. A row that no meter would take is refused and the others go on; so is a
number that has been given before. The same command again makes what is missing and leaves the rest alone.
Raises DocumentError and FileError for the table itself.
"""

import csv
import gc
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.vend.errors import VendError

from . import firmware, folder, identity, label
from .errors import DocumentError, FileError, ProvisionError
from .identity import Source
from .numbers import Numbers

LABEL = "label.svg"
MADE, THERE, REFUSED = "made", "there already", "refused"
_MAX = 100_000


@dataclass(frozen=True)
class Row:
    line: int
    number: str
    changes: dict
    why: str = ""  # it is not fit


@dataclass(frozen=True)
class Result:
    number: str
    line: int
    what: str
    why: str = ""


def read(path: Path) -> list[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not UTF-8"
        raise FileError(f"The table {path} cannot be read: {why}. Name another file.") from None
    table = csv.DictReader(io.StringIO(text), strict=True)
    try:
        head = [name.strip() for name in table.fieldnames or []]
        if "number" not in head or len(set(head)) != len(head):
            raise DocumentError(f"{path} has no column 'number', or a column twice. Correct its first line.")
        if {"meter_number", "provisioned"} & set(head):
            raise DocumentError(f"{path}: the number goes into 'number', and 'provisioned' is not asked. Correct it.")
        table.fieldnames = head
        rows, seen = [], {}
        texts = firmware.amounts()
        for cells in table:
            row = _row(table.line_num, cells, texts)
            if row.number in seen:
                row = Row(row.line, row.number, {}, f"The number is in line {seen[row.number]} already.")
            seen.setdefault(row.number, row.line)
            rows.append(row)
            if len(rows) > _MAX:
                raise DocumentError(f"{path} has more than {_MAX} rows. Make several tables of it.")
    except csv.Error as e:
        raise DocumentError(f"{path} is no CSV ({e}). Correct it.") from None
    if not rows:
        raise DocumentError(f"{path} names no meter. Write a line for each under the head.")
    return rows


def _row(line, cells, texts):
    number = (cells.pop("number") or "").strip()
    if None in cells:
        return Row(line, number, {}, "The row has more cells than the head.")
    changes = {}
    for key, cell in cells.items():
        cell = (cell or "").strip()
        if not cell:
            continue
        if key in texts:
            changes[key] = cell
            continue
        try:
            changes[key] = json.loads(cell)
        except (ValueError, RecursionError):
            changes[key] = cell  # "eu"; the firmware's check says what it is not
    return Row(line, number, changes)


def run(rows: list[Row], source: Source, out: Path, version: str, year: int, book: Numbers | None) -> Iterator[Result]:
    """One after the other. book: where numbers are kept; None for development boards. A full disk ends it."""
    identity.check_source(source)
    gc.freeze()  # the firmware's check collects garbage each time: three quarters of the work, with all that is loaded
    for row in rows:
        try:
            what = "" if row.why else _one(row, source, out, version, year, book)
        except FileError:
            raise
        except (ProvisionError, VendError) as e:
            yield Result(row.number, row.line, REFUSED, str(e))
        else:
            yield Result(row.number, row.line, what or REFUSED, row.why)
    gc.unfreeze()


def _one(row, source, out, version, year, book):
    made = identity.make(source, row.number, row.changes)
    place = out / row.number
    made = made.as_made(folder.keys_made(place, identity.KEYS))
    files = {**made.files, LABEL: label.svg(row.number, source.board, version, year).encode()}
    there = place.exists()
    if book is None:
        if there and folder.same(place, files):
            return THERE
        folder.write(place, files)
        return MADE
    if there and folder.same(place, files):
        # Given before, or named by a run that was cut before it could say so.
        if book.given(row.number) is None:
            _give(book, made, lambda done: done())
        return THERE
    _give(book, made, lambda done: folder.write(place, files, done))
    return MADE


def _give(book: Numbers, made: identity.Identity, work: Callable) -> None:
    data = {"board": made.board, "key_version": made.key_version, "way": "folder"}
    with book.giving(made.number, b"", data) as done:
        work(done)
