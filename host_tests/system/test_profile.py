# SPDX-License-Identifier: Apache-2.0
"""The load profile of a running meter, read from the bytes of its flash."""

from datetime import datetime
from itertools import pairwise

from meter.core import codes
from meter.storage.profile import OUTAGE, SUPPLY_OFF

from host_tests.bench.flash import RINGS_AT, SECTOR
from host_tests.bench.rings_view import erases, read_profile


def test_each_quarter_of_an_hour_has_its_row_and_their_sum_is_the_register(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    b.run_s(30 * 60 - 3)
    b.load(1000)
    b.run_s(75 * 60 + 3)
    rows = read_profile(b.plant.flash)
    assert [row.end_s % 900 for row in rows] == [0] * 7
    assert [b.end_s - a.end_s for a, b in pairwise(rows)] == [900] * 6
    # The first slot has no row before it to count from.
    assert abs(sum(row.import_counts for row in rows) + 900 * 3000 / 11.25 - b.state().import_counts) < 6 * 3000 / 11.25
    assert abs(rows[1].import_counts - 900 * 3000 / 11.25) < 3000 / 11.25
    assert rows[-1].import_counts in range(79_999, 80_002)
    assert (rows[-1].voltage_cv, rows[-1].current_ca, rows[-1].pf_milli) == (23_000, 434, 1000)
    assert rows[-1].peak_10w == 100
    # The clock aligns itself to the RTC each hour: a second more or less.
    assert all(row.covered_s in (899, 900, 901) and row.flags == 0 for row in rows[1:])
    assert sum(erases(b.plant.flash)) == 2


def test_no_energy_is_missing_from_the_rows_whenever_the_power_fails(bench):
    b = bench(load_w=3000, initial_credit="50.00", utc=datetime(2026, 1, 12, 6, 59, 50))
    b.run_s(12)
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
    assert abs(b.state().import_counts - before - sum(row.import_counts for row in rows)) <= 5 * 3000 / 11.25
    assert sum(row.flags & OUTAGE for row in rows) >= 5
    assert [row.end_s for row in rows] == sorted({row.end_s for row in rows})


def test_supply_that_is_off_is_marked(bench):
    b = bench(load_w=2000, initial_credit="0.02")
    b.run_s(1800)
    assert b.state().claims
    assert read_profile(b.plant.flash)[-1].flags == SUPPLY_OFF


def test_flash_that_fails_is_named_and_rows_are_written_once_it_works(bench):
    b = bench(load_w=2000, initial_credit="50.00")
    first = RINGS_AT // SECTOR
    b.plant.flash.bad_sectors.update(range(first, first + 128))
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
