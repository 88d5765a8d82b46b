# SPDX-License-Identifier: Apache-2.0
"""The load profile: what a row says of its slot, and how rows are found again."""

import asyncio
import struct
import tracemalloc
import types
from binascii import crc32
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core import codes
from meter.core import settings as config
from meter.core.errors import ConfigError
from meter.core.state import MeterState
from meter.documents import parse
from meter.metering.profile import Profile
from meter.storage import profile, profile_reader
from meter.storage.profile import CLOCK_INVALID, CLOCK_SET, NOT_MEASURED, OUTAGE, SUPPLY_OFF

from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.views.rings import named
from host_tests.stands.flash_cuts import CutFlash

NOON = 820_540_800  # a whole hour
SLOT = 900
ENERGIES = ["import", "export", "q_import", "q_export", "va"]
CHANNELS = [*ENERGIES, "voltage", "current", "pf", "peak", "u1", "u2", "u3", "i1", "i2", "i3"]

DEFAULT = config.Settings().profile_channels


def rows_on(dev, after=0, until=1 << 32):
    return [named(row) for row in profile_reader.Reader(dev).rows(after, until)]


def row(end_s, register=0, mask=DEFAULT, covered_s=SLOT, values=(0,) * 14):
    return profile.pack(end_s, mask, covered_s, 0, 15, (register, *values))


class Books:
    """What the profile sees of books/books.py: what has been counted, and where to complain."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.s = MeterState()
        self.utc_s = None
        self.sample = None
        self.faults = 0
        self.counted = asyncio.Event()
        self.said = []

    def tick(self, sample, utc_s):
        self.utc_s = utc_s
        self.sample = sample
        if utc_s is not None:
            self.s.utc_s = utc_s
        if sample is not None:
            self.s.import_counts += sample.import_counts
        self.counted.set()

    def fault(self, bit, on):
        if bool(self.faults & bit) != on:
            self.log(codes.LOG_FAULT if on else codes.LOG_FAULT_CLEARED, bit)
        self.faults = self.faults | bit if on else self.faults & ~bit

    def log(self, code, value=0):
        self.said.append((code, value))


class Household:
    """Books, and the profile's task: one second at a time."""

    def __init__(self, dev=None, utc_s=0, import_counts=0, phases=1, **doc):
        VirtualTime()
        self.dev = dev or CutFlash(profile.BLOCKS)
        self.books = Books(parse.settings({"meter_number": "1", "phases": phases, **doc}))
        self.said = self.books.said
        self.books.s.utc_s = utc_s
        self.books.s.import_counts = import_counts
        self.books.s.relay_closed = 1
        self.sample = types.SimpleNamespace(
            urms_mv=[230_000, 0, 0], irms_ma=[4_000, 0, 0], pf_milli=[950, 0, 0], p_total_mw=900_000, import_counts=100
        )

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

    def change(self, **doc):
        """Other settings come into force."""
        self.books.cfg = parse.settings({"meter_number": "1", "phases": self.books.cfg.phases, **doc})


