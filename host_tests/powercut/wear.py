# SPDX-License-Identifier: Apache-2.0
"""`make wear`: how long the memories last at the rates the firmware writes, reads and erases them.

Counted at the chips: accesses of each row of the FRAM (8 bytes; reading wears it as writing does) and erases of
each block of the flash. Some hours of metering are run as they are; what happens now and then is packed in between,
as much of it as in a month. Both are counted apart and scaled apart to a month, upwards. What is worst in an area
counts; of a ring, the mean of its blocks, as long as none of them is more than one erase ahead of another.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from meter.storage import events, flash_ledger, ledger, profile
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from host_tests.bench.cards import sell
from host_tests.bench.chips.mb85rc256v import ROW
from host_tests.bench.documents import tariff
from host_tests.bench.flash import CHIP, RINGS_AT, SECTOR, VFS_AT
from host_tests.bench.session import Bench
from host_tests.bench.utility_cards import utility_card
from scripts.vend.utility_formats import TARIFF

BAR_YEARS = 20
FLASH_CYCLES = 100_000  # erases of a block; what makers of serial NOR flash commonly rate
FRAM_CYCLES = 10**12  # accesses of a byte; Fujitsu DS501-00017-3v0-E
BOARDS = ("esp32_devkit", "esp32_nofram")
# What a month brings, each in its own way more than usual.
PURCHASES, VISITS, OUTAGES, TARIFFS, OPENED, TRIPS = 8, 8, 8, 1, 4, 8
_MONTH_H = 730
_RINGS = RINGS_AT // SECTOR


def _ring(first, blocks):
    return range(_RINGS + first, _RINGS + first + blocks)


# Where, of which memory, which rows or blocks; whether they are used in turn.
AREAS = (
    ("FRAM: ledger", "fram", range(ledger.SLOT_A // ROW, (ledger.SLOT_B + ledger.SIZE) // ROW + 1), False),
    ("FRAM: event log", "fram", range(events.BASE // ROW, (events.BASE + events.SLOTS * events.SIZE) // ROW), False),
    ("flash: load profile", "flash", _ring(profile.FIRST, profile.BLOCKS), True),
    ("flash: ledger", "flash", _ring(flash_ledger.LEDGER_FIRST, flash_ledger.LEDGER_BLOCKS), True),
    ("flash: event log", "flash", _ring(flash_ledger.EVENTS_FIRST, flash_ledger.EVENTS_BLOCKS), True),
    ("flash: file system", "flash", range(VFS_AT // SECTOR, CHIP // SECTOR), False),
)


@dataclass
class Row:
    """An area of a board: what its worst row or block sees in a month, and how long it lasts."""

    board: str
    area: str
    cycles: int
    month: int

    @property
    def years(self) -> int:
        return self.cycles // (12 * self.month) if self.month else 10**6

    @property
    def met(self) -> bool:
        return self.years >= BAR_YEARS


def _month(b: Bench) -> None:
    """What a month brings besides metering."""
    card = b.deck.card("good")

    def show(name):
        b.insert(name)
        b.run_s(3)
        b.insert(None)
        b.run_s(2)

    show("good")  # the purchase that is on it already
    for _ in range(PURCHASES - 1):
        sell(card, 5_000_000)
        show("good")
    for _ in range(VISITS):
        show("good")
    for _ in range(OPENED):
        for is_open in (True, False):
            b.plant.cover(is_open)
            b.run_s(3)
    for _ in range(TRIPS):
        b.load(12_000)
        b.run_s(40)
        b.load(600)
        show("good")
    for n in range(TARIFFS):
        doc = json.dumps({**tariff(), "name": f"Another {n}"}).encode()
        b.plant.reader.insert(utility_card(TARIFF, doc), b.plant.clock.now_us)
        b.run_s(5)
        b.plant.reader.remove(b.plant.clock.now_us)
        b.run_s(2)
    for _ in range(OUTAGES):
        b.plug(False)
        b.run_s(60)
        b.plug(True)
        b.run_s(60)


def _counters(b):
    return {"fram": list(b.plant.fram.accesses), "flash": list(b.plant.flash.erases)}


def measure(board: str, hours: int, on_hour=lambda: None) -> list[Row]:
    """Run a meter; gives a row for each area it has."""
    with Bench(board=board, initial_credit="400.00", utc=datetime(2026, 1, 12, 7, 0)) as b:
        b.run_s(60)
        start = _counters(b)
        for _ in range(hours):
            b.run_s(3600)
            on_hour()
        metered = _counters(b)
        _month(b)
        end = _counters(b)
        if b.meter.restarts:
            raise RuntimeError(f"the meter restarted {b.meter.restarts} times")
    rows = []
    for area, memory, places, in_turn in AREAS:
        steady = [metered[memory][at] - start[memory][at] for at in places]
        besides = [end[memory][at] - metered[memory][at] for at in places]
        both = [a + b for a, b in zip(steady, besides, strict=True)]
        if in_turn and max(both) - min(both) <= 1:
            month = _up(sum(steady) * _MONTH_H, hours) + sum(besides)
            month = _up(month, len(places))
        else:
            month = max(_up(a * _MONTH_H, hours) + b for a, b in zip(steady, besides, strict=True))
        if any(end[memory][at] for at in places):
            rows.append(Row(board, area, FRAM_CYCLES if memory == "fram" else FLASH_CYCLES, month))
    return rows


def _up(n, by):
    return -(-n // by)


def _years(n):
    return f"{n:,}" if n <= 1000 else "> 1,000"


def main(
    hours: Annotated[int, typer.Option(min=1, help="Hours of metering to run on each board")] = 12,
    board: Annotated[str, typer.Option(help="Only this one, a folder of boards/ [default: all]")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress bar")] = False,
):
    """Count what wears the memories, and say for how many years they last. Fails below 20."""
    boards = (board,) if board else BOARDS
    with Progress(console=Console(stderr=True), disable=quiet or as_json) as bar:
        task = bar.add_task("metering", total=hours * len(boards))
        rows = [row for each in boards for row in measure(each, hours, lambda: bar.advance(task))]
    met = all(row.met for row in rows)
    if as_json:
        print(json.dumps({"hours": hours, "met": met, "rows": [{**row.__dict__, "years": row.years} for row in rows]}))
    else:
        table = Table(title=f"Wear, from {hours} hours of metering and what a month brings", title_justify="left")
        for n, title in enumerate(("board, area", "worst in a month", "years", "bar")):
            table.add_column(title, justify="right" if n else "left", no_wrap=True)
        for row in rows:
            unit = "erases" if row.cycles == FLASH_CYCLES else "accesses"
            verdict = f"≥ {BAR_YEARS}" if row.met else f"≥ {BAR_YEARS}: MISSED"
            table.add_row(f"{row.board[6:]}, {row.area}", f"{row.month:,} {unit}", _years(row.years), verdict)
        table.caption = f"Rated: flash {FLASH_CYCLES:,} erases, FRAM {FRAM_CYCLES:,} accesses."
        Console().print(table)
    raise typer.Exit(not met)


if __name__ == "__main__":
    typer.run(main)
