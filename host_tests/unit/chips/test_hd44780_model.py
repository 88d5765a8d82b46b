# SPDX-License-Identifier: Apache-2.0
"""The display model: the rules a driver can break."""

import pytest

from scripts.chips import I2cNak
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack

BL, E, RS, RW = 0x08, 0x04, 0x01, 0x02
BLANK = [" " * 20] * 4


class Wires:
    """Somebody who wiggles the port pins, with 90 us a byte."""

    def __init__(self):
        self.chip = Hd44780Backpack()
        self.chip.power_on(0)
        self.now_us = 50_000
        self.port(0xFB, BL)

    def port(self, *values):
        self.chip.i2c_write(bytes(values), self.now_us, 90)
        self.now_us += 90 * (1 + len(values))

    def nibble(self, value, rs=0):
        base = value << 4 | BL | rs
        self.port(BL | rs, base | E, base)

    def byte(self, value, rs=0):
        self.nibble(value >> 4, rs)
        self.nibble(value & 0xF, rs)

    def wait(self, us):
        self.now_us += us

    def wake(self):
        for wait_us in (5_000, 200, 100):
            self.nibble(3)
            self.wait(wait_us)
        self.nibble(2)
        return self

    def on(self):
        self.wake()
        self.byte(0x28)
        self.byte(0x0C)
        return self

    def text(self, text):
        for ch in text:
            self.byte(ord(ch), RS)


def line(text):
    return text.ljust(20)


def test_nothing_is_understood_before_the_wake_up_sequence():
    w = Wires()
    w.nibble(2)
    w.byte(0x28)
    w.byte(0x0C)
    w.text("lost")
    assert w.chip.rows() == BLANK and not w.chip.display_on and w.chip.lost


def test_a_wake_up_without_the_first_wait_fails():
    w = Wires()
    for wait_us in (3_000, 200, 100):
        w.nibble(3)
        w.wait(wait_us)
    w.nibble(2)
    for command in (0x28, 0x0C):
        w.byte(command)
    assert w.chip.lost and not w.chip.display_on


def test_the_first_15_ms_after_power_on_are_deaf():
    w = Wires()
    w.chip.power_off(w.now_us)
    w.chip.power_on(w.now_us)
    w.wait(14_000)
    w.port(0xFB, BL)
    w.nibble(3)
    assert w.chip.lost == 1


def test_a_woken_display_shows_text_and_wraps_from_row_0_to_row_2():
    w = Wires().on()
    w.text("0123456789abcdefghijXYZ")
    assert w.chip.rows() == ["0123456789abcdefghij", line(""), line("XYZ"), line("")]


def test_the_second_half_of_memory_is_rows_1_and_3():
    w = Wires().on()
    w.byte(0x80 | 0x40)
    w.text("0123456789abcdefghijXYZ")
    assert w.chip.rows() == [line(""), "0123456789abcdefghij", line(""), line("XYZ")]


def test_one_line_mode_leaves_rows_1_and_3_dark():
    w = Wires().on()
    w.byte(0x80 | 0x40)
    w.text("hidden")
    w.byte(0x20)
    assert w.chip.rows()[1] == line("")


def test_a_command_during_clear_is_lost_and_costs_the_sync():
    w = Wires().on()
    w.byte(0x01)
    w.wait(1_000)
    w.nibble(0x4, RS)
    assert w.chip.lost == 1
    w.wait(1_000)
    w.nibble(0x1, RS)  # meant as low half of "A", taken as high half
    w.byte(0x42, RS)
    assert w.chip.rows()[0] != line("AB")


def test_clear_blanks_and_goes_home():
    w = Wires().on()
    w.text("gone")
    w.byte(0x01)
    w.wait(1_600)
    w.text("A")
    assert w.chip.rows()[0] == line("A")


def test_a_faster_bus_than_37_us_a_nibble_pair_loses_commands():
    w = Wires().on()
    base = w.now_us
    for i, half in enumerate((0x80, 0x00, 0x80, 0x00)):
        w.chip.i2c_write(bytes([half | BL | E, half | BL]), base + 10 * i, 3)
    assert w.chip.lost


def test_rs_may_not_change_with_e_rising():
    w = Wires().on()
    w.port(BL, 0x40 | BL | RS | E, 0x40 | BL | RS)
    assert len(w.chip.violations) == 1


def test_data_may_not_change_with_e_falling():
    w = Wires().on()
    w.port(BL, 0x40 | BL | E, BL)
    assert len(w.chip.violations) == 1


def test_r_w_may_not_change_with_e_falling_even_at_the_end_of_a_read():
    w = Wires().on()
    w.port(BL | RW, BL | RW | E, BL)
    assert len(w.chip.violations) == 1


def test_display_off_keeps_the_text():
    w = Wires().on()
    w.text("still here")
    w.byte(0x08)
    assert w.chip.rows() == BLANK
    w.byte(0x0C)
    assert w.chip.rows()[0] == line("still here")


def test_glyph_rows_go_to_cgram_and_show_under_both_codes():
    w = Wires().on()
    w.byte(0x40 | 3 << 3)
    for row in range(8):
        w.byte(0xE0 | row, RS)
    assert bytes(w.chip.cgram[24:32]) == bytes(range(8))
    w.byte(0x80)
    w.text("\x03\x0b")
    assert w.chip.rows()[0][:2] == "\x03\x03"
    assert w.chip.cells()[0][:2] == b"\x03\x0b"


def test_the_cursor_is_where_the_next_character_goes():
    w = Wires().on()
    w.byte(0x0E)
    w.byte(0x80 | 0x54 + 5)
    assert w.chip.cursor == (3, 5)


def test_the_display_can_be_read_busy_flag_address_and_text():
    w = Wires().on()
    w.text("Q")
    w.port(0xF0 | BL | RW, 0xF0 | BL | RW | E)
    high = w.chip.i2c_read(1, w.now_us, 90)[0] >> 4
    w.port(0xF0 | BL | RW, 0xF0 | BL | RW | E)
    low = w.chip.i2c_read(1, w.now_us, 90)[0] >> 4
    w.port(0xF0 | BL | RW, BL)
    assert (high << 4 | low) == 1  # not busy, address 1
    assert w.chip.violations == []


def test_power_off_forgets_text_sync_and_light():
    w = Wires().on()
    w.text("gone")
    w.chip.power_off(w.now_us)
    assert w.chip.rows() == BLANK and not w.chip.backlight
    with pytest.raises(I2cNak):
        w.port(BL)
    w.chip.power_on(w.now_us)
    w.wait(50_000)
    w.byte(0x0C)
    assert w.chip.rows() == BLANK and not w.chip.display_on
