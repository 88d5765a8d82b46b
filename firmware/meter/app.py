# SPDX-License-Identifier: Apache-2.0
"""Wiring: which part is on which pin, which task owns which part, and in what order they start.

The display comes up first, so that whatever is wrong can be said. Nothing is booked before the ledger has
been read: until then the metering IC keeps counting in its own registers.
"""

import asyncio
import gc

import board
import machine

from meter.core import codes
from meter.core.errors import BusError, StorageError
from meter.core.state import MeterState
from meter.drivers.atm90e32 import Atm90e32
from meter.drivers.ds3231 import Ds3231
from meter.drivers.fram import Fram
from meter.drivers.hd44780 import Lcd
from meter.drivers.pn532 import Pn532
from meter.drivers.relay import Relay
from meter.services.books import Books
from meter.services.carddesk import CardDesk
from meter.services.clock import Clock
from meter.services.guard import Guard
from meter.services.metering import Metering
from meter.services.panel import Panel
from meter.services.supervisor import Supervisor
from meter.services.tamper import Tamper
from meter.storage.events import EventLog
from meter.storage.ledger import FELL_BACK, Ledger


async def open_ledger(books, supervisor):
    """Wait until the ledger has been read: a FRAM that is silent or holds only damage is retried, not replaced."""
    said = False
    while True:
        try:
            return books.open()
        except (BusError, StorageError) as e:
            books.faults |= codes.FAULT_FRAM
            if not said:
                print("ledger:", e)
                said = True
            supervisor.feed()
            await asyncio.sleep_ms(2000)


async def start(made_with):
    """Wire everything up and start the tasks; gives the supervisor, whose run() keeps them going.

    made_with: what made.read() gave.
    """
    pin = machine.Pin
    i2c = machine.I2C(board.I2C_ID, scl=pin(board.I2C_SCL), sda=pin(board.I2C_SDA), freq=board.I2C_FREQ)
    card_i2c = machine.I2C(
        board.CARD_I2C_ID, scl=pin(board.CARD_SCL), sda=pin(board.CARD_SDA), freq=board.CARD_FREQ
    )
    spi = machine.SPI(
        board.SPI_ID, board.SPI_BAUDRATE, polarity=1, phase=1,
        sck=pin(board.SPI_SCK), mosi=pin(board.SPI_MOSI), miso=pin(board.SPI_MISO),
    )  # fmt: skip
    cfg, tariff, key, faults = made_with
    fram = Fram(i2c, board.FRAM_ADDR)
    books = Books(MeterState(), Ledger(fram), EventLog(fram), cfg, tariff)
    supervisor = Supervisor(books, machine.WDT)
    clock = Clock(Ds3231(i2c), books)
    panel = Panel(
        Lcd(i2c, board.LCD_ADDR),
        books,
        pin(board.BUTTON, pin.IN, pin.PULL_UP),
        pin(board.ALARM_LED, pin.OUT, value=0),
        pin(board.BUZZER, pin.OUT, value=0),
    )
    relay = Relay(
        pin(board.RELAY_OPEN, pin.OUT, value=0),
        pin(board.RELAY_CLOSE, pin.OUT, value=0),
        pin(board.RELAY_SENSE, pin.IN),
        cfg.relay_pulse_ms,
    )
    meter_ic = Atm90e32(spi, pin(board.METER_CS, pin.OUT, value=1), cfg)
    reader = Pn532(card_i2c, pin(board.CARD_IRQ, pin.IN), pin(board.CARD_RESET, pin.OUT, value=1))

    supervisor.start("panel", panel.run)
    supervisor.start("clock", clock.run)
    if await open_ledger(books, supervisor) == FELL_BACK:
        books.log(codes.LOG_LEDGER_FALLBACK)
    books.log(codes.LOG_RESET, machine.reset_cause())
    for bit in (codes.FAULT_SETTINGS, codes.FAULT_TARIFF, codes.FAULT_KEYS):
        if faults & bit:
            books.fault(bit, True)
    gc.collect()
    supervisor.start("guard", Guard(relay, books).run, silence_ms=25_000)
    supervisor.start("metering", Metering(meter_ic, clock, books).run, silence_ms=10_000)
    supervisor.start("carddesk", CardDesk(reader, books, panel, key).run)
    supervisor.start("tamper", Tamper(books, pin(board.COVER, pin.IN), pin(board.MAGNET, pin.IN)).run)
    return supervisor
