# SPDX-License-Identifier: Apache-2.0
"""The clock: UTC seconds from the DS3231, carried between readings by the tick counter.

The RTC gives whole seconds, so alignment waits for its second to change: from then on a tick at a whole
second of this clock is a whole second of the RTC, give or take the 10 ms of the wait. Invalid (None) after
an oscillator stop or while the RTC has never answered: metering goes on, the tariff falls back.
"""

import asyncio
import time

from micropython import const

from meter.core import codes
from meter.core.errors import BusError, ChipError

_POLL_MS = const(10)
_ALIGN_MS = const(1100)
_RESYNC_S = const(3600)
_RETRY_MS = const(10_000)


class Clock:
    """Owns the RTC."""

    def __init__(self, rtc, books):
        self._rtc = rtc
        self._books = books
        self._utc_s = None
        self._second_at = time.ticks_ms()  # tick count at which the current second began
        self.aligned = asyncio.Event()

    def tick(self):
        """Move on to now; gives utc_s or None. Called at least once per tick period (12 days) by metering."""
        behind_ms = time.ticks_diff(time.ticks_ms(), self._second_at)
        if behind_ms >= 1000:
            seconds = behind_ms // 1000
            self._second_at = time.ticks_add(self._second_at, seconds * 1000)
            if self._utc_s is not None:
                self._utc_s += seconds
        return self._utc_s

    def to_next_second_ms(self) -> int:
        return 1000 - time.ticks_diff(time.ticks_ms(), self._second_at) % 1000

    async def _align(self):
        """Wait for the RTC's second to change and take it over. Raises BusError, ChipError."""
        rtc = self._rtc
        rtc.start()
        first = rtc.read()
        started = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), started) < _ALIGN_MS:
            await asyncio.sleep_ms(_POLL_MS)
            utc_s = rtc.read()
            if utc_s != first:
                return utc_s
        raise ChipError(0, "clock stands still: check the DS3231 and its crystal")

    async def run(self, beat):
        while True:
            wait_ms = _RETRY_MS
            try:
                utc_s = await self._align()
                self._take_over(utc_s)
                self._books.fault(codes.FAULT_CLOCK, False)
                wait_ms = _RESYNC_S * 1000
            except ChipError:
                # The RTC answers but does not know the time: what we carried may come from before a stop.
                self._utc_s = None
                self._books.fault(codes.FAULT_CLOCK, True)
            except BusError:
                # Not answering is no reason to doubt the seconds we have counted.
                self._books.fault(codes.FAULT_CLOCK, True)
            self.aligned.set()
            while wait_ms > 0:
                beat()
                await asyncio.sleep_ms(min(wait_ms, 60_000))
                wait_ms -= 60_000

    def _take_over(self, utc_s):
        books = self._books
        was = self.tick()
        self._second_at = time.ticks_ms()
        self._utc_s = utc_s
        if was is None:
            # The time last known; of the time before this start, minute.powered_up() tells.
            was = books.s.utc_s if books.off_since is None else utc_s
        if abs(utc_s - was) > 60:
            books.log(codes.LOG_CLOCK_SET, utc_s - was)
            if utc_s < was:
                books.found(codes.LOG_CLOCK_BACK, 3, was - utc_s)
