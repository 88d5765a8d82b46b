# SPDX-License-Identifier: Apache-2.0
"""Bringing an ATM90E26 up: the initialisation table, the checksums, and the way from reset to metering.

Source: Atmel-46002B (M90E26 datasheet, 2014), 5.2 and 5.3; constants from Atmel-46102. Needed for a tenth of a second
at each start; the driver imports it then and lets it go.

A setup is any object with `pulse_constant` (pulses per kWh). Optional attributes:
    current_scale   1: 1 mA per count of Irms, up to 65.5 A. 2: 2 mA, up to 131 A; power in steps of 2 W
    u_nominal_v     230; sag at 78 % of it
    start_mw        4_000; below it counting does not begin, and below half of it it ends
    calibration     ((address, value), ...) of CALIBRATED, taken at current_scale 1; any other is left out
Uncalibrated, the sensors are taken for those of the datasheet's example: PL_constant 0015D174H is 3200 pulses per kWh.
"""

import asyncio

from micropython import const

from meter.drivers.metering_ic.checked_read import take
from meter.drivers.metering_ic.checked_write import fail, put, wake, within

NAME = "atm90e26"  # in a calibration document
# First and last of what it may set: power gains, phases; voltage, current, offsets. Not PL_constant, mode, thresholds.
CALIBRATED = bytes((0x23, 0x26, 0x31, 0x3A))
GAINS = bytes((0x31, 0x32, 0x33))  # of them: of voltage and currents
TRIMS = bytes((0x23, 0x25))  # of the power of either line

_SYS_STATUS = const(0x01)
_LAST_DATA = const(0x06)
_CAL_START = const(0x20)
_CS1 = const(0x2C)
_ADJ_START = const(0x30)
_CS2 = const(0x3B)
_AP_ENERGY = const(0x40)
_RESET_KEY = const(0x789A)
_OPEN = const(0x5678)  # CalStart, AdjStart: defaults, and run unchecked
_CHECKED = const(0x8765)

_TRIES = const(5)
_RESET_MS = const(50)  # the datasheet gives none
_SUM_MS = const(40)  # for the part's own sums to be of what was written last


def table(setup):
    """Yield (stage, address, value) in the order to write: all that can be configured, but the sums."""
    scale = getattr(setup, "current_scale", 1)
    calibration = getattr(setup, "calibration", ())
    pl = 0x15D174 * 3200 // setup.pulse_constant
    # Atmel-46102: 93.2067556 * GL * VL * VU is Un * Ib, of the example, 1.966953 mW per count.
    start = max(2, getattr(setup, "start_mw", 4000) * 1000 // 1967)
    u_gain = 0x6720
    for addr, value in calibration:
        if addr == 0x31:
            u_gain = value
    # In peak values before the gain stage: 100 * Vrms * sqrt(2) * 0.78 / (4 * Ugain / 32768).
    sag = getattr(setup, "u_nominal_v", 230) * 903_649 // u_gain
    rows = (
        ("function", 0x02, (0x002C, sag, 0)),  # sag and both directions are reported
        ("metering", 0x21, (pl >> 16, pl & 0xFFFF, 0, 0, 0, 0, start, start >> 1, start, start >> 1, 0x9422)),
        ("measurement", 0x31, (u_gain, 0x7A13, 0x7530, 0, 0, 0, 0, 0, 0, 0)),
    )
    for stage, addr, words in rows:
        for value in words:
            if within(CALIBRATED, addr):
                for at, calibrated in calibration:
                    if at == addr:
                        value = calibrated
            if addr == 0x32 or addr == 0x33:
                value //= scale
            yield stage, addr, value
            addr += 1


def checksum(setup, first: int) -> int:
    """CS1 (first = 21H) or CS2 (31H): exclusive or of all bytes, and their sum."""
    total = mixed = 0
    for _, addr, value in table(setup):
        if first <= addr < first + 0x0B:
            total += (value >> 8) + (value & 0xFF)
            mixed ^= value >> 8 ^ value & 0xFF
    return mixed << 8 | total & 0xFF


def configured(ic, setup) -> bool:
    """Is every register of the table as it should be, and metering and measurement on?"""
    for _, addr, value in table(setup):
        if not ic.holds(addr, value):
            return False
    return ic.holds(_CAL_START, _CHECKED) and ic.holds(_ADJ_START, _CHECKED)


async def set_up(ic, setup) -> None:
    """Reset the part and configure it. ChipError names stage, register and what to look at."""
    ic.stage = "reset"
    ic.write(0x00, _RESET_KEY)
    await wake(ic, _RESET_MS, _CAL_START, _OPEN)
    _put(ic, "presence", _CAL_START, _OPEN)
    _put(ic, "presence", _ADJ_START, _OPEN)
    for stage, addr, value in table(setup):
        _put(ic, stage, addr, value)
        await asyncio.sleep_ms(0)
    ic.stage = "read-back"
    # A write whose address was hit has changed another register: look at all of them, mend, look again.
    for _ in range(_TRIES):
        wrong = -1
        for stage, addr, value in table(setup):
            # The high half of PL_constant counts from the write of the low one on.
            if (addr == 0x22 and wrong == 0x21) or not ic.holds(addr, value):
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
    for check, total, command in ((_CS1, cs1, _CAL_START), (_CS2, cs2, _ADJ_START)):
        if not ic.holds(check, total):
            fail("checksum", check, f"reads {ic.read(check):04X} for {total:04X}: check 3.3 V and the SPI wires")
        # LastData repeats what was written, not where: what the part says of it below does.
        for _ in range(2):
            _put(ic, "checksum", check, total)
            _put(ic, "metering on", command, _CHECKED)
    for _ in range(_TRIES):
        # Clear what has been; what is wrong now shows again with the next calculation.
        status = ic.read(_SYS_STATUS)
        if ic.read(_LAST_DATA) == status and not status & 0xF000:
            break
        for check, total, command in ((_CS1, cs1, _CAL_START), (_CS2, cs2, _ADJ_START)):
            _put(ic, "checksum", check, total)
            _put(ic, "metering on", command, _CHECKED)
        await asyncio.sleep_ms(_SUM_MS)
    else:
        fail("metering on", _SYS_STATUS, "reports a checksum error: check 3.3 V")
    for command in (_CAL_START, _ADJ_START):
        if not ic.holds(command, _CHECKED):
            fail("metering on", command, "does not keep its value: check 3.3 V and the SPI wires")


def empty(energy, keep: bool) -> None:
    """Empty all energy registers. What they held goes to the next tick, or, if not to be kept, nowhere."""
    for group in (0, 1):
        addr = _AP_ENERGY + 3 * group
        forward = take(energy, _LAST_DATA, addr, 0)
        reverse = take(energy, _LAST_DATA, addr + 1, 0)
        absolute = take(energy, _LAST_DATA, addr + 2, forward + reverse) + 2
        if keep:
            forward = min(forward, absolute)
            energy.owed[2 * group] += 10 * forward
            energy.owed[2 * group + 1] += 10 * min(reverse, absolute - forward)


def _put(ic, stage, addr, value):
    put(ic, _LAST_DATA, stage, addr, value, "CS, MISO, USEL, 3.3 V")
