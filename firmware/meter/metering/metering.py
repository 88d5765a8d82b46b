# SPDX-License-Identifier: Apache-2.0
"""The tick: once a second, read the metering IC, judge the load, book what was counted, let the rules decide, commit.

Owns the metering IC. A dead, wrong or upset chip is a fault with a name; the tick goes on without a sample
(rates, alarms, supply and display live on) and the chip is set up again with back-off. Counts the chip
gathered meanwhile are read when it is back: an IC that kept power kept its registers.
What was read and could not be booked, for the heap ran out in between, stays in the sample (booked False) and is
booked before anything is read again, by this run or the next.
"""

import asyncio

from micropython import const

from meter.core import codes
from meter.core.errors import BusError, ChipError
from meter.drivers.metering_ic.sample import Sample
from meter.heap import room

_SLOW_EVERY = const(5)  # ticks between readings of Q, S, PF, frequency, status
_RETRY_MAX_TICKS = const(30)
# The chip's start counts its tries and waits for nothing: these end what the meter itself may take at the most, with
# every other part being loaded meanwhile. Together below what the supervisor allows before the first tick.
_START_MS = const(5000)
# For the guard to begin its pulse, should it just be sensing: on a whole minute the tick loads what takes far longer.
_GUARD_MS = const(30)
_CLOCK_MS = const(4000)
_BLIND = const(3600)  # ticks without a sample: the supply goes off
_SEES = const(-60)  # ticks with one: it comes back


class Metering:
    def __init__(self, ic, clock, books):
        self._ic = ic
        self._clock = clock
        self._books = books
        self._sample = Sample()
        self._ready = False
        self._retry_ticks = 0  # ticks until the chip is tried again
        self._backoff = 1
        self._spell = 0  # ticks in a row without a sample, or, below 0, with one

    async def run(self, beat):
        # Bring the chip up while the clock is read: both are needed for the first tick, neither for the other.
        await self._start_ic()
        try:
            await asyncio.wait_for_ms(self._clock.known.wait(), _CLOCK_MS)
        except asyncio.TimeoutError:
            print("metering: clock not known")
        n = 0
        booked_s = None
        while True:
            utc_s = self._clock.tick()
            if utc_s is not None and utc_s == booked_s:
                # A look has just put the clock back by a few ms: this second has had its tick.
                await asyncio.sleep_ms(self._clock.to_next_second_ms())
                continue
            booked_s = utc_s
            if not self._ready:
                self._retry_ticks -= 1
                if self._retry_ticks <= 0:
                    await self._start_ic()
            room()  # too little heap: the task falls here, where nothing has been read and cleared yet
            if not self._sample.booked:
                self._books.book(self._sample)
            sample = self._read(n % _SLOW_EVERY == 0) if self._ready else None
            if self._books.judge(sample, utc_s):
                await asyncio.sleep_ms(_GUARD_MS)
            self._books.tick(sample, utc_s, True)
            beat()
            self._count(sample is None)
            n += 1
            await asyncio.sleep_ms(self._clock.to_next_second_ms())

    def _count(self, blind):
        """A meter that meters nothing for an hour supplies nobody; one that has a minute of it again does."""
        spell = self._spell
        self._spell = spell = max(spell, 0) + 1 if blind else min(spell, 0) - 1
        if spell in (_BLIND, _SEES) and blind != bool(self._books.s.claims & codes.CLAIM_METERING):
            self._books.log(codes.LOG_NO_METERING, 1 if blind else 0)
            self._books.step(codes.EV_NO_METERING if blind else codes.EV_METERING)

    def _read(self, slow):
        try:
            self._ic.read_tick(self._sample)
            if slow:
                self._ic.read_slow(self._sample)
                self._ic.check()
        except (BusError, ChipError) as e:
            self._sample.booked = True  # counted under a configuration that was not ours: not to be booked
            self._failed(e)
            return None
        return self._sample

    async def _start_ic(self):
        ic = self._ic
        try:
            await asyncio.wait_for_ms(ic.start(), _START_MS)
        except (BusError, ChipError) as e:
            self._failed(e)
            return
        except asyncio.TimeoutError:  # has no text of its own
            self._failed(ic.stage + ": not done in 5 s: the meter was busy")
            return
        self._ready = True
        self._backoff = 1
        self._books.fault(codes.FAULT_METER_IC, False)

    def _failed(self, e):
        if self._ready or self._backoff == 1:
            print("metering IC:", e)
        self._ready = False
        self._retry_ticks = self._backoff
        self._backoff = min(self._backoff * 2, _RETRY_MAX_TICKS)
        self._books.fault(codes.FAULT_METER_IC, True)
