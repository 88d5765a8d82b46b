# SPDX-License-Identifier: Apache-2.0
"""Writing the configuration of a metering IC and seeing that it took it. Needed at its start only."""

import asyncio

from micropython import const

from meter.core.errors import ChipError

_TRIES = const(5)
_WAITS = const(4)


def put(ic, last: int, stage: str, addr: int, value: int, pins: str) -> None:
    """Write a register, and see by the register `last`, which repeats the data of a frame, that the part took it.
    pins: what to look at if there is no answer."""
    odd = -1
    ic.stage = stage
    for _ in range(_TRIES):
        ic.write(addr, value)
        seen = ic.read(last)
        if seen == value:
            return
        if seen != 0 and seen != 0xFFFF:
            odd = seen
    if odd < 0:
        fail(stage, addr, f"no answer: check {pins}")
    fail(stage, addr, f"took {odd:04X} for {value:04X}: check part number, SPI mode 3, rate")


async def wake(ic, wait_ms: int, addr: int, value: int) -> None:
    """Wait after a reset until the part keeps what is written to a register: as long as its data sheet says, and a
    slow part as long again, up to three times. One that never does is for put() to name."""
    for _ in range(_WAITS):
        await asyncio.sleep_ms(wait_ms)
        ic.write(addr, value)
        if ic.holds(addr, value):
            return


def within(ranges, addr: int) -> bool:
    """Does a register lie in one of these ranges (first and last of each)?"""
    for i in range(0, len(ranges), 2):
        if ranges[i] <= addr <= ranges[i + 1]:
            return True
    return False


def fail(stage: str, addr: int, reason: str) -> None:
    """Raise the ChipError that names stage, register and what to look at."""
    raise ChipError(0, f"{stage}, register {addr:02X}H: {reason}")
