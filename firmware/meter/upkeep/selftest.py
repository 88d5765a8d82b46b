# SPDX-License-Identifier: Apache-2.0
"""The self-test at start: each part found or not, on the console, and on the display when there is one.

One line a part, with what to look at; then one line for programs:
    SELFTEST board=esp32_devkit version=0.6.0 slot=a micropython=1.28.0 reset=power meter_ic=ok display=missing
    clock=unset fram=ok card=ok relay=open storage=ok settings=ok tariff=ok keys=none heap=36234 idf_free=82016
    idf_largest=53248 result=fail
Each value is one word. A part is ok, missing (it does not answer, or not as it should), or off (this board has none, or
nobody looks at it, as in safe mode); the clock may be unset; the FRAM is fault when it answers and holds no ledger that
can be read, or does not keep what is written to it; the relay is open, closed or fault; storage may be fault; a
document is ok or none, refused ones too.
heap: bytes free in MicroPython's own heap; idf_free, idf_largest: what ESP-IDF has beside it, and its largest piece.
result=ok: nothing is missing, unset, none or fault. It decides nothing: every part is started by its own driver, and
tried again for ever.
"""

import gc
import os
import sys
import time

import board
import machine
from micropython import const

from meter.core import codes
from meter.core.state import RELAY_UNKNOWN

_CLOCK = const(0x68)
_CLOCK_STATUS = const(0x0F)
_STOPPED = const(0x80)
_READER = const(0x24)
_WAKE_MS = const(6)
_SAID_MS = const(900)
_SAID_WRONG_MS = const(4000)
_ROW = const(20)  # characters of the display
_PROVISION = "`make provision` puts it there"
_GOOD = ("ok", "off", "open", "closed")
_RESETS = ("?", "power", "hard", "watchdog", "deepsleep", "soft")


def run(books, panel, parts) -> None:
    """Say what is there. parts: the bus of display, clock and FRAM; before there are tasks that know, also what leads
    to the metering IC (SPI, chip select) and the bus of the card reader. panel: or None."""
    i2c = parts[0]
    faults = books.faults
    wires = "SCL %d, SDA %d" % (board.I2C_SCL, board.I2C_SDA)
    if faults & codes.FAULT_SAFE_MODE or not panel:
        reader = "off"
    elif len(parts) > 1:
        reader = _reader(parts[3])
    else:
        reader = _unless(faults & codes.FAULT_CARD_READER)
    if len(parts) > 1:
        metering_ic = _metering_ic(parts[1], parts[2])
    else:
        metering_ic = _unless(faults & codes.FAULT_METER_IC)
    fram = "off"
    if board.FRAM_ADDR:
        fram = _answers(i2c, board.FRAM_ADDR)
        if fram == "ok" and faults & (codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS):
            fram = "fault"
    storage, free_kib = _storage(faults)
    if free_kib:
        print("selftest: %d KiB of flash are free" % free_kib)
    line = "SELFTEST board=%s version=%s slot=%s micropython=%s reset=%s" % (
        board.NAME, _version(), sys.path[-1][1:], ".".join([str(n) for n in sys.implementation.version[:3]]),
        _RESETS[machine.reset_cause()],
    )  # fmt: skip
    wrong = []
    line += _said("meter_ic", metering_ic, wrong, "check SCK %d, MOSI %d, MISO %d, CS %d, 3.3 V, PM0 and PM1 high"
                  % (board.SPI_SCK, board.SPI_MOSI, board.SPI_MISO, board.METER_CS))  # fmt: skip
    line += _said("display", _answers(i2c, board.LCD_ADDR), wrong, "check 0x%02X on %s, 5 V, address"
                  % (board.LCD_ADDR, wires))  # fmt: skip
    line += _said("clock", _clock(i2c), wrong, "check 0x68 on %s, battery; then set it" % wires)
    line += _said("fram", fram, wrong, "check 0x%02X on %s, 3.3 V, A0 to A2 and WP low" % (board.FRAM_ADDR or 0, wires))
    line += _said("card", reader, wrong, "check 0x24 on SCL %d, SDA %d, 3.3 V, switches on I2C, reset on %d"
                  % (board.CARD_SCL, board.CARD_SDA, board.CARD_RESET))  # fmt: skip
    line += _said("relay", _relay(books), wrong, "check its supply, coils, and sense on %d" % board.RELAY_SENSE)
    line += _said("storage", storage, wrong, "write the flash anew")
    line += _said("settings", _document(faults & codes.FAULT_SETTINGS), wrong, _PROVISION)
    line += _said("tariff", _document(faults & codes.FAULT_TARIFF), wrong, _PROVISION)
    line += _said("keys", _document(faults & codes.FAULT_KEYS), wrong, _PROVISION)
    from meter.upkeep.status import own_free

    gc.collect()
    line += " heap=%d idf_free=%d idf_largest=%d" % own_free()
    print("%s result=%s" % (line, "fail" if wrong else "ok"))
    if panel and not panel.said:  # what becomes of a card is told once
        names = ["", ""]
        for name in wrong:
            names[len(names[0]) + len(name) > _ROW] += name + " "
        panel.say(
            ("Pennywatt " + _version(), "Self-test: look at" if wrong else "Self-test: ok", names[0], names[1]),
            _SAID_WRONG_MS if wrong else _SAID_MS,
        )


