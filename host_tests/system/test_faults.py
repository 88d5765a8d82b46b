# SPDX-License-Identifier: Apache-2.0
"""Parts that are missing, wrong or disturbed: named, survived, and mended without losing what was counted."""

import json

from meter.core import codes

from host_tests.bench.documents import tariff


def pages(bench, seconds=60):
    """Everything the display shows in this time."""
    seen = set()
    for _ in range(int(seconds / 2)):
        bench.run_s(2)
        seen.add(bench.screen())
    return " | ".join(seen)


def logged(bench, code):
    return [e.value for e in bench.events() if e.code == code]


def test_a_missing_metering_ic_is_named_and_retried(bench):
    b = bench(load_w=3000)
    b.fault("atm90e32", "absent")
    assert "Meter chip fault" in pages(b)
    assert codes.FAULT_METER_IC in logged(b, codes.LOG_FAULT)
    counts = b.state().import_counts
    b.fault("atm90e32", "none")
    b.run_s(40)
    assert codes.FAULT_METER_IC in logged(b, codes.LOG_FAULT_CLEARED)
    # The IC kept counting while nobody could read it.
    assert b.state().import_counts - counts > 90 * 3000 / 11.25


def test_an_upset_configuration_is_found_by_its_crc_and_mended(bench):
    b = bench(load_w=3000)
    b.fault("atm90e32", "upset")
    b.run_s(10)
    assert codes.FAULT_METER_IC in logged(b, codes.LOG_FAULT)
    assert codes.FAULT_METER_IC in logged(b, codes.LOG_FAULT_CLEARED)


def test_noise_on_the_wires_loses_and_invents_no_energy(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    b.fault("atm90e32", "noise")
    b.run_s(1800)
    b.fault("atm90e32", "none")
    b.run_s(60)
    # Right after a commit, only what flowed while it was made is not in it.
    before = b.state().import_counts
    while b.state().import_counts == before:
        b.run_s(0.02)
    counted = b.state().import_counts
    flowed = b.plant.meter_ic.lifetime(0x80)
    assert abs(flowed - counted) <= 3000 / 11.25 / 4, (flowed, counted)


def test_a_stopped_clock_meters_on_at_the_fallback_rate_and_says_so(bench):
    b = bench(load_w=3000)
    before = b.state()
    b.fault("rtc", "stopped")
    b.plug(False)
    b.plug(True)
    b.run_s(5)
    assert "Set clock" in pages(b)
    after = b.state()
    assert after.import_counts > before.import_counts
    assert after.rate_counts[1] > 0, "the fallback rate is 'day'"
    assert codes.FAULT_CLOCK in logged(b, codes.LOG_FAULT)


def test_a_missing_display_stops_nothing_and_is_used_when_it_comes_back(bench):
    b = bench(load_w=3000)
    b.fault("lcd", "absent")
    counts = b.state().import_counts
    b.run_s(60)
    assert b.state().import_counts - counts > 58 * 3000 / 11.25
    b.fault("lcd", "none")
    b.run_s(30)
    assert b.screen().strip()


def test_energy_counted_while_the_fram_is_silent_is_committed_when_it_answers(bench):
    b = bench(load_w=3000)
    counts = b.state().import_counts
    b.fault("fram", "absent")
    b.run_s(60)
    assert b.state().import_counts == counts
    assert "Memory fault" in pages(b)
    b.fault("fram", "none")
    b.run_s(3)
    assert b.state().import_counts - counts > 120 * 3000 / 11.25


def test_a_fram_silent_at_start_is_waited_for_not_replaced_by_zeros(bench):
    b = bench(load_w=3000, initial_credit="12.00")
    b.run_s(60)
    before = b.state()
    b.plug(False)
    b.fault("fram", "absent")
    b.plug(True)
    b.run_s(30)
    assert "Memory fault" in b.screen()
    b.fault("fram", "none")
    b.run_s(10)
    after = b.state()
    assert after.import_counts > before.import_counts
    assert after.credit_micro < before.credit_micro
    assert after.boots == before.boots + 1


def test_a_bad_tariff_is_named_and_energy_is_counted_without_price(bench):
    doc = tariff()
    doc["days"]["weekend"][0][0] = "00:30"
    b = bench(load_w=3000, files={"tariff.json": json.dumps(doc).encode()})
    assert "tariff: days.weekend[0]" in "\n".join(b.meter.console)
    assert "Tariff refused" in pages(b)
    assert b.state().import_counts > 0
    assert b.state().credit_micro == 12_000_000


def test_damaged_settings_are_named_and_the_meter_meters(bench):
    b = bench(load_w=3000, files={"settings.json": b'{"meter_number": "PW00000001", "alarm'})
    assert "settings.json: this is not JSON" in "\n".join(b.meter.console)
    b.plant.house.bridge(True)  # without settings there is no credit, and supply is off
    b.run_s(5)
    assert b.state().import_counts > 0


def test_one_ledger_copy_damaged_falls_back_and_reports(bench):
    b = bench(load_w=3000)
    b.plug(False)
    before = b.state()
    newest = 0x0400 if b.plant.fram.data[4] & 1 else 0x0000
    b.plant.fram.flip_bit(newest + 30, 2)
    b.plug(True)
    b.run_s(10)
    assert codes.LOG_LEDGER_FALLBACK in [e.code for e in b.events()]
    assert b.state().import_counts >= before.import_counts - 2 * 3000 / 11.25


def test_a_hanging_firmware_is_bitten_by_the_watchdog_and_comes_back(bench):
    b = bench(load_w=3000)
    before = b.state()
    b.meter.freeze()
    b.run_s(60)
    assert b.meter.wdt_bites == 1
    assert b.state().boots == before.boots + 1
    assert b.state().import_counts > before.import_counts


def test_cover_and_magnet_are_logged_once_each_way(bench):
    b = bench()
    for sense, on, off in (
        (b.plant.cover, codes.LOG_COVER_OPEN, codes.LOG_COVER_CLOSED),
        (lambda near: b.plant.set_input(b.board.MAGNET, int(near)), codes.LOG_MAGNET_ON, codes.LOG_MAGNET_OFF),
    ):
        sense(True)
        b.run_s(6)
        sense(False)
        b.run_s(11)  # a look to clear the cover's latch, and one to see that it is closed
        assert [e.code for e in b.events()][-2:] == [on, off]


def test_scattered_naks_lose_no_energy_and_no_purchase(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    b.plant.reader.nak_rate = 0.05
    for n in range(60):
        b.plant.fram.nak_next = 1 + n % 3
        b.plant.lcd.absent = n % 7 == 0
        b.plant.rtc.absent = n % 5 == 0
        if n == 20:
            b.insert("good")
        if n == 30:
            b.insert(None)
        b.run_s(7)
    b.plant.lcd.absent = b.plant.rtc.absent = False
    b.plant.reader.nak_rate = 0
    b.run_s(30)
    # Whether or not the disturbed visit could be booked, one more makes it exactly one purchase.
    b.insert("good")
    b.run_s(3)
    s = b.state()
    while s.import_counts == b.state().import_counts:
        b.run_s(0.01)  # a tick that has been read may not have been booked yet
    s = b.state()
    assert 0 <= b.plant.meter_ic.lifetime(0x80) - s.import_counts <= 3000 / 11.25 + 1
    assert s.purchase_count == 1 and s.purchased_micro == 20_000_000
    assert b.meter.restarts == 0
