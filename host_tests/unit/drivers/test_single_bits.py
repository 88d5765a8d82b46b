# SPDX-License-Identifier: Apache-2.0
"""Each bit of a transfer wrong in its turn, as the drivers and the ledger meet it. Of the metering ICs' frames: their
drivers' tests; of whole meters: `make faults`."""

from contextlib import suppress

import pytest
from meter.core.errors import BusError
from meter.core.state import MeterState
from meter.drivers.fram import Fram
from meter.drivers.hd44780.lcd import Lcd
from meter.storage import ledger

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.plant.wrong_bits import OnI2c
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack

OLD = ("Credit     EUR 12.34", "Power       1.234 kW", "\x02 put in your card  ", " 12 Jan 2026   08:00")
NEW = ("Credit     EUR 12.33", "Power       2.345 kW", "\x02 put in your card  ", " 12 Jan 2026   08:01")


class Wires:
    """One part on a bus whose bits can be wrong: hit() says which."""

    def __init__(self, part, chip):
        self.clock = VirtualTime()
        chip.power_on(0)
        self.clock.advance(1_000_000)
        self.i2c = DirectI2C(self.clock, [chip])
        self.walk = OnI2c(part, chip.addr, self.clock)
        self.walk.paused = True
        self.i2c.bus.disturb[chip.addr] = self.walk

    def hit(self, bit: int, transfer: int = 0) -> None:
        """n transfers from now, this bit will be wrong."""
        walk = self.walk
        walk.paused = False
        walk.at.clear()
        walk.first = bit
        walk.soon(transfer)


class Display(Wires):
    def __init__(self):
        self.chip = Hd44780Backpack()
        super().__init__("lcd", self.chip)
        self.lcd = Lcd(self.i2c)
        self.start()

    def start(self, keep=False):
        self.clock.run(self.lcd.start(keep))

    def show(self, rows):
        try:
            self.lcd.show(rows)
        except BusError:
            self.start()
            self.lcd.show(rows)

    def right(self, rows):
        chip = self.chip
        return chip.rows() == list(rows) and bytes(chip.cgram) == self.glyphs and chip.backlight and not chip.cursor


def test_whatever_a_wrong_bit_does_to_a_display_the_next_start_that_keeps_mends():
    display = Display()
    display.glyphs = bytes(display.chip.cgram)
    display.show(OLD)
    bus = display.i2c.bus
    before = bus.bytes
    display.show(NEW)
    bits = 8 * (bus.bytes - before)
    wrong = 0
    for bit in range(bits):
        display.show(OLD)
        assert display.right(OLD)
        display.hit(bit)
        display.show(NEW)
        display.walk.paused = True
        wrong += not display.right(NEW)
        display.start(keep=True)
        assert display.right(NEW), bit
    assert wrong > bits // 3


def test_a_wrong_bit_of_a_start_that_keeps_is_mended_by_the_next():
    display = Display()
    display.glyphs = bytes(display.chip.cgram)
    display.show(OLD)
    bus = display.i2c.bus
    before = bus.transfers
    display.start(keep=True)
    for transfer in range(bus.transfers - before):
        for bit in range(transfer % 5, 8 * 129, 17):
            display.hit(bit, transfer)
            try:
                display.start(keep=True)
            except BusError:
                display.start()
                display.show(OLD)
            display.walk.paused = True
            display.start(keep=True)
            assert display.right(OLD), (transfer, bit)


def test_a_start_that_keeps_changes_nothing_for_longer_than_eyes_and_glass_can_follow():
    display = Display()
    display.glyphs = bytes(display.chip.cgram)
    display.show(OLD)
    seen = []
    write, now_ms = display.i2c.writeto, display.clock.ticks_ms
    display.i2c.writeto = lambda addr, buf: (write(addr, buf), seen.append((now_ms(), display.right(OLD))))
    display.start(keep=True)
    wrong = [ms for ms, right in seen if not right]
    # One line instead of two while the length of a transfer is settled; a liquid crystal takes 100 ms.
    assert len(seen) > 8 and seen[-1][1] and wrong[-1] - wrong[0] <= 4
    assert display.chip.lost == 0 and display.chip.violations == []


class Memory(Wires):
    def __init__(self):
        self.chip = Mb85rc256vChip()
        super().__init__("fram", self.chip)
        self.fram = Fram(self.i2c)

    def load(self):
        state = MeterState()
        ledger.Ledger(self.fram).load(state)
        return state


def record(n):
    state = MeterState()
    state.import_counts = 1_000_000 + n
    state.purchase_count = n
    state.credit_micro = 50_000_000 + n
    return state


@pytest.mark.parametrize("first", [4, 5])
def test_a_wrong_bit_in_a_ledger_record_costs_that_record_and_no_other(first):
    memory = Memory()
    kept = ledger.Ledger(memory.fram)
    for n in range(1, first):
        kept.commit(record(n))
    before = bytes(memory.chip.data)
    for bit in range(8 * (3 + ledger.SIZE)):
        memory.chip.data[:] = before
        again = ledger.Ledger(memory.fram)
        again.load(MeterState())
        memory.hit(bit)
        with suppress(BusError):
            again.commit(record(first))
        memory.walk.paused = True
        assert memory.load().purchase_count in (first - 1, first), bit


@pytest.mark.parametrize("newest", [6, 7])
@pytest.mark.parametrize("transfer", [0, 1, 2])
def test_a_wrong_bit_while_the_ledger_is_read_loses_no_record(newest, transfer):
    memory = Memory()
    kept = ledger.Ledger(memory.fram)
    for n in range(1, newest + 1):
        kept.commit(record(n))
    # All bits of addresses and of the record's head, one in seven of the rest.
    for bit in (*range(8 * 16), *range(8 * 16, 8 * (4 + ledger.SIZE_3), 7)):
        memory.hit(bit, transfer)
        try:
            loaded = memory.load()
        except BusError:
            loaded = memory.load()  # at the next tick
        memory.walk.paused = True
        assert loaded.purchase_count == newest, bit
