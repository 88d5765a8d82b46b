# SPDX-License-Identifier: Apache-2.0
"""Firmware on CPython: the names MicroPython has and CPython lacks, over virtual time.

`VirtualTime.run()` drives a firmware coroutine with CPython's own asyncio on a loop that never waits for
the wall clock: where a real loop would block, this one moves the bench's clock.
"""

import asyncio
import gc
import selectors
import time

from .clock import TICKS_MASK
from .clock import VirtualTime as _Clock


class _Selector(selectors.DefaultSelector):
    """Stands where epoll would: waiting is moving the virtual clock."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.loop = None

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        clock = self.clock
        if timeout is None:
            if clock.next_event_us() is None:
                raise RuntimeError("every task waits and nothing is scheduled: the firmware would hang here")
            until_us = clock.next_event_us()
        else:
            until_us = clock.now_us + round(timeout * 1_000_000)
        clock.sleep_until(until_us, lambda: bool(self.loop._ready))
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock):
        selector = _Selector(clock)
        super().__init__(selector)
        selector.loop = self
        self._clock = clock
        self._clock_resolution = 1e-6

    def time(self):
        return self._clock.now_us / 1_000_000


class ThreadSafeFlag:
    """asyncio.ThreadSafeFlag as MicroPython has it: set from an interrupt, one waiter, clears itself."""

    def __init__(self):
        self._set = False
        self._waiter = None

    def set(self):
        self._set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self):
        self._set = False

    async def wait(self):
        if not self._set:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._set = False


class VirtualTime(_Clock):
    def __init__(self, now_us: int = 0):
        super().__init__(now_us)
        install(self)

    def run(self, coro):
        """Run a coroutine to its end in virtual time and give its result."""
        install(self)
        loop = _Loop(self)
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(coro)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            asyncio.set_event_loop(None)
            loop.close()


def _ms_from_now(clock, ms: int) -> float:
    # MicroPython's loop counts whole milliseconds: a sleep ends on a millisecond of the clock.
    return max(0, (clock.now_us // 1000 + ms) * 1000 - clock.now_us) / 1_000_000


def install(clock) -> None:
    """Give CPython the MicroPython names, bound to this clock. Names CPython has are left alone."""
    time.ticks_ms = clock.ticks_ms
    time.ticks_us = lambda: clock.now_us & TICKS_MASK
    time.ticks_add = lambda ticks, delta: (ticks + delta) & TICKS_MASK
    time.ticks_diff = lambda a, b: ((a - b + (1 << 29)) & TICKS_MASK) - (1 << 29)
    time.sleep_ms = lambda ms: clock.advance(ms * 1000)
    time.sleep_us = clock.advance
    asyncio.sleep_ms = lambda ms: asyncio.sleep(_ms_from_now(clock, ms))
    asyncio.wait_for_ms = lambda aw, ms: asyncio.wait_for(aw, _ms_from_now(clock, ms))
    asyncio.ThreadSafeFlag = ThreadSafeFlag
    gc.mem_free = lambda: 0
    gc.mem_alloc = lambda: 0
