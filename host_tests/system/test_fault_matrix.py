# SPDX-License-Identifier: Apache-2.0
"""A sample of `make faults`, and what of memory, clock and flash fits no case of it."""

from datetime import datetime, timedelta

import pytest
from meter.core import codes
from meter.storage import events

from host_tests.bench.documents import as_files
from host_tests.system import fault_bits, fault_matrix, struck
from host_tests.system.fault_bits import Bits
from host_tests.system.fault_case import Case
from scripts.image.image import build_image

COUNT_W_S = 11.25
SAMPLE = [
    ("atm90e32", "garbage", "run"),
    ("pn532", "jammed", "run"),
    ("lcd", "wedged", "run"),
    ("lcd", "nak", "start"),
    ("rtc", "stopped", "start"),
    ("fram", "nak", "run"),
    ("fram", "wedged", "start"),
    ("relay", "sense low", "run"),
    ("relay", "slow", "run"),
    ("fram", "keeps nothing", "run"),
    ("fram", "twin", "start"),
    ("lcd", "strays", "run"),
    ("rtc", "twin", "run"),
    ("atm90e32", "slow", "start"),
]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: "-".join(case).replace(" ", "_"))
def test_a_broken_part_stops_nothing_else(case):
    assert Case(*case).run().problems == []


@pytest.mark.parametrize("part, when", [("rtc", "run"), ("lcd", "start"), ("fram", "start")])
def test_single_wrong_bits_stop_nothing_and_leave_nothing(part, when):
    case = Bits(part, when).run()
    assert case.problems == [] and case.flips > 20


@pytest.mark.long
@pytest.mark.parametrize("part, when", fault_bits.CASES)
def test_single_wrong_bits_of_every_part(part, when):
    assert Bits(part, when).run().problems == []


def test_the_cases_notice_what_goes_wrong():
    case = Case("lcd", "garbage", "run", struck.image("panel", "raise")).run()
    assert "a task fell" in case.problems
    case = Case("lcd", "garbage", "run", struck.image("metering", "hang")).run()
    assert f"{case.worst_gap_s} s without a tick" in case.problems and case.worst_gap_s > 5


def test_every_case_has_an_id_of_its_own():
    ids = [case.id for case in fault_matrix.cases()]
    assert len(ids) == len(set(ids)) > 130
    assert fault_matrix.cases("fram") and len(fault_matrix.cases("lcd-nak-run")) == 1


# -- FRAM -----------------------------------------------------------------------------------------


def seconds(bench):
    """The clock's time as the log counts it."""
    return int((bench.plant.rtc.time(bench.plant.clock.now_us) - datetime(2000, 1, 1)).total_seconds())


def test_a_silent_fram_gets_its_fault_logged_with_the_time_it_began(bench):
    b = bench(load_w=3000)
    b.fault("fram", "absent")
    began_s = seconds(b)
    b.run_s(60)
    b.fault("fram", "none")
    b.run_s(20)
    fault, cleared = [e for e in b.events() if e.value == codes.FAULT_FRAM]
    assert (fault.code, cleared.code) == (codes.LOG_FAULT, codes.LOG_FAULT_CLEARED)
    assert 0 <= fault.utc_s - began_s <= 2 and cleared.utc_s - began_s >= 60
    assert cleared.number == fault.number + 1


def test_a_fram_that_comes_and_goes_does_not_fill_its_log(bench):
    b = bench(load_w=3000)
    b.fault("fram", "nak")
    b.run_s(200)
    assert len(b.events()) < 12


def test_both_ledger_copies_damaged_is_said_and_nothing_is_written_over_them(bench):
    b = bench(load_w=3000)
    b.plug(False)
    for copy in (0x0000, 0x0400):
        b.plant.fram.flip_bit(copy + 60, 5)
    # A clock fault at the same time would be the first thing to log, in slot 1.
    b.fault("rtc", "stopped")
    kept = bytes(b.plant.fram.data)
    b.plug(True)
    b.run_s(60)
    assert "Memory fault" in b.screen()
    assert "ledger record damaged" in "\n".join(b.meter.console)
    assert bytes(b.plant.fram.data) == kept
    assert b.meter.restarts == 0
    # Mended from outside, it goes on where it was, and tells what was wrong.
    b.plant.fram.flip_bit(0x0400 + 60, 5)
    b.run_s(10)
    assert b.state().boots == 2
    faults = [e.value for e in b.events() if e.code == codes.LOG_FAULT]
    assert codes.FAULT_FRAM in faults and codes.FAULT_CLOCK in faults


def test_a_flipped_bit_in_the_log_hides_one_record_only(bench):
    b = bench()
    before = b.events()
    b.plant.fram.flip_bit(events.BASE + before[0].number * events.SIZE + 10, 3)
    b.plug(False)
    b.plug(True)
    b.run_s(5)
    after = b.events()
    assert after[: len(before) - 1] == before[1:]
    assert after[len(before) - 1].number == before[-1].number + 1


# -- clock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_h", [+5, -5])
def test_a_clock_that_jumped_is_followed_and_logged_and_no_energy_hangs_on_it(bench, jump_h):
    # The clock asks once an hour, and when it is started again.
    b = bench(load_w=3000, image=struck.image("clock", "raise"), up_s=10)
    now_us = b.plant.clock.now_us
    b.plant.rtc.set_time(b.plant.rtc.time(now_us) + timedelta(hours=jump_h), now_us)
    b.run_s(180)  # and three looks over a minute must agree
    (set_by,) = [e.value for e in b.events() if e.code == codes.LOG_CLOCK_SET]
    assert abs(set_by - jump_h * 3600) <= 2
    assert 0 <= b.plant.meter_ic.lifetime(0x80) - b.state().import_counts <= 2 * 3000 / COUNT_W_S
    assert sum(b.state().rate_counts) == b.state().import_counts
    assert abs(b.state().utc_s - seconds(b)) <= 1
    assert b.meter.restarts == 0


# -- flash, and what must not be mistaken for a fault ---------------------------------------------


def test_a_document_whose_flash_has_failed_is_refused_by_name(bench):
    image = bytearray(build_image(None, as_files()))
    at = image.index(b'"rates"')
    image[at : at + 64] = bytes(64)
    b = bench(load_w=3000, image=bytes(image))
    b.run_s(10)
    assert "tariff" in "\n".join(b.meter.console)
    assert codes.FAULT_TARIFF in [e.value for e in b.events() if e.code == codes.LOG_FAULT]
    assert b.state().import_counts > 0 and b.meter.restarts == 0


def test_a_card_left_in_for_ten_minutes_is_no_hang(bench):
    b = bench(initial_credit="50.00")
    b.insert("good")
    b.run_s(600)
    assert "Remove card" in b.screen()
    assert codes.LOG_TASK_CRASH not in [e.code for e in b.events()]
