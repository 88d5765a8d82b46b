# SPDX-License-Identifier: Apache-2.0
"""Looks at the RTC: which second is it (first()), and which one begins now (look())? Loaded for that second only.

    transfers          what the look makes of them
    x x ... x+1 x+1    the second x+1 has begun with the first that said so
    one that differs   nothing: the next ones decide
    no time, thrice    the RTC does not vouch for one: its oscillator has stopped, or its registers hold no date
    x x ... x x        the same: it stands still
    no answer, thrice  it is silent

The first one of a start: three transfers, one right after the other, have said the same.

So no single transfer is believed: what is taken, the time or that there is none, three of them have said.
"""

import asyncio
import time

from micropython import const

from meter.core.errors import BusError, ChipError
from meter.drivers.ds3231 import Ds3231

_POLL_MS = const(10)
_LONGEST_MS = const(2200)  # two seconds: one change may be missed
_STILL_MS = const(1200)
_TIMES = const(3)
_FIRST = const(9)  # transfers
_LOADED_S = const(2)  # from the first look of a start to the next: by then all is loaded


async def one(clock) -> int:
    """One look of a Clock, which takes the time over if it is to be believed. Return the seconds until the next one.
    Raises BusError, ChipError."""
    if not clock.known.is_set():
        clock.take_over(*first(clock.i2c))
        return _LOADED_S
    return clock.take_over(*await look(clock.i2c))


def first(i2c) -> tuple:
    """Return (utc_s, tick count at the first of three transfers that agreed). Raise BusError, ChipError."""
    rtc = Ds3231(i2c)
    before = None
    same = wrong = at = 0
    for _ in range(_FIRST):
        try:
            now = rtc.read()
            wrong = 0
        except (BusError, ChipError):
            now = None
            wrong += 1
            if wrong == _TIMES:
                raise
        if now is None or now != before:
            same = 0
            at = time.ticks_ms()
        same += 1
        before = now
        if same == _TIMES and now is not None:
            return now, at
    raise BusError(0, "clock: what it says does not agree")


async def look(i2c) -> tuple:
    """Return (utc_s, tick count at which that second began). Raise BusError, ChipError."""
    rtc = Ds3231(i2c)
    started = time.ticks_ms()
    steady = before = None
    steady_at = at = started
    wrong = 0
    while True:
        try:
            if not wrong and steady is None:
                rtc.start()
            now = rtc.read()
            wrong = 0
        except (BusError, ChipError):
            now = None
            wrong += 1
            if wrong == _TIMES:
                raise
        read_at = time.ticks_ms()
        if now is not None and now == before:
            if steady is not None and now == steady + 1:
                return now, at
            if now != steady:
                steady = now
                steady_at = read_at
            elif time.ticks_diff(read_at, steady_at) > _STILL_MS:
                raise ChipError(0, "clock stands still: check the DS3231 and its crystal")
        elif now != before:
            at = read_at
        if time.ticks_diff(read_at, started) > _LONGEST_MS:
            raise BusError(0, "clock: what it says does not agree")
        again = now != before  # at once: another transfer
        before = now
        await asyncio.sleep_ms(0 if again else _POLL_MS)
