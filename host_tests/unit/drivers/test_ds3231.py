# SPDX-License-Identifier: Apache-2.0
"""The clock driver: a time the part vouches for, or an error that says it does not."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core.errors import BusError, ChipError
from meter.drivers.ds3231 import Ds3231

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips import I2cNak
from scripts.chips.ds3231 import Ds3231Chip

EPOCH = datetime(2000, 1, 1)
NOON = datetime(2026, 11, 20, 12, 0, 0)
FIRST_S = int((datetime(2001, 1, 1) - EPOCH).total_seconds())
LAST_S = int((datetime(2099, 12, 31, 23, 59, 59) - EPOCH).total_seconds())
ADDR = 0x68


def utc_s(when):
    return int((when - EPOCH).total_seconds())


class Bench:
    def __init__(self, when=NOON, **knobs):
        self.vt = VirtualTime()
        self.chip = Ds3231Chip(**knobs)
        self.chip.power_on(0)
        if when is not None:
            self.chip.set_time(when, 0)
        self.i2c = DirectI2C(self.vt, [self.chip])
        self.rtc = Ds3231(self.i2c)

    def put(self, reg, *values):
        self.i2c.writeto_mem(ADDR, reg, bytes(values))

    def get(self, reg):
        buf = bytearray(1)
        self.i2c.readfrom_mem_into(ADDR, reg, buf)
        return buf[0]


def test_a_set_clock_gives_seconds_since_2000():
    assert Bench().rtc.read() == utc_s(NOON)


def test_it_runs():
    bench = Bench()
    bench.vt.advance(86_400_000_000)
    assert bench.rtc.read() == utc_s(NOON) + 86_400


def test_time_and_status_come_in_one_transfer():
    bench = Bench()
    before = bench.i2c.bus.transfers
    bench.rtc.read()
    assert bench.i2c.bus.transfers == before + 1


def test_a_clock_never_set_is_lost():
    with pytest.raises(ChipError, match="clock lost"):
        Bench(when=None).rtc.read()


def test_an_oscillator_stop_is_seen_at_any_read_not_only_at_start():
    bench = Bench()
    bench.rtc.start()
    bench.rtc.read()
    bench.chip.stop_oscillator(bench.vt.now_us)
    with pytest.raises(ChipError, match="clock lost"):
        bench.rtc.read()


@pytest.mark.parametrize(
    ("reg", "value"),
    [
        (0, 0x60), (0, 0x5A), (1, 0x60), (1, 0x0F), (2, 0x24), (2, 0x1F), (2, 0x40), (2, 0x53), (2, 0x33),
        (4, 0x00), (4, 0x31), (4, 0x1B), (5, 0x00), (5, 0x13), (5, 0x0D), (5, 0x0A), (5, 0x93), (6, 0xAA), (6, 0x9F),
    ],
)  # fmt: skip
def test_registers_that_hold_no_date_are_a_lost_clock(reg, value):
    bench = Bench()  # November has no 31st
    bench.put(reg, value)
    with pytest.raises(ChipError, match="clock lost"):
        bench.rtc.read()


def test_the_29th_of_february_is_a_date_in_leap_years_only():
    bench = Bench(datetime(2028, 2, 29, 1, 2, 3))
    assert bench.rtc.read() == utc_s(datetime(2028, 2, 29, 1, 2, 3))
    bench.put(6, 0x27)
    with pytest.raises(ChipError):
        bench.rtc.read()


@pytest.mark.parametrize(
    ("register", "hour"),
    [(0x52, 0), (0x41, 1), (0x49, 9), (0x51, 11), (0x72, 12), (0x61, 13), (0x71, 23), (0x00, 0), (0x23, 23)],
)
def test_hours_are_understood_in_12_and_24_hour_mode(register, hour):
    bench = Bench()
    bench.put(2, register)
    assert bench.rtc.read() == utc_s(NOON.replace(hour=hour))


@settings(max_examples=60, deadline=None)
@given(st.integers(FIRST_S, LAST_S))
def test_every_second_of_the_century_can_be_set_and_read(when):
    bench = Bench(when=None)
    bench.rtc.set(when)
    assert bench.rtc.read() == when
    assert bench.chip.time(bench.vt.now_us) == EPOCH + timedelta(seconds=when)
    assert bench.get(3) == (EPOCH + timedelta(seconds=when)).isoweekday()


def test_the_year_2000_is_no_time():
    """It is what a part without a battery counts from: months and days would begin below zero."""
    bench = Bench()
    bench.put(6, 0)
    with pytest.raises(ChipError):
        bench.rtc.read()


@pytest.mark.parametrize("when", [-1, FIRST_S - 1, LAST_S + 1])
def test_a_time_the_part_cannot_keep_is_refused(when):
    bench = Bench()
    with pytest.raises(ValueError):
        bench.rtc.set(when)
    assert bench.rtc.read() == utc_s(NOON)


def test_set_writes_all_seven_registers_at_once():
    bench = Bench(when=None)
    writes = []
    write = bench.i2c.writeto_mem
    bench.i2c.writeto_mem = lambda addr, reg, buf: writes.append((reg, len(buf))) or write(addr, reg, buf)
    bench.rtc.set(utc_s(NOON))
    assert writes == [(0, 7), (0x0F, 1)]


def test_set_leaves_12_hour_mode():
    bench = Bench()
    bench.put(2, 0x71)
    bench.rtc.set(utc_s(NOON))
    assert bench.get(2) == 0x12


def test_a_clock_set_only_halfway_is_still_lost():
    bench = Bench(when=None)
    write = bench.i2c.writeto_mem

    def cut_after_the_time(addr, reg, buf):
        if reg == 0x0F:
            raise OSError(19)
        write(addr, reg, buf)

    bench.i2c.writeto_mem = cut_after_the_time
    with pytest.raises(BusError):
        bench.rtc.set(utc_s(NOON))
    with pytest.raises(ChipError, match="clock lost"):
        bench.rtc.read()


def test_a_time_that_does_not_stay_is_a_chip_error():
    bench = Bench()
    bench.i2c.writeto_mem = lambda addr, reg, buf: None
    with pytest.raises(ChipError):
        bench.rtc.set(utc_s(NOON) + 3600)


def test_set_leaves_the_other_status_bits_alone():
    bench = Bench(when=None)
    bench.rtc.set(utc_s(NOON))
    assert bench.get(0x0F) == 0x08


def test_start_lets_the_oscillator_run_on_the_battery():
    bench = Bench()
    bench.put(0x0E, 0x80 | 0x03)
    bench.rtc.start()
    assert bench.get(0x0E) & 0x80 == 0 and bench.get(0x0E) & 0x07 == 0x04


def test_start_refuses_a_part_that_does_not_keep_its_setting():
    bench = Bench()
    bench.put(0x0E, 0x80)
    bench.i2c.writeto_mem = lambda addr, reg, buf: None
    with pytest.raises(ChipError):
        bench.rtc.start()


def test_a_silent_part_is_a_bus_error():
    bench = Bench()
    bench.chip.absent = True
    for call in (bench.rtc.read, bench.rtc.start, lambda: bench.rtc.set(FIRST_S)):
        with pytest.raises(BusError):
            call()


# --- the model ---


def test_model_keeps_time_on_its_battery():
    bench = Bench()
    bench.chip.power_off(0)
    with pytest.raises(I2cNak):
        bench.chip.i2c_read(1, 0, 90)
    bench.vt.advance(3600_000_000)
    bench.chip.power_on(bench.vt.now_us)
    assert bench.rtc.read() == utc_s(NOON) + 3600


def test_model_without_battery_forgets_and_raises_the_flag():
    bench = Bench(battery=False)
    assert bench.rtc.read() == utc_s(NOON)
    bench.chip.power_off(bench.vt.now_us)
    bench.chip.power_on(bench.vt.now_us)
    assert bench.get(0x0F) & 0x80
    assert bench.chip.time(bench.vt.now_us).year == 2000


def test_model_stops_on_battery_while_eosc_is_set():
    bench = Bench()
    bench.put(0x0E, 0x9C)
    bench.chip.power_off(bench.vt.now_us)
    bench.vt.advance(3600_000_000)
    bench.chip.power_on(bench.vt.now_us)
    assert bench.get(0x0F) & 0x80
    assert bench.chip.time(bench.vt.now_us) < NOON + timedelta(seconds=2)


@pytest.mark.parametrize("ppm", [-20, 0, 20])
def test_model_drifts_as_told(ppm):
    bench = Bench(drift_ppm=ppm)
    bench.vt.advance(1_000_000 * 1_000_000)
    assert bench.rtc.read() == utc_s(NOON) + 1_000_000 + ppm


def test_model_freezes_the_time_at_start_of_a_read():
    bench = Bench(NOON.replace(minute=59, second=59))
    bench.vt.advance(999_500)  # the second changes between two register bytes
    assert bench.rtc.read() == utc_s(NOON.replace(minute=59, second=59))
    assert bench.rtc.read() == utc_s(NOON.replace(hour=13))


def test_model_registers_read_one_by_one_can_disagree():
    bench = Bench(NOON.replace(minute=59, second=59))
    bench.vt.advance(999_700)
    minute = bench.get(1)
    bench.vt.advance(400)
    assert (minute, bench.get(2)) == (0x59, 0x13)


def test_model_pointer_wraps_after_12h_into_a_fresh_time():
    bench = Bench()
    buf = bytearray(20)
    bench.vt.advance(999_000)  # the second changes while the bytes go by
    bench.i2c.readfrom_mem_into(ADDR, 0, buf)
    assert (buf[0], buf[19]) == (0x00, 0x01)


def test_model_flags_of_the_status_register_can_only_be_cleared():
    bench = Bench()
    bench.put(0x0F, 0x8B)
    assert bench.get(0x0F) == 0x08
    bench.chip.stop_oscillator(bench.vt.now_us)
    bench.put(0x0F, 0x80)
    assert bench.get(0x0F) == 0x80
    bench.put(0x0F, 0x00)
    assert bench.get(0x0F) == 0x00


def test_model_writing_the_seconds_restarts_the_divider():
    bench = Bench()
    bench.vt.advance(900_000)
    bench.put(0, 0x30)
    bench.vt.advance(900_000)
    assert bench.get(0) == 0x30
    bench.vt.advance(110_000)
    assert bench.get(0) == 0x31


@pytest.mark.parametrize("month", [1, 11, 12])
def test_the_century_bit_which_other_firmware_may_have_left_is_ignored(month):
    bench = Bench(datetime(2026, month, 20, 12, 0, 0))
    bench.put(5, bench.get(5) | 0x80)
    assert bench.get(5) & 0x80
    assert bench.rtc.read() == utc_s(datetime(2026, month, 20, 12, 0, 0))
    assert bench.chip.time(bench.vt.now_us) == datetime(2026, month, 20, 12, 0, 0)
    bench.vt.advance(40 * 86_400_000_000)
    assert bench.get(5) & 0x80, "the part keeps it over a month's end"
    assert bench.rtc.read() == utc_s(datetime(2026, month, 20, 12, 0, 0)) + 40 * 86_400


def test_setting_the_time_clears_the_century_bit():
    bench = Bench()
    bench.put(5, bench.get(5) | 0x80)
    bench.rtc.set(utc_s(NOON))
    assert bench.get(5) == 0x11


def test_model_turns_the_century_into_bit_7_of_the_month():
    bench = Bench(datetime(2099, 12, 31, 23, 59, 59))
    bench.vt.advance(1_000_000)
    assert (bench.get(6), bench.get(5)) == (0x00, 0x81)
