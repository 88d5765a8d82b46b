# SPDX-License-Identifier: Apache-2.0
"""The bench's clock: virtual microseconds and the events that wait on them.

Everything that happens in the bench happens at a `now_us` of this clock: chips take it with every access,
the meter's `time` stand-in reads it, a sleeping meter advances it. Nothing here looks at the wall clock.
"""

import heapq

TICKS_MASK = (1 << 30) - 1  # ESP32: ticks_ms wraps after 12.4 days
_NEVER = 1 << 62


class VirtualTime:
    def __init__(self, now_us: int = 0):
        self.now_us = now_us
        self.due_us = _NEVER  # when the next event is due
        self._queue: list = []
        self._order = 0

    def at(self, t_us: int, fn) -> None:
        """Call fn(t_us) at t_us, or as soon as events run again if that is gone by."""
        self._order += 1
        heapq.heappush(self._queue, (t_us, self._order, fn))
        self.due_us = self._queue[0][0]

    def _run_next(self) -> None:
        when, _, fn = heapq.heappop(self._queue)
        self.due_us = self._queue[0][0] if self._queue else _NEVER
        # A transfer may have carried the clock past the event: it still happens when it was due.
        now_us, self.now_us = self.now_us, when
        try:
            fn(when)
        finally:
            self.now_us = max(now_us, when)

    def run_due(self) -> None:
        """Run the events that a transfer's time has passed."""
        while self.due_us <= self.now_us:
            self._run_next()

    def spend(self, us: int) -> None:
        """Let bus time pass. Events it passes run before the next access, see run_due()."""
        self.now_us += us

    def sleep_until(self, t_us: int, awake=None) -> None:
        """Run events up to t_us; stop early when awake() says the sleeper has been woken."""
        while self.due_us <= t_us:
            self._run_next()
            if awake is not None and awake():
                return
        if t_us > self.now_us:
            self.now_us = t_us

    def advance(self, us: int) -> None:
        self.sleep_until(self.now_us + us)

    def next_event_us(self):
        return self._queue[0][0] if self._queue else None

    def ticks_ms(self) -> int:
        return self.now_us // 1000 & TICKS_MASK
