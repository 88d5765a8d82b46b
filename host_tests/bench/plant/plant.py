# SPDX-License-Identifier: Apache-2.0
"""The plant: chips, wires, house and clock, as the meter's microcontroller meets them.

`serve()` carries out one request of the link (port/ops.py) against the chip models and moves virtual time
by what the transfer takes. The same plant serves a MicroPython process over shared memory (process.py) and
firmware running in this interpreter (local.py).
"""

import importlib
from datetime import datetime, timedelta

from host_tests.bench.plant import costs as tables
from host_tests.bench.plant.direct import I2cBus
from host_tests.bench.plant.flash import NorFlash
from host_tests.bench.plant.house import House
from host_tests.bench.port import ops
from host_tests.bench.run.wire import Link
from scripts.chips.ds3231 import Ds3231Chip
from scripts.chips.latching_relay import LatchingRelay
from scripts.chips.mb85rc256v import Mb85rc256vChip
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack
from scripts.chips.pn532 import Pn532Chip

PINS = 40
EPOCH = datetime(2000, 1, 1)


def _metering_chip(board):
    """The model of the IC whose driver the board names: meter.drivers.x.ic.Y is answered by scripts.chips.x.YChip."""
    driver = board.MeterIc
    chips = importlib.import_module(f"scripts.chips.{driver.__module__.split('.')[2]}")
    return getattr(chips, driver.__name__ + "Chip")()


