# SPDX-License-Identifier: Apache-2.0
"""Wiring: which part is on which pin, which task owns which part, and in what order they start.

The display comes up first, so that whatever is wrong can be said. Nothing is booked before the ledger has
been read: until then the metering IC keeps counting in its own registers. What can be done without (display,
card desk, profile, watch) is made apart: should that fail, it is reported, and the meter meters.
"""

import asyncio
import gc

import board
import esp
import machine
from micropython import const

from meter import heap, tasks
from meter.books import opening
from meter.books.books import Books
from meter.core import codes
from meter.core.errors import BusError, ChipError, StorageError
from meter.core.state import MeterState
from meter.drivers.fram import Fram
from meter.drivers.relay import Relay
from meter.metering.clock import Clock
from meter.metering.guard import Guard
from meter.metering.metering import Metering
from meter.storage.events import EventLog
from meter.storage.ledger import FELL_BACK, Ledger
from meter.storage.seal import LOST
from meter.upkeep.supervisor import Supervisor

_SEAL_TRIES = const(5)
_FRAM = const(2)  # of what storage() gives


async def open_ledger(books, supervisor, self_test):
    """Wait until the ledger has been read: a FRAM that is silent, holds only damage, or is empty and keeps nothing is
    retried, not replaced.

    self_test: is called after two seconds, in which the parts had the time to come up.
    """
    said = tested = False
    passes = 0
    while True:
        try:
            return opening.read_ledger(books, _keeps(books))
        except (BusError, ChipError, StorageError) as e:
            if not isinstance(e, ChipError):  # that has been said
                books.fault(codes.FAULT_FRAM, True)
            if not said:
                print("ledger:", e)
                said = True
            supervisor.feed()
            await asyncio.sleep_ms(2000)
            passes += 1
            if passes % 30 == 0:
                _waits()
            if not tested:
                tested = True
                self_test()


def _keeps(books):
    """Does the FRAM keep what it acknowledges? A ring on flash reads back by itself. Raises BusError."""
    if not board.FRAM_ADDR:
        return True
    from meter.storage import scratch

    try:
        scratch.prove(books.fram)
        return True
    except ChipError as e:
        print("ledger:", e)
        books.fram_lost(e)
        return False


def _waits():
    heap.borrow("starts")
    try:
        from meter.upkeep import starts

        starts.waits()
    finally:
        heap.give_back("starts")


def storage(i2c):
    """(ledger, event log, FRAM), of whatever this board has."""
    if board.FRAM_ADDR:
        fram = Fram(i2c, board.FRAM_ADDR)
        return Ledger(fram), EventLog(fram), fram
    from esp32 import Partition

    heap.borrow("flash_ledger")  # for good
    from meter.storage import flash_ledger

    rings = Partition.find(1, label="rings")[0]
    return flash_ledger.FlashLedger(rings), flash_ledger.FlashEvents(rings), flash_ledger.NoFram(rings)


async def sealed(fram, cfg, supervisor, fell=0):
    """Let only the calibration that was sealed be in force. Return seal.HELD, OLD, LOST or UNKNOWN.

    A FRAM that is silent is asked again, but not for ever: the ledger has been read, and the metering IC's registers
    hold no more than ten seconds of 3 x 100 A. A board without FRAM has no place for the seal: the documents decide.
    fell: starts that fell before they metered."""
    if not board.FRAM_ADDR:
        cfg.calibrations = None
        return 0
    from meter.storage import seal

    without = _without(fell)
    try:
        for left in range(_SEAL_TRIES - 1, -1, -1):
            try:
                return seal.hold(fram, cfg, without)
            except ChipError as e:
                supervisor.books.fram_lost(e)
                return seal.HELD
            except BusError as e:
                print("calibration:", e)
            if left:
                supervisor.feed()
                await asyncio.sleep_ms(2000)
        # Whatever is there may be somebody else's.
        cfg.calibrated = ()
        return seal.UNKNOWN
    finally:
        cfg.calibrations = None


def _without(fell):
    if not fell:
        return False
    heap.borrow("aside")
    try:
        from meter.documents import aside

        return aside.goes_without(fell, aside.CALIBRATION)
    finally:
        heap.give_back("aside")


def _aside(bits):
    heap.borrow("aside")
    try:
        from meter.documents import aside

        return aside.words(bits)
    finally:
        heap.give_back("aside")


