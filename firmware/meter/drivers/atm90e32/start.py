# SPDX-License-Identifier: Apache-2.0
"""Bringing an ATM90E32AS up: find it as it was left, or reset it, write the table and read all of it back.

Needed for a tenth of a second at each start; the driver imports it then and lets it go.
"""

import asyncio

from micropython import const

from meter.drivers.atm90e32.regs import (
    AP_ENERGY_T,
    CFG_CLOSED,
    CFG_OPEN,
    CFG_REG_ACC_EN,
    CRC_ERR_STATUS,
    EMM_INT_STATE_0,
    EMM_INT_STATE_1,
    LAST_SPI_DATA,
    P_START_TH,
    RESET_KEY,
    SOFT_RESET,
)
from meter.drivers.atm90e32.table import init_table, start_threshold
from meter.drivers.metering_ic.checked_read import take
from meter.drivers.metering_ic.checked_write import fail, put, wake

__all__ = ("configured", "empty", "set_up", "start_threshold", "up")

_TRIES = const(5)
_RESET_MS = const(45)  # DS 6.4: up to 40
_CRC_MS = const(30)  # two passes over 112 words of 125 us


async def up(ic, setup, energy) -> None:
    """Atm90e32.start()."""
    ic.stage = "identity"  # what a start that takes too long was at
    kept = configured(ic, setup)
    if not kept:
        await set_up(ic, setup)
    ic.stage = "energy registers"
    # After a reset, what was counted is what the filters let through while settling.
    empty(energy, setup.phases, kept)
    energy.restart()


def configured(ic, setup) -> bool:
    """Is every register of the table as it should be, and the configuration closed and whole?"""
    for _, addr, value in init_table(setup):
        if not ic.holds(addr, value):
            return False
    return ic.holds(CFG_REG_ACC_EN, CFG_CLOSED) and ic.holds(CRC_ERR_STATUS, 0)


async def set_up(ic, setup) -> None:
    """Reset the part and configure it. ChipError names stage, register and what to look at."""
    ic.stage = "reset"
    ic.write(SOFT_RESET, RESET_KEY)
    await wake(ic, _RESET_MS, CFG_REG_ACC_EN, CFG_OPEN)
    _put(ic, "presence", CFG_REG_ACC_EN, CFG_OPEN)
    last = ""
    for stage, addr, value in init_table(setup):
        if stage != last:
            last = stage
            await asyncio.sleep_ms(0)
        _put(ic, stage, addr, value)
    ic.stage = "read-back"
    # A write whose address was hit has changed another register: look at all of them, mend, look again.
    for _ in range(_TRIES):
        wrong = -1
        for stage, addr, value in init_table(setup):
            if not ic.holds(addr, value):
                wrong = addr
                _put(ic, stage, addr, value)
        await asyncio.sleep_ms(0)
        if wrong < 0:
            break
    else:
        fail("read-back", wrong, "does not keep its value: check 3.3 V and the SPI wires")
    _put(ic, "latches", EMM_INT_STATE_0, 0xFFFF)
    _put(ic, "latches", EMM_INT_STATE_1, 0xFFFF)
    # LastSPIData repeats what was written, not where.
    for _ in range(_TRIES):
        _put(ic, "supervision", CFG_REG_ACC_EN, CFG_CLOSED)
        if ic.holds(CFG_REG_ACC_EN, CFG_CLOSED):
            break
    else:
        fail("supervision", CFG_REG_ACC_EN, "does not keep its value: check 3.3 V and the SPI wires")
    await asyncio.sleep_ms(_CRC_MS)
    if not ic.holds(CRC_ERR_STATUS, 0):
        fail("supervision", CRC_ERR_STATUS, "reports a configuration CRC error: check 3.3 V")


def empty(energy, phases: int, keep: bool) -> None:
    """Empty all energy registers. What they held goes to the next tick, or, if not to be kept, nowhere."""
    for k in range(4):
        counts = take(energy, LAST_SPI_DATA, AP_ENERGY_T + 4 * k, 0)
        in_all = 0
        for n in range(phases):
            got = take(energy, LAST_SPI_DATA, AP_ENERGY_T + 1 + n + 4 * k, counts)
            in_all += got
            if keep and energy.by_phase:
                energy.by_phase.add(3 * k + n, min(got, counts))
        if keep:
            energy.owed[k] += min(counts, in_all)


def _put(ic, stage, addr, value):
    put(ic, LAST_SPI_DATA, stage, addr, value, "CS, MISO, 3.3 V, PM1/PM0")


def upset(seen: int, start_th: int) -> None:
    """The ChipError of a part that is not as it was left. seen: its PStartTh, if that is wrong; -1: its CRC is."""
    if seen < 0:
        fail("configuration CRC", CRC_ERR_STATUS, "a register changed: check 3.3 V, noise on SPI")
    if seen in (0, 0xFFFF):
        # An answer of all zeros is also that of a part that was reset and nobody knew.
        fail("identity", P_START_TH, "no answer, or reset: check CS, MISO, 3.3 V, PM1/PM0")
    fail("identity", P_START_TH, f"reads {seen:04X}, was set to {start_th:04X}")
