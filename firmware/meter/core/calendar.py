# SPDX-License-Identifier: Apache-2.0
"""Calendar arithmetic: seconds since 2000-01-01T00:00:00Z and civil dates (Gregorian). Local time: zone.py.

2000 as origin keeps `utc_s` a small integer on a 32-bit interpreter until 2034. Weekday 0 is Monday.
Years 1999 to 2135 (what 32 bits of seconds reach); nothing here reads a clock.
"""

from micropython import const

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
