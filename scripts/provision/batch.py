# SPDX-License-Identifier: Apache-2.0
"""Many meters from a table: a folder of documents and a label for each, all or nothing per meter.

The table is CSV with a head: `number`, and any keys of the settings document for what differs from the template, as in

    number,initial_credit,phases
    00012345,12.00,3
    00012346,,

An empty cell leaves the template's value. A row that no meter would take is refused and the others go on; so is a
number that has been given before. The same command again makes what is missing and leaves the rest alone.
Raises InputError for the table itself.
"""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.common import InputError, read_csv
from scripts.common.json_file import parse_value
from scripts.supplier.errors import VendError

from . import firmware, folder, identity, label
from .errors import FileError, ProvisionError
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
    """The rows, each with what is wrong with it if it is not fit. Raises InputError."""
    rows, seen = [], {}
    texts = firmware.amounts()
    for found in read_csv(path, ["number"], None, odd=True, max_rows=_MAX):
        if forbidden := {"meter_number", "provisioned"} & found.cells.keys():
            why = f"the column {min(forbidden)} is not asked: the number goes into 'number'"
            raise InputError(path, why, "Remove it")
        row = _row(found, texts)
        if row.number in seen:
            row = Row(row.line, row.number, {}, f"The number is in line {seen[row.number]} already.")
        seen.setdefault(row.number, row.line)
        rows.append(row)
    return rows


def _row(found, texts):
    number = found.cells.pop("number", "")
    if found.odd:
        return Row(found.line, number, {}, found.odd[:1].upper() + found.odd[1:] + ".")
    changes = {}
    for key, cell in found.cells.items():
        if not cell:
            continue
        changes[key] = cell  # as it stands if it is no JSON: eu; the firmware's check says what it is not
        if key not in texts:
            try:
                changes[key] = parse_value(cell, key)
            except InputError as e:
                if cell[0] in '{["':
                    return Row(found.line, number, {}, f"{key}: {e.why}. {e.remedy}.")
    return Row(found.line, number, changes)


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