def _said(name, state, wrong, hint):
    """Say it; gives its part of the line."""
    if state in _GOOD:
        print("selftest: %-9s %s" % (name, state))
    else:
        wrong.append(name)
        print("selftest: %-9s %s: %s" % (name, state, hint))
    return " %s=%s" % (name, state)


def _unless(fault):
    return "missing" if fault else "ok"


def _answers(i2c, addr):
    try:
        i2c.readfrom_into(addr, bytearray(1))
    except OSError:
        return "missing"
    return "ok"


def _clock(i2c):
    status = bytearray(1)
    try:
        i2c.readfrom_mem_into(_CLOCK, _CLOCK_STATUS, status)
    except OSError:
        return "missing"
    return "unset" if status[0] & _STOPPED else "ok"


def _reader(i2c):
    """A PN532 that sleeps does not acknowledge what wakes it."""
    for _ in range(3):
        if _answers(i2c, _READER) == "ok":
            return "ok"
        time.sleep_ms(_WAKE_MS)
    return "missing"


def _metering_ic(spi, cs):
    """Its gains have other defaults than all zeros or all ones, which is what a wire without a part reads as; one that
    floats hardly reads the same twice."""
    ic = board.MeterIc(spi, cs)
    registers = ic.calibrated()[1]
    for addr in range(registers[-2], registers[-1] + 1):
        value = ic.read(addr)
        if value not in (0, 0xFFFF) and ic.read(addr) == value:
            return "ok"
    return "missing"


def _storage(faults):
    """(state, KiB free in the file system)."""
    from esp32 import Partition

    try:
        free_kib = os.statvfs("/")[0] * os.statvfs("/")[3] // 1024
    except OSError:
        return "fault", 0
    if not Partition.find(1, label="rings"):
        return "missing", free_kib
    # Without FRAM the ledger is there, too.
    faulty = codes.FAULT_FLASH if board.FRAM_ADDR else codes.FAULT_FLASH | codes.FAULT_FRAM
    return "fault" if faults & faulty else "ok", free_kib


def _relay(books):
    # Not seen where it should be until now: the guard still tries.
    if books.faults & codes.FAULT_RELAY or (books.ready and books.s.relay_closed == RELAY_UNKNOWN):
        return "fault"
    return "closed" if books.s.relay_closed == 1 else "open"  # as the guard has sensed it


def _document(fault):
    return "none" if fault else "ok"


def _version():
    """From the slot's manifest: the loader has just checked it."""
    try:
        with open(sys.path[-1] + "/manifest", "rb") as f:
            f.seek(70)
            return f.readline().decode().split()[-1]
    except (OSError, ValueError, IndexError):
        return "none"