def ends(rows):
    return [(row.end_s - NOON) // SLOT for row in rows]


def minutes(rows):
    return [(row.end_s - NOON) // 60 for row in rows]


def by_number(rows):
    return sorted(rows, key=lambda row: row.number)


def test_a_whole_slot_has_its_energy_means_and_peak():
    home = Household()

    def more():
        home.sample.irms_ma = [8_000, 0, 0]
        home.sample.pf_milli = [850, 0, 0]
        home.sample.p_total_mw = 1_800_000

    home.live((NOON, 451), more, (NOON + 451, 450))
    row = home.rows()[1]
    assert row[:7] == (2, NOON, NOON + SLOT, DEFAULT, SLOT, 0, 15)
    assert row[7:] == (100 * SLOT, 0, 0, 0, None, 23_000, 600, 900, 180, *[None] * 6)


def test_a_tick_at_the_end_of_a_slot_belongs_to_it():
    home = Household().live((NOON, 2 * SLOT + 1))
    rows = home.rows()
    assert ends(rows) == [0, 1, 2]
    assert [row.import_counts for row in rows] == [None, 100 * SLOT, 100 * SLOT]
    assert [row.covered_s for row in rows] == [1, SLOT, SLOT]
    assert [row.from_s for row in rows] == [0, NOON, NOON + SLOT]


def test_means_are_over_what_was_measured():
    home = Household()

    def silent():
        home.sample = None

    row = home.live((NOON + 1, 300), silent, (NOON + 301, 600)).rows()[0]
    assert (row.covered_s, row.voltage_cv, row.current_ca, row.pf_milli) == (300, 23_000, 400, 950)


def test_means_of_three_phases_are_over_all_of_them():
    home = Household(phases=3)
    home.sample.urms_mv = [231_000, 229_000, 233_000]
    home.sample.irms_ma = [3_000, 0, 6_000]
    home.sample.pf_milli = [900, 1000, -800]
    row = home.live((NOON + 800, 101)).rows()[0]
    assert (row.voltage_cv, row.current_ca, row.pf_milli) == (23_100, 300, 366)


def test_means_of_three_wires_leave_the_common_phase_out():
    home = Household(phases=3, three_wire=True, profile_channels=["voltage", "current", "pf", "u1", "u2", "u3"])
    home.sample.urms_mv = [401_000, 1_000, 403_000]
    home.sample.irms_ma = [3_000, 500, 6_000]
    home.sample.pf_milli = [900, 1000, -800]
    row = home.live((NOON + 800, 101)).rows()[0]
    assert (row.voltage_cv, row.current_ca, row.pf_milli) == (40_200, 450, 50)
    assert (row.u1_cv, row.u2_cv, row.u3_cv) == (40_100, 100, 40_300)


def test_each_phase_can_be_recorded():
    names = ["u1", "u2", "u3", "i1", "i2", "i3", "voltage", "current"]
    home = Household(phases=3, profile_channels=names)
    home.sample.urms_mv = [231_000, 229_000, 233_000]
    home.sample.irms_ma = [3_000, 0, 6_000]

    def more():
        home.sample.urms_mv = [233_000, 0, 233_000]

    row = home.live((NOON + 1, 450), more, (NOON + 451, 450)).rows()[0]
    assert row[12:14] == (int((231 + 229 + 233 + 233 + 233) * 100 / 6), 300)
    assert row[16:] == (23_200, 11_450, 23_300, 300, 0, 600)
    assert row[7:12] == (None,) * 5 and (row.pf_milli, row.peak_10w) == (None, None)


def test_all_energies_can_be_recorded():
    home = Household(profile_channels=["va", "q_export", "q_import", "export", "import"])
    s = home.books.s

    def flow():
        s.va_counts += 900
        s.export_counts += 7
        s.q_import_counts += 8
        s.q_export_counts += 9

    home.live((NOON, 10), flow, (NOON + 10, SLOT - 9))
    assert home.rows()[1][7:12] == (100 * SLOT, 7, 8, 9, 900)


def test_a_power_factor_behind_the_zero_and_figures_beyond_their_field_stay_what_they_are():
    home = Household(profile_channels=["voltage", "current", "pf", "peak"])
    home.sample.pf_milli = [-1000, 0, 0]
    home.sample.irms_ma = [700_000, 0, 0]
    home.sample.p_total_mw = 10**9
    row = home.live((NOON, 1)).rows()[0]
    assert row[12:16] == (23_000, 0xFFFF, -1000, 0xFFFF)


def test_an_outage_inside_a_slot_is_marked_and_no_energy_is_lost():
    home = Household().live((NOON, 400))
    counted = home.books.s.import_counts
    again = Household(home.dev, NOON + 399, counted).live((NOON + 700, 201))
    rows = again.rows()
    assert ends(rows) == [0, 1]
    assert rows[1].flags == OUTAGE and rows[1].covered_s == 201
    assert rows[1].import_counts == again.books.s.import_counts - 100


def test_the_slot_the_power_failed_in_gets_its_row_at_the_next_start():
    home = Household().live((NOON, 400))
    counted = home.books.s.import_counts
    again = Household(home.dev, NOON + 399, counted).live((NOON + 5 * SLOT + 300, 601))
    rows = again.rows()
    assert ends(rows) == [0, 1, 6]
    assert [row.flags for row in rows] == [0, OUTAGE, OUTAGE]
    assert [row.import_counts for row in rows] == [None, counted - 100, 60_100]
    assert [row.covered_s for row in rows] == [1, 0, 601]


def test_a_cut_between_a_row_and_the_next_second_writes_no_row_twice():
    home = Household().live((NOON, SLOT + 1))
    again = Household(home.dev, NOON + SLOT, home.books.s.import_counts).live((NOON + SLOT + 5, SLOT - 4))
    assert ends(again.rows()) == [0, 1, 2]


def test_a_cut_between_the_ledger_and_the_row_costs_no_row():
    home = Household().live((NOON, SLOT))
    again = Household(home.dev, NOON + SLOT, home.books.s.import_counts + 100).live((NOON + SLOT + 5, SLOT - 4))
    rows = again.rows()
    assert ends(rows) == [0, 1, 2]
    assert rows[1].import_counts == 100 * SLOT


def test_a_clock_set_ahead_ends_the_slot_and_marks_both():
    rows = Household().live((NOON, 300), (NOON + 4 * SLOT + 100, 801)).rows()
    assert ends(rows) == [0, 1, 5]
    assert [row.flags & CLOCK_SET for row in rows] == [0, CLOCK_SET, CLOCK_SET]
    assert [row.import_counts for row in rows] == [None, 30_000, 80_000]


def test_a_clock_set_back_keeps_both_times_and_finds_all_rows_of_a_range():
    home = Household().live((NOON, 4 * SLOT + 100), (NOON + SLOT + 100, 801), (NOON + 2 * SLOT + 1, 3 * SLOT))
    rows = home.rows()
    assert ends(by_number(rows)) == [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]
    assert ends(rows) == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [row.number for row in rows] == [1, 2, 3, 7, 4, 8, 5, 9, 6, 10]
    found = rows_on(home.dev, NOON + SLOT, NOON + 3 * SLOT)
    assert ends(found) == [2, 2, 3, 3]


def test_energy_of_a_row_is_since_the_one_written_before_it_whatever_the_clock_did():
    """Rows: whole hours 1, 2, 3, then back to 2, 3."""
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for at, register in ((1, 10), (2, 30), (3, 60), (2, 100), (3, 150)):
        rows.append(row(NOON + 3600 * at, register))
    found = [((row.from_s - NOON) // 3600, (row.end_s - NOON) // 3600, row.import_counts) for row in rows_on(dev)]
    assert found[1:] == [(1, 2, 20), (3, 2, 40), (2, 3, 30), (2, 3, 50)]
    assert [row.import_counts for row in rows_on(dev, NOON + 7200, NOON + 4 * 3600)] == [30, 50]


def test_a_clock_set_within_a_slot_only_marks_it():
    rows = Household().live((NOON, 300), (NOON + 500, 401)).rows()
    assert ends(rows) == [0, 1] and rows[1].flags == CLOCK_SET


def test_a_step_of_a_resync_back_over_the_end_of_a_slot_is_no_news():
    rows = Household().live((NOON, SLOT + 1), (NOON + SLOT, SLOT + 1)).rows()
    assert ends(rows) == [0, 1, 2] and [row.flags for row in rows] == [0, 0, 0]


def test_a_tick_that_does_not_come_at_the_end_of_a_slot_ends_it_all_the_same():
    rows = Household().live((NOON - 5, 5), (NOON + 2, SLOT - 1)).rows()
    assert ends(rows) == [0, 1]


def test_without_a_valid_clock_slots_go_on_and_say_so():
    rows = Household().live((NOON, 100), (None, 2 * SLOT)).rows()
    assert ends(rows) == [0, 1, 2]
    assert [row.flags for row in rows] == [0, CLOCK_INVALID, CLOCK_INVALID]


def test_what_flowed_before_any_time_was_known_makes_no_slot_longer():
    rows = Household().live((None, 2 * SLOT + 77), (NOON, SLOT + 2)).rows()
    assert rows and all(row.covered_s <= SLOT for row in rows)


def test_a_clock_lost_in_an_outage_goes_on_from_the_ledgers_time():
    home = Household().live((NOON, 100))
    rows = Household(home.dev, NOON + 99, 0).live((None, 801)).rows()
    assert ends(rows) == [0, 1] and rows[1].flags == OUTAGE | CLOCK_INVALID


def test_supply_off_and_a_silent_metering_ic_are_marked():
    home = Household()
    home.books.s.relay_closed = 0
    home.sample = None
    assert home.live((NOON - 10, 11)).rows()[0].flags == SUPPLY_OFF | NOT_MEASURED


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
        rows.append(row(NOON + n, register))
    assert [row.import_counts for row in rows_on(dev)] == [None, 12, 2**31 - 7]


def test_a_register_that_a_cut_has_set_back_gives_nothing_not_a_fortune():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n, register in enumerate((1000, 990, 1500)):
        rows.append(row(NOON + n, register))
    assert [row.import_counts for row in rows_on(dev)] == [None, 0, 510]


def test_a_damaged_row_leaves_its_energy_to_the_next_one():
    home = Household().live((NOON, 3 * SLOT + 1))
    home.dev.flash.data[16 + 48 * 2 + 9] ^= 1  # row 3
    rows = home.rows()
    assert ends(rows) == [0, 1, 3]
    assert rows[2].from_s == NOON + SLOT and rows[2].import_counts == 100 * 2 * SLOT


def test_a_block_given_up_in_the_middle_loses_no_row():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n in range(200):
        if n == 25:
            dev.flash.bad_sectors.add(0)
        rows.append(row(NOON + n * SLOT, n))
    found = rows_on(dev)
    assert [row.end_s for row in found] == [NOON + n * SLOT for n in range(200)]
    assert [row.import_counts for row in found[1:]] == [1] * 199


# -- other settings -------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])
def test_rows_end_at_the_multiples_of_their_period(period):
    home = Household(profile_min=period).live((NOON + 61, 2 * 3600 - 61))
    rows = home.rows()
    assert minutes(rows) == list(range(period if period > 1 else 2, 120, period))
    assert {row.period_min for row in rows} == {period}
    assert {row.covered_s for row in rows[1:]} <= {60 * period}


def test_a_longer_period_begins_when_the_slot_that_is_running_has_ended():
    home = Household()
    home.live((NOON, 400), lambda: home.change(profile_min=60), (NOON + 400, 2 * 3600 - 399))
    rows = home.rows()
    assert minutes(rows) == [0, 15, 60, 120]
    assert [row.period_min for row in rows] == [15, 15, 60, 60]
    assert [row.import_counts for row in rows[1:]] == [100 * 900, 100 * 2700, 100 * 3600]


def test_a_shorter_period_ends_the_slot_that_is_running_at_its_first_boundary():
    home = Household(profile_min=60)
    home.live((NOON, 400), lambda: home.change(profile_min=5), (NOON + 400, 1000))
    rows = home.rows()
    assert minutes(rows) == [0, 10, 15, 20]
    assert [row.period_min for row in rows] == [60, 60, 5, 5]
    assert [row.import_counts for row in rows[1:]] == [60_000, 30_000, 30_000]


def test_a_change_in_the_second_before_a_boundary_of_the_new_period_ends_the_slot_there():
    home = Household(profile_min=60)
    home.live((NOON, 300), lambda: home.change(profile_min=5), (NOON + 300, 1))
    assert minutes(home.rows()) == [0, 5]


def test_a_change_between_the_power_failing_and_the_first_tick_is_that_of_the_first_row():
    home = Household(profile_min=60).live((NOON, 400))
    again = Household(home.dev, NOON + 399, home.books.s.import_counts, profile_min=5).live((NOON + 1000, 300))
    rows = again.rows()
    assert minutes(rows) == [0, 10, 20]
    assert [row.period_min for row in rows] == [60, 5, 5]
    assert [row.flags for row in rows] == [0, OUTAGE, OUTAGE]


def test_other_channels_leave_the_rows_before_as_they_were():
    home = Household(profile_channels=["import", "voltage"])
    home.live(
        (NOON, SLOT + 10),
        lambda: home.change(profile_channels=["import", "export", "i1"]),
        (NOON + SLOT + 10, 3 * SLOT - 9),
    )
    rows = home.rows()
    rows, last = rows[:4], rows[4]
    assert ends(rows) == [0, 1, 2, 3] and last.export_counts == 0
    assert [row.import_counts for row in rows] == [None, 90_000, 90_000, 90_000]
    assert [row.voltage_cv for row in rows] == [23_000, 23_000, 23_000, None]
    assert [row.i1_ca for row in rows] == [None, None, None, 400]
    # The row before has no such register: what it rose by is not known.
    assert [row.export_counts for row in rows] == [None] * 4


@pytest.mark.parametrize(
    ("doc", "path"),
    [
        ({"profile_min": 0}, "profile_min"),
        ({"profile_min": 7}, "profile_min"),
        ({"profile_min": 61}, "profile_min"),
        ({"profile_min": "15"}, "profile_min"),
        ({"profile_channels": []}, "profile_channels"),
        ({"profile_channels": "import"}, "profile_channels"),
        ({"profile_channels": ["import", "import"]}, "profile_channels[1]"),
        ({"profile_channels": ["import", "colour"]}, "profile_channels[1]"),
        ({"profile_channels": [["import"]]}, "profile_channels[0]"),
        (
            {"profile_channels": [*ENERGIES, "voltage", "current", "pf", "peak", "u1", "u2"]},
            "profile_channels",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(doc, path):
    with pytest.raises(ConfigError) as e:
        parse.settings({"meter_number": "1", **doc})
    assert e.value.path == path


@given(st.lists(st.sampled_from(CHANNELS), unique=True, min_size=1))
def test_each_choice_that_fits_comes_back_and_no_other_is_taken(names):
    doc = {"meter_number": "1", "profile_channels": names}
    size = sum(4 if name in ENERGIES else 2 for name in names)
    if size > 30:
        with pytest.raises(ConfigError, match="do not fit"):
            parse.settings(doc)
        return
    mask = parse.settings(doc).profile_channels
    values = list(range(1, 16))
    dev = CutFlash(profile.BLOCKS)
    profile.Rows(dev).append(profile.pack(NOON, mask, 1, 0, 15, values))
    (raw,) = profile_reader.Reader(dev).rows(0, 1 << 32)
    told = dict(zip([name for name in CHANNELS if name in names], raw[7:], strict=True))
    # An energy alone says nothing yet.
    assert told == {name: None if name in ENERGIES else CHANNELS.index(name) + 1 for name in names}


def test_ninety_days_of_quarter_hours_are_kept_with_one_erase_a_day():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    days = 240
    for n in range(96 * days):
        rows.append(row(NOON + n * SLOT, n, values=(n, n, n, n, 23_000, 100, 1000, 5, *[0] * 6)))
    newest = NOON + (96 * days - 1) * SLOT
    kept = rows_on(dev, newest - 111 * 86_400, newest)
    assert [row.end_s for row in kept] == list(range(newest - 111 * 86_400 + SLOT, newest + 1, SLOT))
    assert sum(dev.flash.erases) / days < 1.14  # 96 of 85
    assert max(dev.flash.erases) - min(dev.flash.erases) <= 1
    # 20 years of it: of 100,000 cycles.
    assert max(dev.flash.erases) / days * 365.25 * 20 < 150


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 60)), min_size=1, max_size=40),
    st.integers(-50, 400),
    st.integers(0, 300),
    st.sets(st.integers(1, 2400), max_size=5),
)
def test_a_range_is_what_a_search_through_all_rows_finds(spells, after, length, damaged):
    """However often the clock was set: (slots it moves, rows written then), over several blocks."""
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    at = register = number = 0
    kept = []
    for move, n in spells:
        at = max(0, at + move)
        for _ in range(n):
            at += 1
            number += 1
            register += at * 7 % 1000
            rows.append(row(NOON + at * SLOT, register))
            kept.append((number, NOON + at * SLOT, register))
    for number in damaged:
        if number <= len(kept):
            # As many rows to a block as in none other: they lie one after the other.
            dev.flash.data[(number - 1) // 85 * 4096 + 16 + (number - 1) % 85 * 48 + 20] ^= 1
    kept = [row for row in kept if row[0] not in damaged]
    everything = sorted(
        [(end, n, before[1], value - before[2]) for before, (n, end, value) in pairwise(kept)]
        + [(end, n, 0, None) for n, end, _ in kept[:1]]
    )
    after_s, until_s = NOON + after * SLOT, NOON + (after + length) * SLOT
    found = [(row.end_s, row.number, row.from_s, row.import_counts) for row in rows_on(dev, after_s, until_s)]
    assert found == [row for row in everything if after_s < row[0] <= until_s]


def test_a_clock_set_back_at_each_row_costs_time_but_neither_order_nor_rows():
    """More runs than are kept track of, all in the same two slots."""
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n in range(200):
        rows.append(row(NOON + (2 - n % 2) * SLOT, n))
    found = rows_on(dev)
    assert [row.number for row in found] == [*range(2, 201, 2), *range(1, 201, 2)]
    assert [row.import_counts for row in by_number(found)[1:]] == [1] * 199


CHOICES = [["import"], ["import", "va", "voltage"], ["import", "export", *CHANNELS[9:]], None]
EVENTS = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 1200)),
    st.tuples(st.just("off"), st.integers(1, 5000)),
    st.tuples(st.just("set"), st.integers(-5000, 5000)),
    st.tuples(st.just("lost"), st.integers(1, 600)),
    st.tuples(st.sampled_from([1, 5, 15, 20, 60]), st.sampled_from(CHOICES)),
)


@settings(max_examples=40)
@given(st.lists(EVENTS, min_size=1, max_size=10), st.integers(0, 5000))
def test_whatever_happens_rows_are_in_order_and_their_energy_is_the_registers(events, start):
    """Settings that change, outages, a clock that is set or lost: each second counts 100."""
    dev = CutFlash(profile.BLOCKS)
    now = NOON + start
    utc_s = counted = 0
    doc: dict = {}
    spells = []

    def live(spells):
        nonlocal utc_s, counted
        if spells:
            home = Household(dev, utc_s, counted, **doc)
            home.live(*[s if isinstance(s, tuple) else (lambda d=s: home.change(**doc | d)) for s in spells])
            utc_s, counted = home.books.s.utc_s, home.books.s.import_counts
            for spell in spells:
                if isinstance(spell, dict):
                    doc.update(spell)

    for what, value in [("run", 60), *events, (1, None), ("run", 125)]:
        if what == "run":
            spells.append((now, value))
            now += value
        elif what == "lost":
            spells.append((None, value))
            now += value
        elif what == "off":
            live(spells)
            spells = []
            now += value
        elif what == "set":
            now += value
        else:
            spells.append({"profile_min": what} | ({"profile_channels": value} if value else {}))
    live(spells)
    rows = rows_on(dev)
    assert [(row.end_s, row.number) for row in rows] == sorted((row.end_s, row.number) for row in rows)
    written = by_number(rows)
    first, last = written[0], written[-1]
    raw = {row[0]: row[6] for row in raw_rows(dev)}
    assert sum(row.import_counts or 0 for row in written) == raw[last.number] - raw[first.number]
    for before, after in pairwise(written):
        assert (after.from_s, after.import_counts) == (before.end_s, raw[after.number] - raw[before.number])
    assert all(row.end_s % 60 == 0 for row in rows)
    if not [what for what, _ in events if what in ("set", "lost")]:
        # A clock that goes on as it should: no slot is longer than its period, and the one that is running is missing.
        assert all(row.covered_s <= 60 * row.period_min for row in rows)
        assert 0 <= counted - raw[last.number] < 100 * 3600


def raw_rows(dev):
    """The rows as they lie on the flash, by FORMAT.md: number, end_s, mask, covered_s, flags, period_min, import."""
    for block in range(profile.BLOCKS):
        for slot in range(85):
            at = block * 4096 + 16 + slot * 48
            record = bytes(dev.flash.data[at : at + 48])
            if any(record) and crc32(record[:44]) == int.from_bytes(record[44:], "little"):
                yield struct.unpack_from("<IIHHBBI", record)


def test_reading_a_day_leaves_most_of_the_ring_alone():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n in range(96 * 90):
        rows.append(row(NOON + n * SLOT, n))
    reader = profile_reader.Reader(dev)
    dev.reads = 0
    day = list(reader.rows(NOON + 40 * 86_400, NOON + 41 * 86_400))
    assert len(day) == 96
    assert dev.reads < 4 * profile.BLOCKS + 40


def test_memory_for_reading_does_not_grow_with_what_is_read():
    dev = CutFlash(profile.BLOCKS)
    rows = profile.Rows(dev)
    for n in range(5000):
        rows.append(row(NOON + n * SLOT, n))
    tracemalloc.start()
    try:
        peaks = []
        for days in (1, 50):
            reader = profile_reader.Reader(dev)
            tracemalloc.reset_peak()
            began = tracemalloc.get_traced_memory()[0]
            for _ in reader.rows(NOON, NOON + days * 86_400):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1] - began)
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2000
