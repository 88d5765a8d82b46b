# SPDX-License-Identifier: Apache-2.0
"""The load profile: what a row says of its slot, and how rows are found again."""

import asyncio
import types

from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core import codes, config, tariff
from meter.core.state import MeterState
from meter.drivers.atm90e32 import Sample
from meter.services.books import Books
from meter.services.profile import Profile
from meter.storage import profile
from meter.storage.profile import CLOCK_INVALID, CLOCK_SET, NOT_MEASURED, OUTAGE, SUPPLY_OFF

from host_tests.bench.cpython import VirtualTime

from .flash_cuts import CutFlash

NOON = 820_540_800  # a whole hour
SLOT = 900


def rows_on(dev, after=0, until=1 << 32):
    rows = profile.Rows(dev)
    rows.ring.open(1 << 32)
    return list(rows.rows(after, until))


class Household:
    """Books without FRAM, and the profile's task: one second at a time."""

    def __init__(self, dev=None, utc_s=0, import_counts=0, phases=1):
        VirtualTime()
        self.dev = dev or CutFlash(profile.BLOCKS)
        cfg = config.parse({"meter_number": "1", "phases": phases})
        one = tariff.parse({"name": "t", "currency": "EUR", "price": "0.25"})
        ledger = types.SimpleNamespace(load=lambda s: 1, commit=lambda s: None)
        self.said = []
        fram = types.SimpleNamespace(read_into=lambda at, buf: None, write=lambda at, buf: None)
        events = types.SimpleNamespace(
            open=lambda n: n, next_number=1, append=lambda code, value, utc_s: self.said.append((code, value))
        )
        self.books = Books(MeterState(), ledger, events, fram, cfg, one)
        self.books.s.utc_s = utc_s
        self.books.s.import_counts = import_counts
        self.books.ready = True
        self.books.s.relay_closed = 1
        self.sample = Sample()
        self.sample.urms_mv = [230_000, 0, 0]
        self.sample.irms_ma = [4_000, 0, 0]
        self.sample.pf_milli = [950, 0, 0]
        self.sample.p_total_mw = 900_000
        self.sample.import_counts = 100

    def live(self, *spells):
        """spells: (utc_s of the first tick or None, ticks), or what to call. Each tick counts 100."""

        async def all_of_it():
            task = asyncio.ensure_future(Profile(self.books, self.dev).run(lambda: None))
            await asyncio.sleep(0)
            for spell in spells:
                if callable(spell):
                    spell()
                    continue
                start, n = spell
                for i in range(n):
                    self.books.tick(self.sample, None if start is None else start + i)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            assert not task.done(), task.exception()
            task.cancel()

        asyncio.run(all_of_it())
        return self

    def rows(self):
        return rows_on(self.dev)


