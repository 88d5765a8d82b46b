# SPDX-License-Identifier: Apache-2.0
"""`make wear`: how long the memories last at the rates the firmware writes, reads and erases them.

Counted at the chips: accesses of each row of the FRAM (8 bytes; reading wears it as writing does) and erases of
each block of the flash. Three things are counted apart and scaled apart to a month, upwards:

    metering    some hours of it, as they are, by the hour
    climbing    maximum demand is kept with each minute that has a new one, and begins again with each month: the first
                quarter hour of a meter, in which each minute is a new maximum, that often (the ledger's seconds
                of it come on top of those of metering)
    the rest    what happens now and then, as much of it as in a month: every midnight of a month, one of them the
                month's end, each with a power cut before it (which costs a slot of the ring); incidents, each with its
                end; cards, outages, a tariff

What is worst in an area counts; of a ring, the mean of its blocks, as long as none of them is more than one erase
ahead of another. Where a month did not come to one erase, one is counted.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from meter.storage import crashes, events, flash_ledger, freezes, incidents, ledger, profile, readings, registers, seal
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from host_tests.bench.cards.cards import sell
from host_tests.bench.cards.utility_cards import utility_card
from host_tests.bench.documents import tariff
from host_tests.bench.plant.flash import CHIP, RINGS_AT, SECTOR, VFS_AT
from host_tests.bench.run.session import Bench
from host_tests.bench.views.rings import read_frozen, read_incidents
from scripts.chips.mb85rc256v import ROW
from scripts.supplier.utility_formats import TARIFF

BAR_YEARS = 20
FLASH_CYCLES = 100_000  # erases of a block; what makers of serial NOR flash commonly rate
FRAM_CYCLES = 10**12  # accesses of a byte; Fujitsu DS501-00017-3v0-E
BOARDS = ("esp32_devkit", "esp32_nofram")
# What a month brings, each in its own way more than usual.
PURCHASES, VISITS, OUTAGES, TARIFFS, OPENED, TRIPS = 8, 8, 8, 1, 4, 8
NIGHTS, VOLTAGES, CLIMBS = 31, 30, 30
_CLIMB_S = 17 * 60
_MONTH_H = 730
_RINGS = RINGS_AT // SECTOR


def _rows(first, behind):
    return range(first // ROW, -(-behind // ROW))


def _ring(first, blocks):
    return range(_RINGS + first, _RINGS + first + blocks)


# Where, of which memory, which rows or blocks; whether they are used in turn.
AREAS = (
    ("FRAM: ledger", "fram", _rows(ledger.SLOT_A, ledger.SLOT_B + ledger.SIZE_3), False),
    ("FRAM: crash reports", "fram", _rows(crashes.BASE, crashes.BASE + crashes.SLOTS * crashes.SIZE), False),
    ("FRAM: readings", "fram", _rows(readings.SLOT_A, readings.SLOT_B + readings.SIZE), False),
    ("FRAM: event log", "fram", _rows(events.BASE, events.BASE + events.SLOTS * events.SIZE), False),
    ("FRAM: registers", "fram", _rows(registers.SLOT_A, registers.SLOT_B + registers.SIZE), False),
    ("FRAM: seal", "fram", _rows(seal.BASE, seal.BASE + seal.SIZE), False),
    ("flash: load profile", "flash", _ring(profile.FIRST, profile.BLOCKS), True),
    ("flash: ledger", "flash", _ring(flash_ledger.LEDGER_FIRST, flash_ledger.LEDGER_BLOCKS), True),
    ("flash: event log", "flash", _ring(flash_ledger.EVENTS_FIRST, flash_ledger.EVENTS_BLOCKS), True),
    ("flash: readings", "flash", _ring(flash_ledger.READINGS_FIRST, flash_ledger.READINGS_BLOCKS), True),
    ("flash: registers", "flash", _ring(flash_ledger.REGISTERS_FIRST, flash_ledger.REGISTERS_BLOCKS), True),
    ("flash: midnights", "flash", _ring(freezes.DAYS_FIRST, freezes.DAYS_BLOCKS), True),
    ("flash: month-ends", "flash", _ring(freezes.MONTHS_FIRST, freezes.MONTHS_BLOCKS), True),
    ("flash: incidents", "flash", _ring(incidents.FIRST, incidents.BLOCKS), True),
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
    _incidents(b)
    _nights(b)


def _incidents(b: Bench) -> None:
    before = len(read_incidents(b.plant.flash))
    for _ in range(VOLTAGES):
        for volts in (280, 230):
            b.plant.house.set_voltage(0, volts * 1000)
            b.run_s(6)
    _came(2 * VOLTAGES, len(read_incidents(b.plant.flash)) - before, "incidents")


def _nights(b: Bench) -> None:
    """Power fails at noon, and comes back before midnight."""
    days, months = (len(read_frozen(b.plant.flash, months)) for months in (False, True))
    offset = timedelta(minutes=b.settings["utc_offset_min"])
    for _ in range(NIGHTS):
        b.plug(False)
        b.run_s(2)
        now_us = b.plant.clock.now_us
        local = b.plant.rtc.time(now_us) + offset
        b.plant.rtc.set_time(local.replace(hour=23, minute=59, second=45) - offset, now_us)
        b.plug(True)
        b.run_s(20)
    _came(NIGHTS, len(read_frozen(b.plant.flash)) - days, "midnights")
    _came(1, len(read_frozen(b.plant.flash, True)) - months, "month-ends")


def _came(due, n, what):
    if n != due:
        raise RuntimeError(f"{n} {what} were written, {due} were due")


def _counters(b):
    return {"fram": list(b.plant.fram.accesses), "flash": list(b.plant.flash.erases)}


def measure(board: str, hours: int, on_hour=lambda: None) -> list[Row]:
    """Run a meter. Return a row for each area it has."""
    new, start, metered, end = _count(board, hours, on_hour)
    rows = []
    for area, memory, places, in_turn in AREAS:
        steady = [metered[memory][at] - start[memory][at] for at in places]
        climb = [CLIMBS * (start[memory][at] - new[memory][at]) for at in places]
        besides = [a + end[memory][at] - metered[memory][at] for a, at in zip(climb, places, strict=True)]
        counted = [end[memory][at] - new[memory][at] for at in places]
        if in_turn and max(counted) - min(counted) <= 1:
            month = _up(sum(steady) * _MONTH_H, hours) + sum(besides)
            month = _up(month, len(places))
        else:
            month = max(_up(a * _MONTH_H, hours) + b for a, b in zip(steady, besides, strict=True))
        if any(end[memory][at] for at in places):
            rows.append(Row(board, area, FRAM_CYCLES if memory == "fram" else FLASH_CYCLES, max(1, month)))
    return rows


def _count(board, hours, on_hour):
    """Counters when maxima begin to climb, when they have climbed, after metering, after the rest of a month."""
    watch = {"over_voltage": {"hold_s": 0, "release_s": 0}}  # else each takes two minutes
    with Bench(board=board, initial_credit="400.00", utc=datetime(2026, 1, 12, 7, 0), events=watch) as b:
        b.run_s(60)
        new = _counters(b)
        b.run_s(_CLIMB_S)
        start = _counters(b)
        for _ in range(hours):
            b.run_s(3600)
            on_hour()
        metered = _counters(b)
        _month(b)
        end = _counters(b)
        if b.meter.restarts:
            raise RuntimeError(f"the meter restarted {b.meter.restarts} times")
    return new, start, metered, end


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
