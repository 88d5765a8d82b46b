# SPDX-License-Identifier: Apache-2.0
"""Which rate is in force, and what it costs. The document a tariff comes from is described in tariff_doc.py.

Evaluated as the DLMS activity calendar is (IEC 62056-6-2 class 20): special day, else season, week, weekday;
then the last switch of that day at or before now. The tables are bytes: a whole tariff takes a few hundred.
"""

from micropython import const

from meter import unload
from meter.core.civil import EVERY_YEAR

_END_OF_DAY = const(1440)


class Tariff:
    """A checked tariff, made by parse(). Rates are indices into rate_names and prices_micro."""

    def __init__(self, title, code, rate_names, prices_micro):
        self.name = title
        self.currency = code
        self.rate_names = rate_names
        self.prices_micro = prices_micro
        self.fallback = 0
        self.days: tuple = (b"\0\0",)  # per profile, two bytes per switch: minute << 3 | rate
        self.weeks = bytes(7)  # seven profiles per week
        self.seasons = b"\1\1\0"  # month, day, week
        self.special = b""  # year - 2000, month, day, profile
        self.standing_micro = 0  # a day
        self.steps: tuple = ()  # see account.book()
        self.from_minute = 0  # of local time since 2000-01-01; until then the tariff before goes on

    def rate_until(self, year: int, month: int, day: int, weekday: int, minute_of_day: int) -> tuple:
        """(rate, minute of this day until which it holds) at a local time; 1440 is the end of the day.

        After that minute, on another date, and when the clock was set, ask again.
        """
        switches = self.days[self._profile(year - 2000, month, day, weekday)]
        until = _END_OF_DAY
        i = len(switches) - 2
        while True:
            switch = switches[i] << 8 | switches[i + 1]
            if switch >> 3 <= minute_of_day:
                return switch & 7, until
            until = switch >> 3
            i -= 2

    def rate_at(self, year: int, month: int, day: int, weekday: int, minute_of_day: int) -> int:
        """Rate at a local time; weekday 0 is Monday."""
        return self.rate_until(year, month, day, weekday, minute_of_day)[0]

    def _profile(self, year, month, day, weekday):
        special = self.special
        for i in range(0, len(special), 4):
            if special[i + 1] == month and special[i + 2] == day and special[i] in (year, EVERY_YEAR):
                return special[i + 3]
        seasons = self.seasons
        i = len(seasons) - 3
        week = seasons[i + 2]
        while i >= 0:
            if (seasons[i], seasons[i + 1]) <= (month, day):
                week = seasons[i + 2]
                break
            i -= 3
        return self.weeks[week * 7 + weekday]


def parse(doc) -> Tariff:
    """Tariff from a document (json.loads). ConfigError(path, reason) if anything in it is wrong."""
    from meter.core import tariff_doc

    try:
        return tariff_doc.read(doc)
    finally:
        unload("core.tariff_doc", "core.checks")
