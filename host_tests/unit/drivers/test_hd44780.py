# SPDX-License-Identifier: Apache-2.0
"""The display driver: what it shows is what the glass shows, for the fewest bytes, from any state."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core.errors import BusError
from meter.drivers.hd44780.lcd import Lcd

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack

BLANK = (" " * 20,) * 4
HELLO = (
    "Pennywatt           ",
    "EUR           123.45",
    "\x00\x01\x02\x03\x04\x05\x06\x07 glyphs     ",
    "last row, last cell!",
)


class Bench:
    def __init__(self, freq=100_000, powered_for_us=1_000_000):
        self.vt = VirtualTime()
        self.chip = Hd44780Backpack()
        self.chip.power_on(0)
        self.vt.advance(powered_for_us)
        self.i2c = DirectI2C(self.vt, [self.chip], freq)
        self.lcd = Lcd(self.i2c)

    def start(self):
        self.vt.run(self.lcd.start())
        return self

    def show(self, rows):
        """Bytes on the bus and transfers it took."""
        bus = self.i2c.bus
        before = bus.bytes, bus.transfers
        self.lcd.show(rows)
        return bus.bytes - before[0], bus.transfers - before[1]

    def check(self, rows):
        assert self.chip.rows() == list(rows)
        assert self.chip.lost == 0
        assert self.chip.violations == []


def changed(rows, *cells):
    rows = [list(row) for row in rows]
    for row, column in cells:
        rows[row][column] = "#"
    return tuple("".join(row) for row in rows)


def test_start_gives_a_lit_blank_display_that_is_on():
    bench = Bench().start()
    assert bench.chip.display_on and bench.chip.backlight and bench.chip.cursor is None
    bench.check(BLANK)


def test_start_keeps_the_power_on_wait_by_itself():
    bench = Bench(powered_for_us=0).start()
    bench.lcd.show(HELLO)
    bench.check(HELLO)


def test_start_loads_eight_different_glyphs():
    chip = Bench().start().chip
    glyphs = {bytes(chip.cgram[8 * i : 8 * i + 8]) for i in range(8)}
    assert len(glyphs) == 8 and bytes(8) not in glyphs
    assert chip.cgram[8 * 7] == 0b11111
    assert chip.cgram[8 * 6] == 0b11000


def test_show_puts_every_row_where_it_belongs():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    bench.check(HELLO)


@pytest.mark.parametrize("port", [0x00, 0x04, 0x30, 0x34, 0xF4, 0xFF])
@pytest.mark.parametrize("nibbles", [0, 1, 2, 3])
def test_start_brings_back_a_display_that_lost_its_nibble_sync(port, nibbles):
    bench = Bench().start()
    bench.lcd.show(HELLO)
    for _ in range(nibbles):
        bench.i2c.writeto(0x27, bytes([0x0C, 0x08]))
        bench.vt.advance(2_000)
    bench.i2c.writeto(0x27, bytes([port]))
    bench.chip.lost = 0
    bench.chip.violations.clear()
    bench.start()
    assert bench.chip.rows() == list(BLANK)
    bench.lcd.show(HELLO)
    assert bench.chip.rows() == list(HELLO)


def test_start_undoes_an_entry_mode_that_shifts_the_display():
    bench = Bench().start()
    bench.i2c.writeto(0x27, bytes([0x08, 0x0C, 0x08, 0x7C, 0x78]))  # 07H: shift with each character
    bench.vt.advance(1_000)
    bench.start()
    bench.lcd.show(HELLO)
    bench.check(HELLO)


def test_nothing_can_be_shown_while_the_display_is_being_started():
    bench = Bench().start()

    async def show_in_between():
        task = asyncio.create_task(bench.lcd.start())
        await asyncio.sleep_ms(52)
        with pytest.raises(BusError):
            bench.lcd.show(HELLO)
        await task

    bench.vt.run(show_in_between())
    bench.check(BLANK)


def test_start_brings_back_a_display_after_a_brown_out():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    bench.chip.brown_out(bench.vt.now_us)
    assert bench.chip.rows() == list(BLANK)
    bench.start()
    bench.lcd.show(HELLO)
    bench.check(HELLO)


def test_a_display_that_browned_out_after_any_byte_of_a_start_is_whole_after_the_next():
    for after in range(1, 2000):
        bench = Bench().start()
        bench.lcd.show(HELLO)
        bench.chip.dips_after = after
        bench.vt.run(bench.lcd.start(keep=True))
        if bench.chip.dips_after > 0:
            break
        bench.chip.lost = 0
        bench.vt.run(bench.lcd.start(keep=True))
        bench.check(HELLO)
        assert bytes(bench.chip.cgram[:8]) == b"\x02\x04\x08\x1f\x02\x04\x08\x00", "the bolt"
    assert after > 500, "each byte of a start"


def test_a_display_that_browned_out_after_any_byte_of_a_page_is_whole_after_a_start():
    for after in range(1, 1000):
        bench = Bench().start()
        bench.chip.dips_after = after
        bench.lcd.show(HELLO)
        if bench.chip.dips_after > 0:
            break
        bench.chip.lost = 0
        bench.vt.run(bench.lcd.start(keep=True))
        bench.check(HELLO)
        assert bytes(bench.chip.cgram[:8]) == b"\x02\x04\x08\x1f\x02\x04\x08\x00", "the bolt"
    assert after > 200, "each byte of a page"


def test_an_unchanged_display_costs_no_transfer():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    assert bench.show(tuple(HELLO)) == (0, 0)


def test_one_changed_cell_costs_eleven_bytes():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    # I2C address; RS down, two nibbles of address command; RS up, two nibbles of character
    assert bench.show(changed(HELLO, (2, 7))) == (1 + 5 + 5, 1)


def test_a_single_unchanged_cell_is_bridged_and_two_are_not():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    assert bench.show(changed(HELLO, (0, 3), (0, 5))) == (1 + 6 + 4 * 3, 1)
    bench.lcd.show(HELLO)
    assert bench.show(changed(HELLO, (0, 3), (0, 6))) == (1 + 2 * (6 + 4), 1)


def test_spans_of_several_rows_share_a_transfer():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    assert bench.show(changed(HELLO, (0, 0), (1, 19), (3, 10))) == (1 + 3 * 10, 1)


def test_a_whole_new_display_is_sent_in_transfers_of_at_most_12_ms():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    lengths = []
    write = bench.i2c.writeto
    bench.i2c.writeto = lambda addr, buf: lengths.append(len(buf)) or write(addr, buf)
    bench.lcd.show(("#" * 20,) * 4)
    assert len(lengths) == 4
    assert max(lengths) * bench.i2c.bus.byte_us < 12_000


def test_a_missing_display_is_a_bus_error_at_start():
    bench = Bench()
    bench.chip.absent = True
    with pytest.raises(BusError):
        bench.start()
    assert not bench.lcd.ready


def test_after_a_failed_transfer_nothing_is_shown_until_started_anew():
    bench = Bench().start()
    bench.chip.absent = True
    with pytest.raises(BusError):
        bench.lcd.show(HELLO)
    bench.chip.absent = False
    with pytest.raises(BusError):
        bench.lcd.show(HELLO)
    bench.start()
    bench.lcd.show(HELLO)
    bench.check(HELLO)


def test_the_backlight_goes_off_without_touching_the_rows_and_stays_off():
    bench = Bench().start()
    bench.lcd.show(HELLO)
    bench.lcd.backlight(False)
    assert not bench.chip.backlight
    rows = changed(HELLO, (1, 1))
    bench.lcd.show(rows)
    assert not bench.chip.backlight
    bench.check(rows)
    bench.lcd.backlight(True)
    assert bench.chip.backlight
    bench.check(rows)


@pytest.mark.parametrize("row", ["too short", "x" * 21, "caf\u00e9".ljust(20)])
def test_a_row_that_is_not_twenty_ascii_characters_is_refused(row):
    bench = Bench().start()
    with pytest.raises(ValueError):
        bench.lcd.show((row,) * 4)


ROW = st.text(alphabet="\x00\x07 #0123456789aZ", min_size=20, max_size=20)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.lists(st.tuples(ROW, ROW, ROW, ROW), min_size=1, max_size=6),
    freq=st.sampled_from([100_000, 400_000]),
)
def test_whatever_is_shown_after_whatever_the_glass_agrees(frames, freq):
    bench = Bench(freq).start()
    for rows in frames:
        bench.lcd.show(rows)
        bench.check(rows)
