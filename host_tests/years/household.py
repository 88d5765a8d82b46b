# SPDX-License-Identifier: Apache-2.0
"""An ordinary household, day after day: the recorded one (vectors/README.md), and what minute means do not show.

Its three whole days come in turn, each day of its own size, with motors that start, dips of the mains, an outage a
month, and sun on the roof where there is any. A holiday of two weeks twice a year leaves what is never switched off.
Everything random comes from the seed.
"""

import random
from math import pi, sin
from pathlib import Path
from typing import NamedTuple

from meter.core import codes

from host_tests.years import trace

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
DAY_MIN = 1440


def rows() -> list:
    """The recorded household's three whole days, a row a minute."""
    data = trace.read(VECTORS / "household-minute.csv")
    first = next(i for i, row in enumerate(data.rows) if row.at_s % 86_400 == 0)
    return data.rows[first : first + 3 * DAY_MIN]


class Span(NamedTuple):
    """How things are for some seconds. Per phase: (u_mv, p_mw, q_mvar)."""

    seconds: int
    phases: tuple


class Household:
    """day(n) gives the spans of each step of a day; None: an hour without mains begins.

    step_min: only one row in this many minutes is taken, for as long: coarser, and as much faster.
    """

    def __init__(self, rows, phases=1, solar=False, holidays=True, seed=1, holiday_days=14, step_min=1):
        self.rows = rows
        self.phases = phases
        self.solar = solar
        self.holidays = holidays
        self.holiday_days = holiday_days
        self.step_min = step_min
        self.seed = seed
        self.share = 1000  # of the current the sensor sees, 1/1000: less for a bypass
        self.bypassed = range(0)  # days on which it is less
        self.expected = []  # (day, minute, code) of disturbances that last

    def away(self, day: int) -> bool:
        """Two weeks in the summer and two in the winter, from day 63 on: by then a fortnight can be compared."""
        return self.holidays and 63 <= day % 182 < 63 + self.holiday_days

    def day(self, day: int):
        """The spans of a day, a step at a time."""
        rng = random.Random(self.seed * 100_003 + day)
        scale = [self._scale(rng, day) for _ in range(self.phases)]
        motors = {self._when(rng): (rng.randrange(self.phases), *rng.choice(_MOTORS)) for _ in range(24)}
        dips = self._dips(rng, day)
        outage = rng.randrange(23) * 60 if day % 30 == 17 else -1
        clouds = rng.uniform(0.3, 1.0)
        leaves, returns = (self.away(day), not self.away(day - 1)), (not self.away(day), self.away(day - 1))
        minute = 0
        while minute < DAY_MIN:
            if minute == outage:
                yield None
                minute += 60
                continue
            at_home = not self.away(day)
            if all(leaves):
                at_home = minute < 600
            elif all(returns):
                at_home = minute > 1080
            loads = [self._load(rng, day, minute, n, scale[n], at_home, clouds) for n in range(self.phases)]
            yield self._spans(loads, motors.get(minute), dips.get(minute))
            minute += self.step_min

    def _when(self, rng):
        return rng.randrange(DAY_MIN) // self.step_min * self.step_min

    def _scale(self, rng, day):
        season = 1 + 0.35 * sin(2 * pi * (day + 90) / 365)
        return max(0.3, rng.gauss(1, 0.25)) * season * (1 if self.phases == 1 else 0.5)

    def _load(self, rng, day, minute, n, scale, at_home, clouds):
        row = self.rows[((day + n) % 3 * DAY_MIN + minute) % len(self.rows)]
        p, q = int(row.p_mw * scale), int(row.q_mvar * scale)
        if at_home and 1080 <= minute < 1230:
            p += 1_500_000  # the evening's cooking
        if not at_home:
            # A freezer, a router, what stands by: the same every day.
            cooling = (minute + 17 * n) % 45 < 15
            p, q = (140_000, 90_000) if cooling else (60_000, 25_000)
            p += rng.randrange(10_000)
        if self.solar and 480 <= minute < 1080:
            p -= int(4_000_000 * clouds * sin(pi * (minute - 480) / 600)) // self.phases
        if day in self.bypassed:
            p, q = p * self.share // 1000, q * self.share // 1000
        return row.u_mv, p, q

    def _dips(self, rng, day):
        """Minute -> (seconds, mV) or (60, ...) for the minutes of a longer one."""
        dips = {}
        for _ in range(rng.randrange(3)):
            dips[self._when(rng)] = (rng.choice((5, 10, 30)), 150_000)
        if day % 6 == 2:
            first = rng.randrange(DAY_MIN - 30)
            for minute in range(first, first + rng.randrange(3, 25)):
                dips[minute] = (60, 190_000)
        if day % 45 == 20:
            first = 200 + rng.randrange(200)
            for minute in range(first, first + 4):
                dips[minute] = (60, 168_000 if day % 90 == 20 else 279_000)
            code = codes.LOG_UNDER_VOLTAGE if day % 90 == 20 else codes.LOG_OVER_VOLTAGE
            self.expected.append((day, first, code))
        return dips

    def _spans(self, loads, motor, dip):
        whole = 60 * self.step_min
        if motor:
            n, seconds, p, q = motor
            hit = [(u - 9000, p1 + p, q1 + q) if i == n else (u, p1, q1) for i, (u, p1, q1) in enumerate(loads)]
            return [Span(seconds, tuple(hit)), Span(whole - seconds, tuple(loads))]
        if dip:
            seconds, u = dip
            low = tuple((u, p, q) for _, p, q in loads)
            return [Span(seconds, low), Span(whole - seconds, tuple(loads))] if seconds < 60 else [Span(whole, low)]
        return [Span(whole, tuple(loads))]


# Seconds, mW and mvar of a start: refrigerator, washing machine, water pump, air conditioner.
_MOTORS = (
    (5, 500_000, 1_300_000),
    (5, 900_000, 1_800_000),
    (10, 2_500_000, 5_500_000),
    (15, 2_000_000, 6_000_000),
)
