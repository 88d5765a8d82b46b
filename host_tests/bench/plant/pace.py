# SPDX-License-Identifier: Apache-2.0
"""How plant and meter wait for each other: by looking (fast, with a core for each), or in the kernel.

On a busy machine who looks without end loses the core to somebody else for milliseconds at a time, and a round
trip takes a thousand times as long. So looking is on trial all the time: where requests took too long, the next
ones wait in the kernel, and looking is tried again after them, more seldom each time that it fails.
"""

import time

TRIAL = 32  # requests
SLOW_NS = 300_000  # for one request; looking takes 5,000 as a rule, the kernel 20,000
SPAN = 2048  # requests in the kernel before looking is tried again
SPAN_MAX = 1 << 18


class Pace:
    """blocking: wait in the kernel now. left: requests until judge() is due."""

    def __init__(self, clock_ns=time.perf_counter_ns):
        self._clock_ns = clock_ns
        self._span = SPAN
        self.blocking = False
        self.begin()

    def begin(self) -> None:
        """Requests are served from now on: what was before does not count."""
        self._since_ns = self._clock_ns()
        if not self.blocking:
            self.left = TRIAL

    def judge(self) -> None:
        """`left` requests have been served."""
        now_ns = self._clock_ns()
        if self.blocking:
            self.blocking = False
        elif now_ns - self._since_ns > TRIAL * SLOW_NS:
            self.blocking = True
            self.left = self._span
            self._span = min(2 * self._span, SPAN_MAX)
            return
        else:
            self._span = SPAN
        self._since_ns = now_ns
        self.left = TRIAL