def ends(rows):
    return [(row[2] - NOON) // SLOT for row in rows]


def test_a_whole_slot_has_its_energy_means_and_peak():
    home = Household()

    def more():
        home.sample.irms_ma = [8_000, 0, 0]
        home.sample.pf_milli = [850, 0, 0]
        home.sample.p_total_mw = 1_800_000

    home.live((NOON, 451), more, (NOON + 451, 450))
    number, from_s, end_s, flags, covered_s, period, *counts, cv, ca, pf, peak = home.rows()[1]
    assert (number, from_s, end_s, flags, covered_s, period) == (2, NOON, NOON + SLOT, 0, SLOT, 15)
    assert (counts, cv, ca, pf, peak) == ([100 * SLOT, 0, 0, 0], 23_000, 600, 900, 180)


def test_a_tick_at_the_end_of_a_slot_belongs_to_it():
    home = Household().live((NOON, 2 * SLOT + 1))
    rows = home.rows()
    assert ends(rows) == [0, 1, 2]
    assert [row[6] for row in rows] == [0, 100 * SLOT, 100 * SLOT]
    assert [row[4] for row in rows] == [1, SLOT, SLOT]
    assert [row[1] for row in rows] == [0, NOON, NOON + SLOT]


def test_means_are_over_what_was_measured():
    home = Household()
    home.live((NOON, 1), (NOON + 1, 300))
    home = Household(phases=3)
    home.sample.urms_mv = [231_000, 229_000, 233_000]
    home.sample.irms_ma = [3_000, 0, 6_000]
    home.sample.pf_milli = [900, 1000, -800]
    row = home.live((NOON + 800, 101)).rows()[0]
    assert row[10:13] == (23_100, 300, 366)


def test_an_outage_inside_a_slot_is_marked_and_no_energy_is_lost():
    home = Household().live((NOON, 400))
    counted = home.books.s.import_counts
    again = Household(home.dev, NOON + 399, counted).live((NOON + 700, 201))
    rows = again.rows()
    assert ends(rows) == [0, 1]
    assert rows[1][3] == OUTAGE and rows[1][4] == 201
    assert rows[1][6] == again.books.s.import_counts - 100


def test_the_slot_the_power_failed_in_gets_its_row_at_the_next_start():
    home = Household().live((NOON, 400))
    counted = home.books.s.import_counts
    again = Household(home.dev, NOON + 399, counted).live((NOON + 5 * SLOT + 300, 601))
    rows = again.rows()
    assert ends(rows) == [0, 1, 6]
    assert [row[3] for row in rows] == [0, OUTAGE, OUTAGE]
    assert [row[6] for row in rows] == [0, counted - 100, 60_100]
    assert [row[4] for row in rows] == [1, 0, 601]


def test_a_cut_between_a_row_and_the_next_second_writes_no_row_twice():
    home = Household().live((NOON, SLOT + 1))
    again = Household(home.dev, NOON + SLOT, home.books.s.import_counts).live((NOON + SLOT + 5, SLOT - 4))
    assert ends(again.rows()) == [0, 1, 2]


def test_a_cut_between_the_ledger_and_the_row_costs_no_row():
    home = Household().live((NOON, SLOT))
    again = Household(home.dev, NOON + SLOT, home.books.s.import_counts + 100).live((NOON + SLOT + 5, SLOT - 4))
    rows = again.rows()
    assert ends(rows) == [0, 1, 2]
    assert rows[1][6] == 100 * SLOT


def test_a_clock_set_ahead_ends_the_slot_and_marks_both():
    rows = Household().live((NOON, 300), (NOON + 4 * SLOT + 100, 801)).rows()
    assert ends(rows) == [0, 1, 5]
    assert [row[3] & CLOCK_SET for row in rows] == [0, CLOCK_SET, CLOCK_SET]
    assert [row[6] for row in rows] == [0, 30_000, 80_000]


def test_a_clock_set_back_keeps_both_times_and_finds_all_rows_of_a_range():
    home = Household().live((NOON, 4 * SLOT + 100), (NOON + SLOT + 100, 801), (NOON + 2 * SLOT + 1, 3 * SLOT))
    assert ends(home.rows()) == [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]
    found = rows_on(home.dev, NOON + SLOT, NOON + 3 * SLOT)
    assert ends(found) == [2, 3, 2, 3]


def test_a_clock_set_within_a_slot_only_marks_it():
    rows = Household().live((NOON, 300), (NOON + 500, 401)).rows()
    assert ends(rows) == [0, 1] and rows[1][3] == CLOCK_SET


def test_a_step_of_a_resync_back_over_the_end_of_a_slot_is_no_news():
    rows = Household().live((NOON, SLOT + 1), (NOON + SLOT, SLOT + 1)).rows()
    assert ends(rows) == [0, 1, 2] and [row[3] for row in rows] == [0, 0, 0]


def test_a_tick_that_does_not_come_at_the_end_of_a_slot_ends_it_all_the_same():
    rows = Household().live((NOON - 5, 5), (NOON + 2, SLOT - 1)).rows()
    assert ends(rows) == [0, 1]


def test_without_a_valid_clock_slots_go_on_and_say_so():
    rows = Household().live((NOON, 100), (None, 2 * SLOT)).rows()
    assert ends(rows) == [0, 1, 2]
    assert [row[3] for row in rows] == [0, CLOCK_INVALID, CLOCK_INVALID]


def test_a_clock_lost_in_an_outage_goes_on_from_the_ledgers_time():
    home = Household().live((NOON, 100))
    rows = Household(home.dev, NOON + 99, 0).live((None, 801)).rows()
    assert ends(rows) == [0, 1] and rows[1][3] == OUTAGE | CLOCK_INVALID


def test_supply_off_and_a_silent_metering_ic_are_marked():
    home = Household()
    home.books.s.relay_closed = 0
    home.sample = None
    assert home.live((NOON - 10, 11)).rows()[0][3] == SUPPLY_OFF | NOT_MEASURED


def test_a_row_the_flash_does_not_take_is_written_when_it_does():
    home = Household()
    home.dev.flash.bad_sectors.update(range(profile.BLOCKS))
    faults = []
    home.live(
        (NOON, 2 * SLOT + 30),
        lambda: faults.append(home.books.faults),
        home.dev.flash.bad_sectors.clear,
        (NOON + 2 * SLOT + 30, SLOT),
    )
    assert faults == [codes.FAULT_FLASH]
    assert (codes.LOG_FAULT, codes.FAULT_FLASH) in home.said
    assert ends(home.rows()) == [0, 1, 2, 3]
    assert not home.books.faults & codes.FAULT_FLASH


def test_a_block_given_up_is_logged():
    home = Household()
    home.dev.flash.bad_sectors.add(0)
    assert len(home.live((NOON, 1)).rows()) == 1
    assert (codes.LOG_FLASH_BLOCK, 1) in home.said


def test_registers_that_pass_32_bits_give_right_differences():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n, register in enumerate((2**32 - 5, 2**32 + 7, 2**32 + 2**31)):
        rows.append(profile.pack(NOON + n, 0, 0, 15, (register, register, 0, 0), 0, 0, 0, 0))
    assert [row[6] for row in rows_on(dev)] == [0, 12, 2**31 - 7]


def test_a_register_that_a_cut_has_set_back_gives_nothing_not_a_fortune():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n, register in enumerate((1000, 990, 1500)):
        rows.append(profile.pack(NOON + n, 0, 0, 15, (register, 0, 0, 0), 0, 0, 0, 0))
    assert [row[6] for row in rows_on(dev)] == [0, 0, 510]


def test_a_damaged_row_leaves_its_energy_to_the_next_one():
    home = Household().live((NOON, 3 * SLOT + 1))
    home.dev.flash.data[16 + 40 * 2 + 9] ^= 1  # row 3
    rows = home.rows()
    assert ends(rows) == [0, 1, 3]
    assert rows[2][1] == NOON + SLOT and rows[2][6] == 100 * 2 * SLOT


def test_ninety_days_of_quarter_hours_are_kept_with_one_erase_a_day():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    days = 200
    for n in range(96 * days):
        rows.append(profile.pack(NOON + n * SLOT, SLOT, 0, 15, (n, n, n, n), 23_000, 100, 1000, 5))
    newest = NOON + (96 * days - 1) * SLOT
    kept = rows_on(dev, newest - 90 * 86_400, newest)
    assert [row[2] for row in kept] == list(range(newest - 90 * 86_400 + SLOT, newest + 1, SLOT))
    assert sum(dev.flash.erases) / days < 0.96
    assert max(dev.flash.erases) - min(dev.flash.erases) <= 1
    # 20 years of it: of 100,000 cycles.
    assert max(dev.flash.erases) / days * 365.25 * 20 < 150


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(-50, 400),
    st.integers(0, 300),
)
def test_a_range_is_what_a_search_through_all_rows_finds(spells, after, length):
    """However often the clock was set: (slots it moves, rows written then), over several blocks."""
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    at = 0
    for move, n in spells:
        at = max(0, at + move)
        for _ in range(n):
            at += 1
            rows.append(profile.pack(NOON + at * SLOT, SLOT, 0, 15, (at, 0, 0, 0), 0, 0, 0, 0))
    after_s, until_s = NOON + after * SLOT, NOON + (after + length) * SLOT
    everything = rows_on(dev)
    assert rows_on(dev, after_s, until_s) == [row for row in everything if after_s < row[2] <= until_s]


def test_reading_a_day_leaves_most_of_the_ring_alone():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n in range(96 * 90):
        rows.append(profile.pack(NOON + n * SLOT, SLOT, 0, 15, (n, n, n, n), 0, 0, 0, 0))
    reader = profile.Rows(dev)
    reader.ring.open(1 << 32)
    dev.reads = 0
    day = list(reader.rows(NOON + 40 * 86_400, NOON + 41 * 86_400))
    assert len(day) == 96
    assert dev.reads < 102 * 3 + 8 * profile.BLOCKS
