# SPDX-License-Identifier: Apache-2.0
"""Calendar arithmetic: seconds since 2000-01-01T00:00:00Z, civil dates (Gregorian), local time.

2000 as origin keeps `utc_s` a small integer on a 32-bit interpreter until 2034. Weekday 0 is Monday.
Years 1999 to 2135 (what 32 bits of seconds reach); nothing here reads a clock.

What a daylight-saving rule is: dst.py.
"""

from micropython import const

from meter import heap

UNIX_2000 = const(946_684_800)
_DAY_S = const(86_400)
_MONTH_DAYS = b"\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"

EVERY_YEAR = const(255)  # in a table of days, where others have year - 2000

BASIS_UTC = const(0)
BASIS_STANDARD = const(1)  # local standard time, both switches
BASIS_WALL = const(2)  # what the clock on the wall shows just before the switch

DST_EU = ((3, 5, 6, 60), (10, 5, 6, 60), 60, BASIS_UTC)


def to_unix(utc_s: int) -> int:
    """Seconds since 1970; add here and nowhere else."""
    return utc_s + UNIX_2000


def from_unix(unix_s: int) -> int:
    """Seconds since 2000 from seconds since 1970."""
    return unix_s - UNIX_2000


def month_days(year: int, month: int) -> int:
    """Days in a month, 1..12."""
    if month == 2 and year % 4 == 0 and (year % 100 or year % 400 == 0):
        return 29
    return _MONTH_DAYS[month - 1]


def days(year: int, month: int, day: int) -> int:
    """Days from 2000-01-01 to a date; the date is not checked."""
    y = year - 2000
    n = y * 365 + (y + 3) // 4 - (y + 99) // 100 + (y + 399) // 400 + day - 1
    for m in range(1, month):
        n += month_days(year, m)
    return n


def date(n: int) -> tuple:
    """(year, month, day) from days since 2000-01-01."""
    year = 2000 + n // 366
    while n >= days(year + 1, 1, 1):
        year += 1
    n -= days(year, 1, 1)
    month = 1
    while n >= month_days(year, month):
        n -= month_days(year, month)
        month += 1
    return year, month, n + 1


def weekday(n: int) -> int:
    """0 Monday .. 6 Sunday from days since 2000-01-01, which was a Saturday."""
    return (n + 5) % 7


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """utc_s of a civil UTC time; the fields are not checked."""
    return days(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second


def fields(utc_s: int) -> tuple:
    """(year, month, day, weekday, hour, minute, second) of utc_s."""
    n, s = divmod(utc_s, _DAY_S)
    year, month, day = date(n)
    return year, month, day, weekday(n), s // 3600, s // 60 % 60, s % 60


class Zone:
    """Local time by a fixed offset and an optional daylight-saving rule.

    The stretch between two switches is remembered, so that on the tick path an offset is two comparisons.
    """

    def __init__(self, utc_offset_min: int, dst=None):
        self._standard_s = utc_offset_min * 60
        self._dst: tuple = dst or ()
        self._offset_s = self._standard_s
        self._from = self._until = 0
        self._day = 0
        self._date = (2000, 1, 1)

    def offset_s(self, utc_s: int) -> int:
        """Local time minus UTC, in seconds, at utc_s."""
        if self._dst and not self._from <= utc_s < self._until:
            self._find(utc_s)
        return self._offset_s

    def fields(self, utc_s: int) -> tuple:
        """(year, month, day, weekday, hour, minute, second) of local time."""
        n, s = divmod(utc_s + self.offset_s(utc_s), _DAY_S)
        if n != self._day:
            self._date = date(n)
            self._day = n
        d = self._date
        return d[0], d[1], d[2], weekday(n), s // 3600, s // 60 % 60, s % 60

    def _find(self, utc_s):
        heap.borrow("dst")  # twice a year
        try:
            from meter.core import dst

            self._from, self._until, self._offset_s = dst.stretch(self._dst, self._standard_s, utc_s)
        finally:
            heap.give_back("dst")
