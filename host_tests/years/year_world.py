# SPDX-License-Identifier: Apache-2.0
"""What happens in the simulated year: the household's load, the documents, and the days on which something goes wrong.

Times are those of a right clock. The trace (host_tests/vectors) is looped, a row a minute. A house of three phases has
it on each of them, displaced; sun on the roof feeds in at midday, capacitors turn reactive energy round. The IC's
totals are those of the sum of phases, so they are not the sum of the phase registers. Around what happens, the load is
a ramp above the trace's highest, rising all month and by a step with each event: there each interval is a new maximum,
and a wrong one shows.
"""

import random
from datetime import datetime, timedelta
from math import isqrt
from pathlib import Path

from host_tests.years import trace
from host_tests.years.year_oracle import EPOCH, Zone, last_sunday, seconds

TRACE = Path(__file__).parents[1] / "vectors" / "household-minute.csv"
COUNT_MWS = 11_250  # 3125 µWh
_RAMP_S = 2700
_ENERGIES = ("import_counts", "export_counts", "q_import_counts", "q_export_counts")

SETTINGS = {
    "one": {
        "meter_number": "1", "phases": 1, "utc_offset_min": 60, "dst": "eu", "initial_credit": "40",
        "debt_per_day": "0.07", "debt_percent": 15, "demand_min": 15, "billing_day": 1,
    },
    "three": {
        "meter_number": "3", "phases": 3, "utc_offset_min": 120, "dst": "eu", "initial_credit": "40",
        "debt_per_day": "0.11", "debt_percent": 0, "demand_min": 30, "billing_day": 23, "exports": True,
    },
}  # fmt: skip
_WORK, _REST = ["work"] * 5, ["rest"] * 2
TARIFF = {
    "name": "First", "currency": "EUR", "standing": "0.213", "fallback": "high",
    "rates": [{"name": "low", "price": "0.173"}, {"name": "high", "price": "0.291007"}, {"name": "sun", "price": "0"}],
    "days": {
        "work": [["00:00", "low"], ["06:30", "high"], ["21:45", "low"]],
        "rest": [["00:00", "low"], ["02:30", "high"], ["09:07", "low"], ["20:00", "high"]],
        "bright": [["00:00", "low"], ["07:00", "high"], ["12:00", "sun"], ["14:30", "high"], ["22:00", "low"]],
        "feast": [["00:00", "low"]],
    },
    "weeks": {"winter": _WORK + _REST, "summer": ["bright"] * 5 + _REST},
    "seasons": [["03-15", "summer"], ["10-01", "winter"]],
    "special_days": [["2026-04-06", "feast"], ["*-12-25", "feast"], ["2026-06-04", "work"]],
    "steps": [[300, "0.031"], [900, "0.04"], [1400, "-0.015003"]],
    "signals": [
        ["2026-03-18 17:00", "2026-03-18 22:30", "0.9", "Peak"],
        ["2026-03-24 22:00", "2026-03-25 02:00", "0.05", "Wind"],
        ["2026-03-29 01:30", "2026-03-29 04:10", "0.7", "Spring"],
        ["2026-03-31 23:30", "2026-04-01 00:45", "0.8", "Month end"],
    ],
}  # fmt: skip
SECOND = {
    **TARIFF,
    "name": "Second", "standing": "0.3", "steps": [[280, "0.05"], [800, "0.019999"], [1500, "0.1"]],
    "rates": [{"name": "high", "price": "0.333333"}, {"name": "low", "price": "0.2"}, {"name": "sun", "price": "0.01"}],
    "signals": TARIFF["signals"][1:],
}  # fmt: skip
LATER = {
    **SECOND,
    "name": "Later", "from": "2026-04-02 18:15", "standing": "0.29",
    "rates": [*SECOND["rates"], {"name": "night", "price": "0.11"}],
    "days": {**TARIFF["days"], "feast": [["00:00", "night"]], "work": [["00:00", "night"], ["07:30", "high"]]},
    "signals": [
        ["2026-10-25 01:00", "2026-10-25 02:30", "0.6", "Autumn"],
        ["2026-10-31 23:00", "2026-11-01 01:00", "0.4", "All Saints"],
    ],
}  # fmt: skip