class Plant(Link):
    def __init__(self, clock, board, flash: NorFlash | None = None, *, utc_s: int = 0, costs=tables.ESP32):
        self.clock = clock
        self.costs = costs
        self._spend_us = costs.by_operation()
        self._booting = True
        self._read = 0  # registers of the metering IC, and nothing was done since
        self._garbage = 0
        self._turned_us = clock.now_us  # when a task was chosen last
        self.held_us = 0  # the longest that one task kept the others waiting
        self.unfed_us = 0  # the longest that the watchdog went hungry
        self.board = board
        self.flash = flash or NorFlash()
        self.buf = bytearray(ops.SIZE)
        self.level = [0] * PINS
        self.on_output = [None] * PINS
        self.irq_trigger = [0] * PINS
        self.stuck = {}  # input pin -> fn() that gives what is read in place of its level
        self.pending = []
        self.timers = {}  # number -> (when it is due, period in us or 0 for one shot)
        self.on_timer = None  # fn(), when the time of one has come
        self.cpu_mhz = 160
        self.sleep_until_us = None
        self._asleep_until_us = None  # as long as a timer's callback runs in the middle of a sleep
        self.interruptible = False
        self.wdt_ms = 0
        self.wdt_fed_us = 0
        self.operations = 0  # everything that can be cut: bus transfers, flash operations, pin changes
        self.meter_ic = _metering_chip(board)
        self.lcd = Hd44780Backpack(board.LCD_ADDR)
        self.rtc = Ds3231Chip()
        self.fram = Mb85rc256vChip(board.FRAM_ADDR or 0x50)
        self.fram.absent = not board.FRAM_ADDR
        self.relay = LatchingRelay(clock.at, self._contact, self._sense, closed=True)
        self.reader = Pn532Chip(clock.at, lambda level: self.set_input(board.CARD_IRQ, level))
        self.house = House(clock, self.meter_ic, self.relay)
        self.rtc.set_time(EPOCH + timedelta(seconds=utc_s), clock.now_us)
        self._spi_device = {board.METER_CS: self.meter_ic}
        self._spi_selected = None
        self._spi_mode = 0
        self._spi_baud = 500_000
        self.buses = [
            I2cBus(clock, [self.lcd, self.rtc, self.fram], board.I2C_FREQ),
            I2cBus(clock, [self.reader], board.CARD_FREQ),
        ]
        self._soft_buses = {board.I2C_SCL: 0, board.CARD_SCL: 1}
        self._nobody = I2cBus(clock, [], board.I2C_FREQ)
        self.spi_frames = 0
        self.cover_open = self._cover_latched = False
        self._wire()

    def _wire(self):
        b = self.board
        out = self.on_output
        out[b.METER_CS] = self._chip_select
        out[b.RELAY_OPEN] = lambda level: self.relay.open_coil(level, self.clock.now_us)
        out[b.RELAY_CLOSE] = lambda level: self.relay.close_coil(level, self.clock.now_us)
        out[b.CARD_RESET] = lambda level: self.reader.reset_pin(level, self.clock.now_us)
        out[b.COVER_CLEAR] = self._clear_cover

    def _chip_select(self, level):
        device = self.meter_ic
        if level:
            device.spi_deselect(self.clock.now_us)
            self._spi_selected = None
        else:
            device.spi_select(self.clock.now_us)
            self._spi_selected = device

    def _sense(self, level):
        self.set_input(self.board.RELAY_SENSE, level)

    def cover(self, is_open: bool) -> None:
        """The cover comes off, or back on. The latch behind its switch has a battery: it needs no power."""
        self.cover_open = is_open
        self._cover_latched = self._cover_latched or is_open
        self.set_input(self.board.COVER, int(is_open or self._cover_latched))

    def _clear_cover(self, level):
        if level:
            self._cover_latched = self.cover_open
            self.set_input(self.board.COVER, int(self.cover_open))

    def _contact(self, closed, now_us):
        self.house.contact(closed, now_us)

    # -- power ------------------------------------------------------------------------------------

    def chips(self):
        return (self.meter_ic, self.lcd, self.rtc, self.fram, self.reader)

    def power_on(self):
        self.buf[ops.RTC_AT : ops.RTC_AT + 2] = bytes(2)  # its memory lives on the chip's own supply
        self.reset_pins()
        for chip in self.chips():
            chip.power_on(self.clock.now_us)
        self.house.refresh()

    def power_off(self):
        for chip in self.chips():
            chip.power_off(self.clock.now_us)
        self.reset_pins()

    def reset_pins(self):
        """The microcontroller restarts: its outputs float, its interrupts are gone, coils fall off."""
        b = self.board
        for pin in range(PINS):
            self.irq_trigger[pin] = 0
        for pin in (b.RELAY_OPEN, b.RELAY_CLOSE, b.ALARM_LED, b.BUZZER):
            self._drive(pin, 0)
        for pin in (b.METER_CS, b.CARD_RESET):
            self._drive(pin, 1)
        self.level[b.BUTTON] = 1
        self.level[b.RELAY_SENSE] = self.relay.sense_level
        self.pending.clear()
        self.timers.clear()
        self.cpu_mhz = 160
        self.sleep_until_us = None
        self._booting = True
        self._read = self._garbage = 0
        self.wdt_ms = 0
        self.buf[0] = self.buf[1] = self.buf[2] = self.buf[5] = 0
        self._stamp()

    # -- lines ------------------------------------------------------------------------------------

    def _drive(self, pin, level):
        if self.level[pin] != level:
            self.level[pin] = level
            fn = self.on_output[pin]
            if fn is not None:
                fn(level)

    def set_input(self, pin: int, level: int) -> None:
        """The world drives an input; an edge the firmware armed becomes a pending interrupt."""
        if self.level[pin] == level:
            return
        self.level[pin] = level
        if self.irq_trigger[pin] & (1 if level else 2) and pin not in self.pending:
            self.pending.append(pin)

    def _set_timer(self, number, period_ms, periodic):
        self.buf[5] &= ~(1 << number) & 0xFF
        if not period_ms:
            self.timers.pop(number, None)
            return
        due_us = self.clock.now_us + period_ms * 1000
        self.timers[number] = timer = (due_us, period_ms * 1000 if periodic else 0)
        self.clock.at(due_us, lambda t: self._timer_due(number, timer))

    def _timer_due(self, number, timer):
        if self.timers.get(number) is not timer:
            return  # set again, stopped, or gone with a reset
        self.buf[5] |= 1 << number
        due_us, period_us = timer
        if period_us:
            self.timers[number] = timer = (due_us + period_us, period_us)
            self.clock.at(due_us + period_us, lambda t: self._timer_due(number, timer))
        else:
            del self.timers[number]
        if self.on_timer is not None:
            self.on_timer()
