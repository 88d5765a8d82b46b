# SPDX-License-Identifier: Apache-2.0
"""The load profile of a running meter, read from the bytes of its flash."""

import json
from datetime import datetime
from itertools import pairwise

from meter.core import codes
from meter.storage.profile import BLOCKS, OUTAGE, SUPPLY_OFF

from host_tests.bench.cards.utility_cards import utility_card
from host_tests.bench.documents import settings
from host_tests.bench.plant.flash import RINGS_AT, SECTOR
from host_tests.bench.views.rings import erases, read_profile
from scripts.supplier.utility_formats import SETTINGS

from .visits import show


def test_each_quarter_of_an_hour_has_its_row_and_their_sum_is_the_register(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    b.run_s(30 * 60 - 3)
    b.load(1000)
    b.run_s(75 * 60 + 3)
    rows = read_profile(b.plant.flash)
    assert [row.end_s % 900 for row in rows] == [0] * 7
    assert [b.end_s - a.end_s for a, b in pairwise(rows)] == [900] * 6
    # The first slot has no row before it to count from.
    known = sum(row.import_counts for row in rows[1:])
    assert abs(known + 900 * 3000 / 11.25 - b.state().import_counts) < 6 * 3000 / 11.25
    assert abs(rows[1].import_counts - 900 * 3000 / 11.25) < 3000 / 11.25
    assert rows[-1].import_counts in range(79_999, 80_002)
    assert (rows[-1].voltage_cv, rows[-1].current_ca, rows[-1].pf_milli) == (23_000, 434, 1000)
    assert rows[-1].peak_10w == 100
    # The clock aligns itself to the RTC each hour: a second more or less.
    assert all(row.covered_s in (899, 900, 901) and row.flags == 0 for row in rows[1:])
    assert sum(erases(b.plant.flash)[:BLOCKS]) == 2


def test_no_energy_is_missing_from_the_rows_whenever_the_power_fails(bench):
    b = bench(load_w=3000, initial_credit="50.00", utc=datetime(2026, 1, 12, 6, 59, 49))
    b.run_s(10)
    before = b.state().import_counts
    for up_s, off_s in ((1000, 5), (300, 1300), (899, 1), (2, 3600), (1500, 30)):
        b.run_s(up_s)
        b.plug(False)
        b.run_s(off_s)
        b.plug(True)
    n = len(read_profile(b.plant.flash))
    while len(read_profile(b.plant.flash)) == n:
        b.run_s(1)
    rows = read_profile(b.plant.flash)
    assert abs(b.state().import_counts - before - sum(row.import_counts for row in rows[1:])) <= 5 * 3000 / 11.25
    assert sum(row.flags & OUTAGE for row in rows) >= 5
    assert [row.end_s for row in rows] == sorted({row.end_s for row in rows})


def test_rows_are_of_the_period_and_the_channels_that_the_settings_choose(bench):
    b = bench(profile_min=5, profile_channels=["va", "u1", "i1", "import", "peak"], initial_credit="50.00")
    b.load(3000)
    b.run_s(21 * 60)
    rows = read_profile(b.plant.flash)
    assert [row.end_s % 86_400 // 60 for row in rows] == [7 * 60 + 5, 7 * 60 + 10, 7 * 60 + 15, 7 * 60 + 20]
    assert {row.period_min for row in rows} == {5}
    assert {(row.u1_cv, row.i1_ca, row.peak_10w) for row in rows[1:]} == {(23_000, 1304, 300)}
    assert {(row.export_counts, row.voltage_cv, row.pf_milli, row.u2_cv) for row in rows} == {(None,) * 4}
    assert all(abs(row.import_counts - 300 * 3000 / 11.25) <= 3000 / 11.25 for row in rows[1:])
    # Apparent energy is read every five seconds.
    assert all(abs(row.va_counts - row.import_counts) <= 6 * 3000 / 11.25 for row in rows[1:])


def test_a_card_with_other_settings_changes_period_and_channels_and_no_row_is_lost(bench):
    b = bench(load_w=2000, initial_credit="50.00")
    b.run_s(20 * 60)
    document = settings(initial_credit="50.00", profile_min=5, profile_channels=["import", "u1"])
    show(b, utility_card(SETTINGS, json.dumps(document, separators=(",", ":")).encode()))
    b.run_s(11 * 60)
    rows = read_profile(b.plant.flash)
    assert [row.end_s % 3600 // 60 for row in rows] == [15, 25, 30]
    assert [row.period_min for row in rows] == [15, 15, 5]
    assert [row.voltage_cv for row in rows] == [23_000, 23_000, None]
    assert [row.u1_cv for row in rows] == [None, None, 23_000]
    wanted = [600 * 2000 / 11.25, 300 * 2000 / 11.25]
    assert all(abs(row.import_counts - n) <= 2000 / 11.25 for row, n in zip(rows[1:], wanted, strict=True))
    assert b.meter.restarts == 0


def test_a_clock_set_back_leaves_rows_in_order_of_time(bench):
    b = bench(load_w=2000, initial_credit="50.00", profile_min=5)
    b.run_s(16 * 60)
    b.plug(False)
    b.plant.rtc.set_time(datetime(2026, 1, 12, 7, 4), b.plant.clock.now_us)
    b.plug(True)
    b.run_s(12 * 60)
    rows = read_profile(b.plant.flash)
    # The start passes number 4 over; row 5 is of the slot the power failed in.
    assert [(row.end_s % 3600 // 60, row.number) for row in rows] == [
        (5, 1), (5, 6), (10, 2), (10, 7), (15, 3), (15, 8), (20, 5),
    ]  # fmt: skip
    assert sum(row.import_counts for row in rows[1:]) <= b.state().import_counts


def test_supply_that_is_off_is_marked(bench):
    b = bench(load_w=2000, initial_credit="0.02")
    b.run_s(1800)
    assert b.state().claims
    assert read_profile(b.plant.flash)[-1].flags == SUPPLY_OFF


def test_flash_that_fails_is_named_and_rows_are_written_once_it_works(bench):
    b = bench(load_w=2000, initial_credit="50.00")
    first = RINGS_AT // SECTOR
    b.plant.flash.bad_sectors.update(range(first, first + 256))
    counts = b.state().import_counts
    b.run_s(3000)
    seen = set()
    for _ in range(40):
        b.run_s(2)
        seen.add(b.screen())
    assert "Flash memory fault" in " | ".join(seen)
    assert b.state().import_counts - counts > 3070 * 2000 / 11.25
    b.plant.flash.bad_sectors.clear()
    b.run_s(70)
    assert len(read_profile(b.plant.flash)) == 3
    assert [e.value for e in b.events() if e.code == codes.LOG_FAULT_CLEARED] == [codes.FAULT_FLASH]
    assert b.meter.restarts == 0
