# SPDX-License-Identifier: Apache-2.0
"""The supervisor: starts the tasks, restarts those that fall, feeds the watchdog while all critical ones live.

A task that raises is logged, printed and started again with back-off 1, 2, 4 ... 60 s. The watchdog is fed
only when every critical task has called its beat() lately: one that hangs takes the meter through a reset,
which the ledger survives.
"""

import asyncio
import gc
import sys
import time

from micropython import const

from meter.core import codes

_PERIOD_MS = const(2000)
_WATCHDOG_MS = const(30_000)
_BACKOFF_MAX_S = const(60)
_COLLECT_EVERY = const(15)  # periods: a collection in a known slot, and a figure for the heap
_REPORT_EVERY = const(1800)  # periods: an hour


class Supervisor:
    def __init__(self, books, watchdog):
        self._books = books
        self._watchdog = watchdog(timeout=_WATCHDOG_MS)
        self._last_beat = {}  # task name -> (tick count of its last beat, allowed silence in ms)
        self.heap_free_min = 1 << 29  # right after a collection, the least seen

    def start(self, name: str, run, silence_ms: int = 0) -> None:
        """Start a task. silence_ms: a critical task must beat at least this often; 0 for one that is not."""

        def beat():
            if silence_ms:
                self._last_beat[name] = (time.ticks_ms(), silence_ms)

        beat()
        asyncio.create_task(self._keep(name, run, beat))

    async def _keep(self, name, run, beat):
        backoff_s = 1
        while True:
            try:
                await run(beat)
            except Exception as e:
                print("task %s fell:" % name)
                if hasattr(sys, "print_exception"):
                    sys.print_exception(e)
                else:
                    raise
            self._books.log(codes.LOG_TASK_CRASH)
            await asyncio.sleep_ms(backoff_s * 1000)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    def _all_alive(self):
        now = time.ticks_ms()
        for last, silence_ms in self._last_beat.values():
            if time.ticks_diff(now, last) > silence_ms:
                return False
        return True

    def feed(self) -> None:
        """Feed the watchdog if every critical task is alive."""
        if self._all_alive():
            self._watchdog.feed()

    async def run(self):
        n = 0
        while True:
            self.feed()
            if n % _COLLECT_EVERY == 0:
                gc.collect()
                self.heap_free_min = min(self.heap_free_min, gc.mem_free())
            if n % _REPORT_EVERY == 0:
                print("STATUS heap_free=%d heap_free_min=%d" % (gc.mem_free(), self.heap_free_min))
            n += 1
            await asyncio.sleep_ms(_PERIOD_MS)
