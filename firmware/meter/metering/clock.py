# SPDX-License-Identifier: Apache-2.0
"""The clock: UTC seconds from the DS3231, carried between looks at it by the tick counter.

At a start three reads that agree are taken at once (clock_look.py): metering need not wait, and this clock is less
than a second slow. Soon after, when all is loaded, comes a look. It ends with a second of the RTC: from then on a tick
at a whole second of this clock is one of the RTC, give or take the 10 ms of the wait; until then each second of it has
one tick, too, only not where it begins. Whether its time is taken over, core/timekeeping.py decides; until then
the meter's own seconds go on. Invalid (None) after an oscillator stop or while the RTC has never answered: metering
goes on, the tariff falls back.
"""

import asyncio
import time

from micropython import const

from meter import heap
from meter.core import codes
from meter.core.errors import BusError, ChipError

_EVERY_S = const(3600)
_SOON_S = const(30)  # while a time is in doubt
_RETRY_S = const(10)


class Clock:
    """Owns the RTC. i2c: its bus."""

    def __init__(self, i2c, books):
        self.i2c = i2c
        self._books = books
        self._utc_s = None
        self._second_at = time.ticks_ms()  # tick count at which the current second began
        self._doubt = None  # of core/timekeeping.py
        self.known = asyncio.Event()  # the time, or that there is none

    def tick(self):
        """Move on to now. Return utc_s or None. Called at least once per tick period (12 days) by metering."""
        behind_ms = time.ticks_diff(time.ticks_ms(), self._second_at)
        if behind_ms >= 1000:
            seconds = behind_ms // 1000
            self._second_at = time.ticks_add(self._second_at, seconds * 1000)
            if self._utc_s is not None:
                self._utc_s += seconds
        return self._utc_s

    def to_next_second_ms(self) -> int:
        return 1000 - time.ticks_diff(time.ticks_ms(), self._second_at) % 1000

    async def run(self, beat):
        while True:
            wait_s = _RETRY_S
            try:
                wait_s = await self._look()
                self._books.fault(codes.FAULT_CLOCK, False)
            except ChipError:
                # The RTC answers but does not know the time: what we carried may come from before a stop.
                self._utc_s = self._doubt = None
                self._books.fault(codes.FAULT_CLOCK, True)
            except BusError:
                # Not answering is no reason to doubt the seconds we have counted.
                self._books.fault(codes.FAULT_CLOCK, True)
            self.known.set()
            while wait_s > 0:
                beat()
                await asyncio.sleep_ms(min(wait_s, 60) * 1000)
                wait_s -= 60

    async def _look(self):
        heap.borrow("look")
        try:
            from meter.metering import clock_look

            return await clock_look.one(self)
        finally:
            heap.give_back("look")

    def take_over(self, utc_s, began_ms) -> int:
        """A look has seen that this second began then: take it over if it is to be believed. Return the seconds until
        the next look."""
        from meter.core import timekeeping

        books = self._books
        own_s = self.tick()
        before = self._doubt
        take, self._doubt = timekeeping.judge(before, own_s, utc_s)
        if not take:
            if not before:
                books.log(codes.LOG_CLOCK_LOOK, utc_s - own_s)
            return _SOON_S
        self._second_at = began_ms
        self._utc_s = utc_s
        if own_s is None:
            # The time last known; of the time before this start, minute.powered_up() tells.
            own_s = books.s.utc_s if books.waiting.off_since is None else utc_s
        if abs(utc_s - own_s) > 60:
            books.log(codes.LOG_CLOCK_SET, utc_s - own_s)
            if utc_s < own_s:
                books.found(codes.LOG_CLOCK_BACK, 3, own_s - utc_s)
        return _EVERY_S
