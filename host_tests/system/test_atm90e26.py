# SPDX-License-Identifier: Apache-2.0
"""The whole meter with the other metering IC: what the ledger has is what the part has counted."""

import pytest
from meter.core import codes

from scripts.bundle import slot_modules
from scripts.image.image import collect

BOARD = "esp32_atm90e26"
AP, AN, AT, RP = 0x40, 0x41, 0x42, 0x43
STEP = 10  # counts of 0.01 pulse in a step of the part's registers
TICK_COUNTS = 3000 / 11.25  # at 3 kW


def counted(b, addr):
    """What the part has counted so far, in counts."""
    chip = b.plant.meter_ic
    chip.advance(b.plant.clock.now_us)
    return chip.lifetime(addr)


def test_the_image_has_the_boards_driver_and_not_the_others():
    assert "meter.drivers.atm90e26.start" in slot_modules(BOARD)
    assert not [name for name in slot_modules(BOARD) if "atm90e32" in name]
    assert b"PM1/PM0" not in collect({}, BOARD)["a/meter/__init__.mpy"]  # what the other's check() says
    assert not [name for name in slot_modules() if "atm90e26" in name]


def test_ten_minutes_at_3_kw_are_booked_as_counted(bench):
    b = bench(load_w=3000, board=BOARD, initial_credit="50.00")
    b.run_s(600)
    s = b.state()
    assert s.import_counts > 598 * TICK_COUNTS
    assert 0 <= counted(b, AP) - s.import_counts <= 2 * TICK_COUNTS
    assert s.import_counts % STEP == 0
    assert s.export_counts == 0
    assert not [line for line in b.meter.console if "metering IC" in line]


def test_both_directions_and_reactive_energy_are_booked(bench):
    b = bench(load_w=0, board=BOARD)
    b.plant.house.set_load(0, -3_000_000, 1_500_000)
    b.run_s(120)
    s = b.state()
    assert 0 <= counted(b, AN) - s.export_counts <= 2 * TICK_COUNTS
    assert 0 <= counted(b, RP) - s.q_import_counts <= TICK_COUNTS
    assert s.export_counts > 115 * TICK_COUNTS
    assert s.import_counts == 0


def test_noise_on_the_wires_brings_no_energy_that_was_not_there(bench):
    b = bench(load_w=3000, board=BOARD, initial_credit="50.00")
    b.run_s(30)
    b.plant.meter_ic.noise = 1e-4
    b.run_s(600)
    b.plant.meter_ic.noise = 0
    b.run_s(10)
    s = b.state()
    lost = counted(b, AP) - s.import_counts
    assert -2 * STEP <= lost <= 2 * TICK_COUNTS + 5 * STEP
    assert s.export_counts <= 5 * STEP
    assert b.meter.restarts == 0


@pytest.mark.parametrize("mode", ["absent", "upset", "wedged"])
def test_a_fault_of_the_part_is_said_and_ends_with_it(bench, mode):
    b = bench(load_w=3000, board=BOARD, initial_credit="50.00")
    b.run_s(10)
    b.plant.meter_ic.absent = mode in ("absent", "wedged")
    b.plant.meter_ic.open_miso = 0 if mode == "wedged" else 0xFF
    if mode == "upset":
        b.plant.meter_ic.corrupt(0x23, 0x0400)
    b.run_s(5)
    b.plant.meter_ic.absent = False
    b.run_s(30)
    said = [e.code for e in b.events()]
    assert codes.LOG_FAULT in said
    assert [line for line in b.meter.console if "metering IC" in line]
    before = b.state().import_counts
    b.run_s(60)
    assert b.state().import_counts - before == pytest.approx(60 * TICK_COUNTS, abs=2 * TICK_COUNTS)


def test_a_power_cut_loses_what_was_not_yet_read_and_no_more(bench):
    b = bench(load_w=3000, board=BOARD, initial_credit="50.00")
    b.run_s(20)
    booked, flowed = b.state().import_counts, counted(b, AP)
    b.plug(False)
    assert 0 <= flowed - booked <= 2 * TICK_COUNTS
    b.plug(True)
    b.run_s(20)
    assert 0 <= b.state().import_counts - booked - 15 * TICK_COUNTS <= 5 * TICK_COUNTS