# (local time, what, how long or how much). Clocks are set by seconds, and come right again before long.
STORY = (
    ("01-10 23:57:56", "set", 240), ("01-11 12:00:01", "set", -240), ("01-20 22:10:20", "off", 12_600),
    ("02-11 06:29:50", "off", 25), ("02-28 21:00:05", "off", 90_000), ("03-03 18:00:40", "buy", 310_000_000),
    ("03-05 23:40:11", "off", 3300), ("03-07 23:58:56", "set", 240), ("03-09 00:02:58", "set", -300),
    ("03-10 06:31:55", "set", -120), ("03-10 12:44:40", "set", 180), ("03-11 17:00:20", "off", 180_000),
    ("03-14 12:34:21", "tariff", 1), ("03-16 17:14:55", "off", 4), ("03-17 00:00:00", "lost", 86_400),
    ("03-19 17:10:20", "lost", 45), ("03-19 17:22:50", "lost", 20), ("03-19 18:03:12", "lost", 700),
    ("03-19 18:09:30", "off", 60), ("03-20 12:00:10", "lost", 61), ("03-22 13:13:13", "tariff", 2),
    ("03-22 23:58:00", "off", 240), ("03-25 07:00:00", "buy", 400_000_001), ("03-27 06:58:10", "off", 30),
    ("03-27 18:45:00", "set", 120), ("03-28 06:00:30", "set", -120), ("03-30 14:29:58", "set", 5),
    ("03-30 14:40:58", "set", -5), ("03-31 13:00:10", "deaf", 400), ("04-01 00:03:57", "set", -300),
    ("04-02 09:59:30", "set", 300), ("04-05 09:10:30", "interval", 10), ("04-09 19:20:20", "interval", 0),
    ("04-30 23:50:00", "off", 115_800), ("05-10 10:00:20", "set", 7200), ("05-12 10:00:20", "set", -7200),
    ("05-23 00:00:00", "off", 1), ("06-28 15:00:00", "off", 2_959_200), ("08-22 23:59:59", "off", 2),
    ("09-20 17:00:00", "set", 86_400), ("09-24 09:00:00", "set", -86_400), ("10-01 00:00:00", "lost", 600),
    ("10-24 23:10:00", "set", -60), ("10-25 01:30:10", "off", 10_000), ("10-27 11:11:11", "set", 60),
    ("11-30 23:59:30", "lost", 3600), ("12-24 12:00:00", "deaf", 90_000),
)  # fmt: skip

ILL = (
    ("04-11 23:50:00", "flash", 300), ("04-13 06:59:30", "fram", 300), ("04-14 23:40:00", "flash", 30_000),
    ("04-16 23:30:00", "fram", 7200),
)  # fmt: skip

DOCUMENTS = {0: (TARIFF, None), 1: (SECOND, LATER), 2: (TARIFF, LATER), 3: (LATER, None)}
HOLDS_FROM = datetime(2026, 4, 3)  # where a story that begins later begins with the last of them


