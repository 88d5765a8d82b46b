# SPDX-License-Identifier: Apache-2.0
"""Overload supervision: when the household takes more power than agreed for too long.

| situation at a tick                           | event                                             |
|-----------------------------------------------|---------------------------------------------------|
| imported power over limit, hold not yet full  | none; the tick counts                             |
| ... hold full                                 | EV_OVERLOAD                                       |
| ... hold full, 4 automatic closes in 30 min   | EV_OVERLOAD_LOCK: from here by card only          |
| power at or below limit                       | none; the hold starts again                       |
| no reading (metering fault)                   | none; the hold stands still                       |
| tripped, automatic close set, wait over       | EV_OVERLOAD_WAIT                                  |
| tripped, and the card has closed              | none; the automatic closes are forgotten          |
| tripped, found so after a power cycle         | the wait starts again; "card only" is kept        |

Hold is counted in ticks of 1 s, each judged by the power read at it. Only imported power counts. The claim
and "card only" live in MeterState and survive power loss; the hold and the count of closes do not.
"""

from micropython import const

from meter.core import codes

_MAX_CLOSES = const(4)
_WINDOW_S = const(1800)


class Overload:
    """The hold timer. closes_at_s: monotonic second of the automatic close, None when there will be none."""

    def __init__(self):
        self.closes_at_s = None
        self._ticks_over = 0
        self._tripped_s = None
        self._closes_s = [None] * _MAX_CLOSES  # a ring: the next place holds the oldest
        self._next = 0

    def step(self, s, cfg, power_mw, now_s: int) -> int:
        """One tick. Return the event to pass to supply.step(), or 0.

        s: MeterState, only read; cfg: Settings; power_mw: import positive, None if not known; now_s:
        monotonic.
        """
        if s.claims & codes.CLAIM_OVERLOAD:
            return self._wait(s, cfg, now_s)
        self.closes_at_s = None
        if self._tripped_s is not None:
            self._tripped_s = None
            for i in range(_MAX_CLOSES):
                self._closes_s[i] = None
        if power_mw is None:
            return 0
        if cfg.overload_w == 0 or power_mw <= cfg.overload_w * 1000:
            self._ticks_over = 0
            return 0
        self._ticks_over += 1
        if self._ticks_over < cfg.overload_hold_s:
            return 0
        self._ticks_over = 0
        self._tripped_s = now_s
        oldest_s = self._closes_s[self._next]
        if oldest_s is not None and now_s - oldest_s < _WINDOW_S:
            return codes.EV_OVERLOAD_LOCK
        return codes.EV_OVERLOAD

    def _wait(self, s, cfg, now_s):
        self._ticks_over = 0
        if self._tripped_s is None:
            self._tripped_s = now_s
        if cfg.overload_wait_s == 0 or s.latches & codes.LATCH_CARD_ONLY:
            self.closes_at_s = None
            return 0
        self.closes_at_s = self._tripped_s + cfg.overload_wait_s
        if now_s < self.closes_at_s:
            return 0
        self.closes_at_s = self._tripped_s = None
        self._closes_s[self._next] = now_s
        self._next = (self._next + 1) % _MAX_CLOSES
        return codes.EV_OVERLOAD_WAIT
