# SPDX-License-Identifier: Apache-2.0
"""Does a part answer, and is it that part? One short look for each, which changes nothing in it.

For the self-test, and loaded with it: in the drivers, which stay, each look would take heap for good. Addresses and
registers are the drivers'. Each look raises BusError when nothing answers.
"""

import time

from micropython import const

from meter.core.errors import BusError, ChipError
from meter.drivers.ds3231 import ADDR as DS3231_ADDR
from meter.drivers.ds3231 import OSF, STATUS
from meter.drivers.pn532 import ADDR as PN532_ADDR

_WAKES = const(3)
_WAKE_MS = const(6)


def answers(i2c, addr: int) -> None:
    """Display (its PCF8574) and FRAM: neither says what it is."""
    try:
        i2c.readfrom_into(addr, bytearray(1))
    except OSError:
        raise BusError(0, "no answer") from None


def ds3231(i2c) -> None:
    """Raise ChipError when its oscillator has stopped: it has no time."""
    status = bytearray(1)
    try:
        i2c.readfrom_mem_into(DS3231_ADDR, STATUS, status)
    except OSError:
        raise BusError(0, "no answer") from None
    if status[0] & OSF:
        raise ChipError(0, "clock lost: its oscillator has stopped")


def pn532(i2c) -> None:
    """Asleep, it does not acknowledge what wakes it. That it is a PN532, its driver sees when it starts it."""
    for left in range(_WAKES - 1, -1, -1):
        try:
            return answers(i2c, PN532_ADDR)
        except BusError:
            if not left:
                raise
        time.sleep_ms(_WAKE_MS)


def metering_ic(ic) -> None:
    """Its gains have other defaults than all zeros or all ones, which is what a wire without a part reads as; one that
    floats hardly reads the same twice."""
    _, _, gains, _ = ic.calibrated()
    for register in gains:
        value = ic.read(register)
        if value not in (0, 0xFFFF) and ic.read(register) == value:
            return
    raise BusError(0, "no answer")
