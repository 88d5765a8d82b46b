# SPDX-License-Identifier: Apache-2.0
"""What the self-test looks at: a row for each part, in the order of the SELFTEST line (selftest.py has its words).

A row is a name, how the part is looked at, and what a person is to look at when it is not there. What a part answers,
drivers/probe.py knows; where it is connected, board.py. Once tasks run, each knows better than a look, and its fault
counts: the bus is its own then.
"""

import board

from meter.core import codes
from meter.core.errors import BusError, ChipError
from meter.core.state import RELAY_UNKNOWN
from meter.drivers import probe

_PROVISION = "`make provision` puts it there"


def table(books, panel, buses, free_kib):
    """Yield (name, state, what to look at) of each part.

    buses: that of display, clock and FRAM; before there are tasks that know, also the metering IC's driver and
    the bus of the card reader. panel: or None. free_kib: of the file system, -1: it does not say.
    """
    i2c = buses[0]
    faults = books.faults
    wires = "SCL %d, SDA %d" % (board.I2C_SCL, board.I2C_SDA)
    yield (
        "meter_ic",
        _metering_ic(buses, faults),
        "check SCK %d, MOSI %d, MISO %d, CS %d, 3.3 V, PM0 and PM1 high"
        % (board.SPI_SCK, board.SPI_MOSI, board.SPI_MISO, board.METER_CS),
    )
    yield (
        "display",
        _found(probe.answers, i2c, board.LCD_ADDR),
        "check 0x%02X on %s, 5 V, address" % (board.LCD_ADDR, wires),
    )
    yield (
        "clock",
        _found(probe.ds3231, i2c),
        "check 0x%02X on %s, battery; then set it" % (probe.DS3231_ADDR, wires),
    )
    yield (
        "fram",
        _fram(i2c, faults),
        "check 0x%02X on %s, 3.3 V, A0 to A2 and WP low" % (board.FRAM_ADDR or 0, wires),
    )
    yield (
        "card",
        _reader(buses, faults, panel),
        "check 0x%02X on SCL %d, SDA %d, 3.3 V, switches on I2C, reset on %d"
        % (probe.PN532_ADDR, board.CARD_SCL, board.CARD_SDA, board.CARD_RESET),
    )
    yield "relay", _relay(books), "check its supply, coils, and sense on %d" % board.RELAY_SENSE
    yield "storage", _storage(faults, free_kib), "write the flash again"
    yield "settings", _document(faults & codes.FAULT_SETTINGS), _PROVISION
    yield "tariff", _document(faults & codes.FAULT_TARIFF), _PROVISION
    yield "keys", _document(faults & codes.FAULT_KEYS), _PROVISION


def _found(look, part, *addr):
    """The word for what a look at a part comes to."""
    try:
        look(part, *addr)
    except BusError:
        return "missing"
    except ChipError:
        return "unset"
    return "ok"


def _unless(fault):
    return "missing" if fault else "ok"


def _metering_ic(buses, faults):
    if len(buses) > 1:
        return _found(probe.metering_ic, buses[1])
    return _unless(faults & codes.FAULT_METER_IC)


def _fram(i2c, faults):
    if not board.FRAM_ADDR:
        return "off"
    state = _found(probe.answers, i2c, board.FRAM_ADDR)
    if state == "ok" and faults & (codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS):
        return "fault"
    return state


def _reader(buses, faults, panel):
    if faults & codes.FAULT_SAFE_MODE or not panel:
        return "off"
    return _found(probe.pn532, buses[2]) if len(buses) > 1 else _unless(faults & codes.FAULT_CARD_READER)


def _relay(books):
    # Not seen where it should be until now: the guard still tries.
    if books.faults & codes.FAULT_RELAY or (books.ready and books.s.relay_closed == RELAY_UNKNOWN):
        return "fault"
    return "closed" if books.s.relay_closed == 1 else "open"  # as the guard has sensed it


def _storage(faults, free_kib):
    from esp32 import Partition

    if free_kib < 0:
        return "fault"
    if not Partition.find(1, label="rings"):
        return "missing"
    # Without FRAM the ledger is there, too.
    faulty = codes.FAULT_FLASH if board.FRAM_ADDR else codes.FAULT_FLASH | codes.FAULT_FRAM
    return "fault" if faults & faulty else "ok"


def _document(fault):
    return "none" if fault else "ok"