def display(i2c, books, supervisor):
    """The panel, or None."""
    try:
        from meter.drivers.hd44780.lcd import Lcd
        from meter.panel.panel import Panel

        pin = machine.Pin
        panel = Panel(
            Lcd(i2c, board.LCD_ADDR),
            books,
            pin(board.BUTTON, pin.IN, pin.PULL_UP),
            pin(board.ALARM_LED, pin.OUT, value=0),
            pin(board.BUZZER, pin.OUT, value=0),
        )
        tasks.start(supervisor, "panel", panel.run)
        return panel
    except Exception as e:
        supervisor.fell("panel", e)


def card_desk(i2c, books, panel, keys, supervisor):
    try:
        from meter.cards.desk import CardDesk
        from meter.drivers.pn532 import Pn532

        pin = machine.Pin
        reader = Pn532(i2c, pin(board.CARD_IRQ, pin.IN), pin(board.CARD_RESET, pin.OUT, value=1))
        desk = CardDesk(reader, books, panel, keys)
        tasks.start(supervisor, "carddesk", desk.run)
        return desk
    except Exception as e:
        supervisor.fell("carddesk", e)


def watch(books, supervisor):
    try:
        from meter.watch.watcher import Watcher

        pin = machine.Pin
        pulses = None
        if hasattr(machine, "Counter"):
            # ESP-IDF asks for a pull-up on that pin, and says that GPIO 34 to 39 have none: it has one to GND outside.
            esp.osdebug(0, esp.LOG_NONE)
            try:
                pulses = machine.Counter(0, pin(board.METER_CF1, pin.IN))
            finally:
                esp.osdebug(None)
        else:
            print("pulses are not counted: this MicroPython has no machine.Counter, 1.26 has")
        cover = pin(board.COVER, pin.IN)
        clear = pin(board.COVER_CLEAR, pin.OUT, value=0)
        tasks.start(supervisor, "watch", Watcher(books, cover, clear, pin(board.MAGNET, pin.IN), pulses).run)
    except Exception as e:
        supervisor.fell("watch", e)


def profile(books, supervisor):
    try:
        from esp32 import Partition

        from meter.metering.profile import Profile

        tasks.start(supervisor, "profile", Profile(books, Partition.find(1, label="rings")[0]).run)
    except Exception as e:
        supervisor.fell("profile", e)


async def start(self_test, made_with, how=(0, 0, "", 0)):
    """Wire everything up and start the tasks. Return the supervisor, whose run() keeps them going, the panel, the
    bus of display, clock and FRAM, the guard, which is to be started when all is loaded, and the card desk or None.

    self_test: begin.self_test(), should the ledger be long in coming. made_with: what made.read() gave; how: what
    starts.mode() gave.
    """
    from meter.drivers import buses

    pin = machine.Pin
    i2c = buses.i2c()
    card_i2c = buses.card_i2c()
    spi = buses.spi()
    cfg, tariff, later, keys, faults = made_with
    kept_in = storage(i2c)
    fram = kept_in[_FRAM]
    books = Books(MeterState(), kept_in, cfg, tariff, later)
    supervisor = Supervisor(books, machine.WDT, fram)
    safe, safe_s, trouble, fell = how
    books.fault(faults & 0xFFFF, True, _aside(faults >> 16) if faults >> 16 else trouble)
    if safe:
        books.fault(codes.FAULT_SAFE_MODE, True)
        supervisor.lasts = safe_s // 2
    clock = Clock(i2c, books)
    relay = Relay(
        pin(board.RELAY_OPEN, pin.OUT, value=0),
        pin(board.RELAY_CLOSE, pin.OUT, value=0),
        pin(board.RELAY_SENSE, pin.IN),
        machine.Timer(0),
        cfg.relay_pulse_ms,
    )
    meter_cs = pin(board.METER_CS, pin.OUT, value=1)
    pin(board.CARD_RESET, pin.OUT, value=1)

    panel = display(i2c, books, supervisor) if safe < 2 else None
    tasks.start(supervisor, "clock", clock.run)
    meter_ic = board.MeterIc(spi, meter_cs, cfg)
    parts = i2c, meter_ic, card_i2c  # what no task looks at yet
    found = await open_ledger(books, supervisor, lambda: self_test(supervisor, panel, parts))
    odd = await sealed(fram, cfg, supervisor, fell)
    books.log(codes.LOG_RESET, machine.reset_cause())
    if odd and odd <= LOST:
        books.found(codes.LOG_CALIBRATION, 3, odd)
    opening.tell(books, found == FELL_BACK, codes.FAULT_CALIBRATION if odd else 0)
    gc.collect()
    tasks.start(supervisor, "metering", Metering(meter_ic, clock, books).run)
    desk = None
    if not safe:
        profile(books, supervisor)
        watch(books, supervisor)
        if panel:
            desk = card_desk(card_i2c, books, panel, keys, supervisor)
    return supervisor, panel, i2c, Guard(relay, books), desk
