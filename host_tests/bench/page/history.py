# SPDX-License-Identifier: Apache-2.0
"""What the page's plot remembers: power and credit over simulated time, bounded whatever the warp.

A point is [sim_s, mean_w, low_w, high_w, credit_micro, closed]: the power between the point before and this
one, the credit and the relay at its end. Resolution falls with age: a point covers at most 1/FINENESS of
its own age, so the last minute is second by second, last week hour by hour, and any stretch of time one
asks for is drawn from a similar number of points. Low and high survive thinning: no peak disappears.
"""

import math

FINENESS = 250
STEP_S = 1
LIMIT = 6000

T, MEAN, LOW, HIGH, CREDIT, CLOSED = range(6)


def _merge(before_s, a, b):
    """One point for two neighbours; `before_s` is the end of the point before `a`."""
    span_a, span_b = a[T] - before_s, b[T] - a[T]
    mean = (a[MEAN] * span_a + b[MEAN] * span_b) / (span_a + span_b)
    return [
        b[T],
        round(mean, 1),
        min(a[LOW], b[LOW]),
        max(a[HIGH], b[HIGH]),
        b[CREDIT],
        a[CLOSED] and b[CLOSED],
    ]


class History:
    """Bounded record of snapshots. `points` is what to send; `add()` returns the point it made, if any."""

    def __init__(self, limit=LIMIT):
        self.limit = limit
        self.points = []
        self.thinned = False
        self._pending = []
        self._thin_at = limit * 2 // 3

    def add(self, snapshot):
        """Book one snapshot. Returns the new point, or None while less than STEP_S has passed.

        `thinned` is True when older points changed too, and stays so until the caller resets it.
        """
        t, power_w = math.floor(snapshot["sim_s"] * 10) / 10, snapshot["phase_power_w"]
        if self.points and t < self.points[-1][T]:
            self.points.clear()
            self._pending.clear()
            self.thinned = True
        self._pending.append(power_w)
        if self.points and t - self.points[-1][T] < STEP_S:
            return None
        seen, self._pending = self._pending, []
        closed = bool(snapshot["powered"] and snapshot["relay"]["closed"])
        mean = round(sum(seen) / len(seen), 1)
        point = [t, mean, min(seen), max(seen), snapshot["credit_micro"], closed]
        self.points.append(point)
        if len(self.points) >= self._thin_at:
            self._thin()
        return point

    def _thin(self):
        """Merge neighbours where the pair covers no more than its age allows; end well below the limit."""
        fineness = FINENESS
        while True:
            self.points = self._thinner(fineness)
            if len(self.points) <= self.limit // 2:
                break
            fineness /= 2
        self._thin_at = min(self.limit, max(self.limit * 2 // 3, len(self.points) + self.limit // 6))
        self.thinned = True

    def _thinner(self, fineness):
        now_s = self.points[-1][T]
        kept = self.points[:1]
        for point in self.points[1:]:
            last = kept[-1]
            if len(kept) > 1:
                before_s = kept[-2][T]
                # Keep the moment of a trip sharp, unless there are more than leave room for anything else.
                same = last[CLOSED] == point[CLOSED] or fineness < FINENESS / 16
                if same and point[T] - before_s <= (now_s - before_s) / fineness:
                    kept[-1] = _merge(before_s, last, point)
                    continue
            kept.append(point)
        return kept
