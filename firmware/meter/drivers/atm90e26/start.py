# SPDX-License-Identifier: Apache-2.0
"""Bringing an ATM90E26 up: find it as it was left, or reset it, write the table, and put it under checksums.

Source: Atmel-46002B (M90E26 datasheet, 2014), 5.2 and 5.3. Needed for a tenth of a second at each start; the
driver imports it then and lets it go.
"""

import asyncio

from micropython import const

from meter.drivers.atm90e26.regs import (
    ADJ_START,
    AP_ENERGY,
    CAL_START,
    CHECKED,
    CS1,
    CS2,
    LAST_DATA,
    M_MODE,
    OPEN,
    PL_CONST_H,
    PL_CONST_L,
    Q_OFFSET_N,
    RESET_KEY,
    SOFT_RESET,
    SYS_STATUS,
    U_GAIN,
)
from meter.drivers.atm90e26.table import checksum, init_table
from meter.drivers.metering_ic.checked_read import take
from meter.drivers.metering_ic.checked_write import fail, put, wake

_TRIES = const(5)
_RESET_MS = const(50)  # the datasheet has none
_SUM_MS = const(40)  # for the part's own sums to be of what was written last


def checksums(setup) -> tuple:
    """What CS1 and CS2 must hold."""
    return checksum(setup, PL_CONST_H, M_MODE), checksum(setup, U_GAIN, Q_OFFSET_N)


def configured(ic, setup) -> bool:
    """Is every register of the table as it should be, and metering and measurement on?"""
    for _, addr, value in init_table(setup):
        if not ic.holds(addr, value):
            return False
    return ic.holds(CAL_START, CHECKED) and ic.holds(ADJ_START, CHECKED)


async def set_up(ic, setup) -> None:
    """Reset the part and configure it. ChipError names stage, register and what to look at."""
    ic.stage = "reset"
    ic.write(SOFT_RESET, RESET_KEY)
    await wake(ic, _RESET_MS, CAL_START, OPEN)
    _put(ic, "presence", CAL_START, OPEN)
    _put(ic, "presence", ADJ_START, OPEN)
    for stage, addr, value in init_table(setup):
        _put(ic, stage, addr, value)
        await asyncio.sleep_ms(0)
    ic.stage = "read-back"
    # A write whose address was hit has changed another register: look at all of them, mend, look again.
    for _ in range(_TRIES):
        wrong = -1
        for stage, addr, value in init_table(setup):
            # The high half of PL_constant counts from the write of the low one on.
            if (addr == PL_CONST_L and wrong == PL_CONST_H) or not ic.holds(addr, value):
                wrong = addr
                _put(ic, stage, addr, value)
        await asyncio.sleep_ms(0)
        if wrong < 0:
            break
    else:
        fail("read-back", wrong, "does not keep its value: check 3.3 V and the SPI wires")
    await asyncio.sleep_ms(_SUM_MS)


async def run(ic, cs1: int, cs2: int) -> None:
    """Metering and measurement on, under checksums; the part's own must be ours. Changes nothing where they are on."""
    for check, total, command in ((CS1, cs1, CAL_START), (CS2, cs2, ADJ_START)):
        if not ic.holds(check, total):
            fail("checksum", check, f"reads {ic.read(check):04X} for {total:04X}: check 3.3 V and the SPI wires")
        # LastData repeats what was written, not where: what the part says of it below does.
        for _ in range(2):
            _put(ic, "checksum", check, total)
            _put(ic, "metering on", command, CHECKED)
    for _ in range(_TRIES):
        # Clear what has been; what is wrong now shows again with the next calculation.
        status = ic.read(SYS_STATUS)
        if ic.read(LAST_DATA) == status and not status & 0xF000:
            break
        for check, total, command in ((CS1, cs1, CAL_START), (CS2, cs2, ADJ_START)):
            _put(ic, "checksum", check, total)
            _put(ic, "metering on", command, CHECKED)
        await asyncio.sleep_ms(_SUM_MS)
    else:
        fail("metering on", SYS_STATUS, "reports a checksum error: check 3.3 V")
    for command in (CAL_START, ADJ_START):
        if not ic.holds(command, CHECKED):
            fail("metering on", command, "does not keep its value: check 3.3 V and the SPI wires")


def empty(energy, keep: bool) -> None:
    """Empty all energy registers. What they held goes to the next tick, or, if not to be kept, nowhere."""
    for group in (0, 1):
        addr = AP_ENERGY + 3 * group
        forward = take(energy, LAST_DATA, addr, 0)
        reverse = take(energy, LAST_DATA, addr + 1, 0)
        absolute = take(energy, LAST_DATA, addr + 2, forward + reverse) + 2
        if keep:
            forward = min(forward, absolute)
            energy.owed[2 * group] += 10 * forward
            energy.owed[2 * group + 1] += 10 * min(reverse, absolute - forward)


def _put(ic, stage, addr, value):
    put(ic, LAST_DATA, stage, addr, value, "CS, MISO, USEL, 3.3 V")