class House:
    """Energy at the meter, in whole counts; what is left of one is kept for the next time."""

    def __init__(self, settings: dict, schedule: "Schedule"):
        self.rows = trace.read(TRACE).rows
        self.phases = settings["phases"]
        self.schedule = schedule
        self.left = {}

    def loads(self, utc_s: int) -> list:
        """(mW, mvar) of each phase."""
        minute = utc_s // 60
        of_day = minute % 1440
        season = 2 + abs((minute // 1440 - 170) % 365 - 182) // 40
        sun_mw = max(0, (of_day - 420) * (1000 - of_day)) * season * (9 if self.phases == 3 else 3)
        loads = []
        ramp_mw = self.schedule.ramp_mw(utc_s)
        if ramp_mw:
            return [(ramp_mw // self.phases, 300_000)] * self.phases
        for phase in range(self.phases):
            row = self.rows[(minute + phase * 1733) % len(self.rows)]
            sun = sun_mw if phase == self.phases - 1 else 0
            loads.append((row.p_mw * (3 - phase) // self.phases - sun, row.q_mvar - 130_000 - 60_000 * phase))
        return loads

    def _counts(self, key, mws):
        """Signed energy since the last time as (forward, reverse)."""
        mws += self.left.get(key, 0)
        counts = abs(mws) // COUNT_MWS
        self.left[key] = (abs(mws) - counts * COUNT_MWS) * (1 if mws >= 0 else -1)
        return (counts, 0) if mws >= 0 else (0, counts)

    def use(self, utc_s: int, lasted_s: int) -> dict:
        """What the IC has counted by utc_s, since some seconds before."""
        loads = self.loads(utc_s - 1)
        p = sum(p for p, _ in loads)
        q = sum(q for _, q in loads)
        four = self._counts("p", p * lasted_s) + self._counts("q", q * lasted_s)
        counts = dict(zip(_ENERGIES, four, strict=True))
        # Apparent energy is read every five seconds.
        self.left["va_mws"] = self.left.get("va_mws", 0) + sum(isqrt(p * p + q * q) for p, q in loads) * lasted_s
        counts["va_counts"] = 0
        if utc_s % 5 == 0 or lasted_s > 5:
            counts["va_counts"], self.left["va_mws"] = divmod(self.left["va_mws"], COUNT_MWS)
        if self.phases == 3:
            each = [self._counts(phase, loads[phase][0] * lasted_s) for phase in range(3)]
            each_q = [self._counts(phase + 10, loads[phase][1] * lasted_s) for phase in range(3)]
            counts["phases"] = [pair[way] for pairs in (each, each_q) for way in (0, 1) for pair in pairs]
        return counts


class Schedule:
    """When the meter ticks on a day, and what happens on it. every_s: between two ticks, but for the times at which
    something begins, ends or is decided: there it ticks each second."""

    def __init__(self, settings: dict, every_s: int = 60, more: tuple = ()):
        self.all = STORY + more
        self.settings = settings
        self.zone = Zone(settings["utc_offset_min"])
        self.every_s = every_s
        self.random = random.Random(4711)
        self.ramps = []  # (from, until), as utc_s
        for at, _, much in self.all:
            begins = self.utc(datetime.fromisoformat(f"2026-{at}"))
            self.ramps.append((begins - _RAMP_S, begins + min(max(much, 0), 86_400) + _RAMP_S))

    def ramp_mw(self, utc_s: int) -> int:
        """The load at a time around what happens, else 0."""
        if not any(begins <= utc_s < ends for begins, ends in self.ramps):
            return 0
        now = EPOCH + timedelta(seconds=utc_s)
        since = now - timedelta(days=(now.day - self.settings["billing_day"]) % 31)
        month_s = seconds(datetime(since.year, since.month, since.day))
        steps = sum(month_s <= begins + _RAMP_S < utc_s for begins, _ in self.ramps)
        return 9_000_000 + 800_000 * steps + 4 * (utc_s - month_s)

    def utc(self, local: datetime) -> int:
        """The first time at which a clock on the wall shows this, or would have."""
        utc_s = seconds(local) - 60 * self.zone.offset_min
        return utc_s - 3600 if self.zone.local(utc_s - 3600) == local else utc_s

    def story(self, day) -> list:
        """(utc_s, what, how much) of a day."""
        found = []
        for at, what, much in self.all:
            moment = datetime.fromisoformat(f"2026-{at}")
            if moment.date() == day:
                found.append((self.utc(moment), what, much))
        if day.day in (8, 20) and day.month != 3:
            found.append((self.utc(datetime(day.year, day.month, day.day, 17, 5, 5)), "buy", 300_000_000 + day.month))
        return sorted(found)

    def ticks(self, day, behind_s: int) -> list:
        """All ticks of a local day, whose clock is this many seconds slow."""
        begins = self.utc(datetime(day.year, day.month, day.day))
        ends = self.utc(datetime(day.year, day.month, day.day) + timedelta(1))
        rand = self.random.randrange
        out = {minute + rand(60) for minute in range(begins, ends, self.every_s)}
        for first, last in self.ramps:  # minutes of equal length: their ends are ticks
            out.update(range(max(first, begins) // 30 * 30 + 29, min(last, ends), 30))
        around = []
        for edge, begun in ((begins, day), (ends, day + timedelta(1))):
            around.append((edge, 90 if begun.day in (1, self.settings["billing_day"]) else 3))
        for month in (3, 10):
            around.append((seconds(last_sunday(day.year, month)), 100))
        for text in ("02:30", "06:30", "07:00", "09:07", "12:00", "14:30", "17:00", "20:00", "21:45", "22:00"):
            around.append((self.utc(datetime.fromisoformat(f"{day} {text}")), 1))
        around.extend((at, 4) for at, _, _ in self.story(day))
        if rand(3) == 0:
            around.append((begins + rand(86_400), 150))
        if self.every_s > 60:  # some intervals must be metered whole
            evening = self.utc(datetime(day.year, day.month, day.day, 16, 41))
            for minute in range(evening, evening + 5400, 60):
                out.add(minute + rand(60))
            out.update(range(begins, begins + 240, 60))
            out.update(range(ends - 4200 + 33, ends, 60))
        for at, wide in around:
            out.update(range(at + behind_s - wide, at + behind_s + wide + 1))
        return sorted(at for at in out if begins <= at < ends)
