# SPDX-License-Identifier: Apache-2.0
"""Firmware on CPython: the names MicroPython has and CPython lacks, over virtual time.

`VirtualTime.run()` drives a firmware coroutine with CPython's own asyncio on a loop that never waits for
the wall clock: where a real loop would block, this one moves the bench's clock.
"""

import asyncio
import gc
import heapq
import selectors
import time

from host_tests.bench.plant.clock import TICKS_MASK
from host_tests.bench.plant.clock import VirtualTime as _Clock


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
        clock.sleep_until(until_us, lambda: self.loop.has_due)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    """Runs what is due one by one in order of the millisecond it became so, as MicroPython's loop does.

    CPython's own would run everything already ready before a timer that fell due in the meantime; then a task
    would read its part at another instant than on MicroPython, and a replay would differ by a count.
    """

    def __init__(self, clock):
        selector = _Selector(clock)
        super().__init__(selector)
        selector.loop = self
        self._clock = clock
        self._clock_resolution = 1e-6
        self._queue = []  # (millisecond, order of making, handle)
        self._order = 0
        self._timer_ms = None  # while a timer runs: when it was due, for the task it wakes

    def time(self):
        return self._clock.now_us / 1_000_000

    @property
    def has_due(self) -> bool:
        return bool(self._queue) and self._queue[0][0] <= self._clock.now_us // 1000

    def _push(self, ms, handle):
        self._order += 1
        heapq.heappush(self._queue, (ms, self._order, handle))
        return handle

    def _call_soon(self, callback, args, context):
        ms = self._clock.now_us // 1000 if self._timer_ms is None else self._timer_ms
        return self._push(ms, asyncio.Handle(callback, args, self, context))

    def call_at(self, when, callback, *args, context=None):
        return self._push(round(when * 1000), asyncio.TimerHandle(when, callback, args, self, context))

    def _run_once(self):
        queue = self._queue
        while queue and queue[0][2]._cancelled:
            heapq.heappop(queue)
        if not self.has_due:
            timeout = queue[0][0] / 1000 - self.time() if queue else None
            self._process_events(self._selector.select(0 if self._stopping else timeout))
            return
        ms, _, handle = heapq.heappop(queue)
        self._timer_ms = ms if isinstance(handle, asyncio.TimerHandle) else None
        handle._run()
        self._timer_ms = None


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
    gc.collect = lambda generation=2: 0  # of a meter's 112 KB it takes a millisecond or two, of all that is here fifty
