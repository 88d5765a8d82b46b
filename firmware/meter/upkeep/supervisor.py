# SPDX-License-Identifier: Apache-2.0
"""The supervisor: starts the tasks, restarts those that fall or hang, feeds the watchdog.

    a task raises           reported, started again after 1, 2, 4 ... 60 s; the steps begin again when it has
                            lived for an hour
    a task is silent        it has not called beat() in the time allowed: cancelled, which then is a fall
    a critical task stays   the watchdog is fed no more and bites: a reset, which the ledger survives. So it
    silent: it falls again  does when a task keeps the processor to itself
    and again, or cannot
    be ended
    five minutes of feeding this start has lasted (starts.py)

Too little heap for this itself is counted (Books.starved), in the STATUS line and once an hour in the log.
Reports (crash.py) go into FRAM and onto the display. A task that falls again and again is reported at the
first few steps only.
"""

import asyncio
import gc
import sys
import time

from micropython import const

from meter import heap
from meter.core import codes

_PERIOD_MS = const(2000)
_WATCHDOG_MS = const(30_000)
_BACKOFF_MAX_S = const(60)
_COLLECT_EVERY = const(15)  # periods: a collection in a known slot, and a figure for the heap
_HOUR = const(1800)  # periods
_LASTED = const(150)  # periods


# What is known of a task.
_LAST_MS = const(0)  # tick count of its last beat
_SILENCE_MS = const(1)  # allowed
_CRITICAL = const(2)
_RUNS = const(3)  # and has not been told to end
_KEEPER = const(4)


class Supervisor:
    def __init__(self, books, watchdog, fram):
        self.books = books
        self._watchdog = watchdog(timeout=_WATCHDOG_MS)
        self._fram = fram
        self._tasks = []
        self._periods = 0
        self._ticks = 0  # the second that was booked last, a period ago
        self._told = 0  # what LOG_HEAP said last
        self._calm = 0  # periods since something was wrong
        self.lasts = _LASTED  # periods
        self.heap_used_max = 0  # right after a collection

    def start(self, name: str, run, silence_ms: int, critical: bool) -> None:
        """Start a task (tasks.py); run(beat) must call beat() at least this often."""
        task = [time.ticks_ms(), silence_ms, critical, True, None]
        self._tasks.append(task)
        task[_KEEPER] = asyncio.create_task(self._keep(task, name, run))

    async def _keep(self, task, name, run):
        def beat():
            task[_LAST_MS] = time.ticks_ms()

        backoff_s = 1
        while True:
            beat()
            task[_RUNS] = True
            began = self._periods
            step = 2
            try:
                await run(beat)
            except asyncio.CancelledError as e:
                if task[_RUNS]:
                    raise
                step = 16
                self.fell(name, e, backoff_s < _BACKOFF_MAX_S, task[_SILENCE_MS] // 1000)
            except Exception as e:
                self.fell(name, e, backoff_s < _BACKOFF_MAX_S)
            task[_RUNS] = False
            if self._periods - began > _HOUR:
                backoff_s = 1
            await asyncio.sleep_ms(backoff_s * 1000)
            backoff_s *= step
            # Without a critical task the meter is none: its fifth fall, or second hang, is left to the watchdog.
            if backoff_s > (8 if task[_CRITICAL] else 32):
                backoff_s = _BACKOFF_MAX_S

    def fell(self, name: str, e, news: bool = True, hung_s: int = 0) -> None:
        """Something that can be done without, or will be tried again, has failed."""
        if not hasattr(sys, "print_exception"):
            raise e
        self._calm = 0
        gc.collect()
        if isinstance(e, MemoryError):
            self.books.ran_short()
        row = ""
        try:
            if news:
                heap.borrow("crash")
                try:
                    from meter.upkeep import crash

                    row = crash.report(self.books, self._fram, name, e, self._periods * 2, hung_s)
                finally:
                    heap.give_back("crash")
            self.books.fault(codes.FAULT_PROGRAM, True, row)
        except Exception as more:  # no room even for that
            self.books.fell(more)

    def feed(self) -> None:
        """Every two seconds: end tasks that are silent; feed the watchdog if every critical task is alive."""
        books = self.books
        if books.uptime_s == self._ticks:
            books.ticked.set()  # metering stands still, the display must not
        self._ticks = books.uptime_s
        now = time.ticks_ms()
        alive = True
        for task in self._tasks:
            if time.ticks_diff(now, task[_LAST_MS]) > task[_SILENCE_MS]:
                if task[_RUNS]:
                    task[_RUNS] = False
                    task[_KEEPER].cancel()
                elif task[_CRITICAL]:
                    alive = False
        if alive:
            self._watchdog.feed()
            self._calm += 1

    def _period(self):
        self.feed()
        n = self._periods
        if n % _COLLECT_EVERY == 0:
            gc.collect()
            used = gc.mem_alloc()
            self.heap_used_max = max(self.heap_used_max, used)
            if n % _HOUR == 0:
                heap.borrow("status")
                try:
                    from meter.upkeep import status

                    self._told = status.say(self.books, used, self.heap_used_max, self._told)
                finally:
                    heap.give_back("status")
        self._periods = n + 1
        if self._calm == self.lasts:
            heap.borrow("starts")
            try:
                from meter.upkeep import starts

                starts.lasted(self.books.faults)
            finally:
                heap.give_back("starts")
        if self._calm >= _HOUR:
            self.books.fault(codes.FAULT_PROGRAM, False)

    async def run(self):
        while True:
            try:
                self._period()
            except MemoryError as e:
                self._calm = 0
                gc.collect()
                self.books.fell(e, "supervisor")
                print("supervisor: too little heap")
            await asyncio.sleep_ms(_PERIOD_MS)
