# SPDX-License-Identifier: Apache-2.0
"""Measurement through the whole meter: phases, directions, time, and what must not creep in over days."""

from itertools import pairwise

import pytest
from meter.core import codes

COUNT_W_S = 11.25  # one count is 11.25 W·s


def test_three_phases_are_added_up(bench):
    b = bench(load_w=0, phases=3, initial_credit="50.00", overload_w=0)
    b.run_s(3)
    start = b.state().import_counts
    began_us = b.plant.clock.now_us
    for phase, watts in enumerate((1000, 2000, 500)):
        b.plant.house.u_mv[phase] = 230_000
        b.plant.house.set_load(phase, watts * 1000)
    b.run_s(600)
    flowed = 3500 * (b.plant.clock.now_us - began_us) / 1e6 / COUNT_W_S
    assert abs(b.state().import_counts - start - flowed) <= 3500 / COUNT_W_S + 1


def test_fed_in_energy_has_its_own_register_and_adds_no_credit(bench):
    b = bench(load_w=0, initial_credit="12.00")
    b.plant.house.set_load(0, -3_000_000)
    before = b.state()
    b.run_s(300)
    after = b.state()
    assert after.export_counts - before.export_counts > 295 * 3000 / COUNT_W_S
    assert after.import_counts == before.import_counts
    assert after.credit_micro == before.credit_micro


def test_reactive_energy_is_counted_by_direction(bench):
    b = bench(load_w=0)
    b.plant.house.set_load(0, 1_000_000, 800_000)
    b.run_s(120)
    s = b.state()
    assert s.q_import_counts > 115 * 800 / COUNT_W_S
    assert s.q_export_counts == 0


def test_the_tick_goes_on_across_the_wrap_of_the_tick_counter(bench):
    wrap_us = (1 << 30) * 1000
    b = bench(load_w=3000, start_us=wrap_us - 60_000_000)
    b.run_s(180)
    # By then ticks fall on whole seconds of the clock.
    reads = [us for us in b.tick_reads_us if us > wrap_us - 50_000_000]
    assert reads[-1] > wrap_us + 100_000_000
    assert all(abs(late - early - 1_000_000) < 100_000 for early, late in pairwise(reads))
    assert b.meter.wdt_bites == 0


def test_ticks_fall_on_whole_seconds_of_the_clock(bench):
    b = bench()
    b.run_s(120)
    assert all(read_us % 1_000_000 < 60_000 for read_us in list(b.tick_reads_us)[-100:])


def test_the_heap_does_not_shrink_over_hours(bench):
    b = bench(load_w=2000, initial_credit="50.00")
    kept = []
    for _ in range(3):
        b.run_s(3600)
        calm = []
        # What is loaded for a moment is no growth: the profile's row on a quarter hour (its ring, 5 KB), the clock's
        # look once an hour (3 KB), a page of figures being drawn (3 KB). So the calmest second of twenty counts.
        for _ in range(20):
            b.meter.watch_heap()
            b.run_s(1)
            calm.append(b.meter.heap_low)
        b.meter.watch_heap(False)
        kept.append(max(calm))
    assert kept[0] - kept[-1] <= 256, kept


@pytest.mark.parametrize("part", ["atm90e32", "lcd", "rtc", "fram", "pn532"])
def test_a_meter_starts_without_any_one_part_and_takes_it_when_it_comes(bench, part):
    b = bench(up=False, up_s=0)
    b.fault(part, "absent")
    b.plug(True)
    b.run_s(20)
    assert b.meter.alive and b.meter.restarts == 0
    b.fault(part, "none")
    b.run_s(75)
    s = b.state()
    assert s.import_counts > 0
    assert b.meter.restarts == 0
    assert codes.LOG_TASK_CRASH not in [e.code for e in b.events()]


def test_the_button_steps_the_pages(bench):
    b = bench(initial_credit="50.00", up_s=5)
    seen = []
    for _ in range(4):
        b.press()
        b.run_s(0.3)
        seen.append(b.screen())
    assert len(set(seen)) == 4
    assert any("Used" in text for text in seen)
