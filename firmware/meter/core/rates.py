# SPDX-License-Identifier: Apache-2.0
"""Which rate of a tariff is in force, and what the next count costs. Loaded once a minute.

Evaluated as the DLMS activity calendar is (IEC 62056-6-2 class 20): special day, else season, week, weekday;
then the last switch of that day at or before now.
"""

from micropython import const

from meter.core.calendar import EVERY_YEAR

_END_OF_DAY = const(1440)


def rate_until(tariff, year: int, month: int, day: int, weekday: int, minute_of_day: int) -> tuple:
    """(rate, minute of this day until which it holds) at a local time; 1440 is the end of the day.

    After that minute, on another date, and when the clock was set, ask again.
    """
    switches = tariff.days[_profile(tariff, year - 2000, month, day, weekday)]
    until = _END_OF_DAY
    i = len(switches) - 2
    while True:
        switch = switches[i] << 8 | switches[i + 1]
        if switch >> 3 <= minute_of_day:
            return switch & 7, until
        until = switch >> 3
        i -= 2


def rate_at(tariff, year: int, month: int, day: int, weekday: int, minute_of_day: int) -> int:
    """Rate at a local time; weekday 0 is Monday."""
    return rate_until(tariff, year, month, day, weekday, minute_of_day)[0]


def _profile(tariff, year, month, day, weekday):
    special = tariff.special
    for i in range(0, len(special), 4):
        if special[i + 1] == month and special[i + 2] == day and special[i] in (year, EVERY_YEAR):
            return special[i + 3]
    seasons = tariff.seasons
    i = len(seasons) - 3
    week = seasons[i + 2]
    while i >= 0:
        if (seasons[i], seasons[i + 1]) <= (month, day):
            week = seasons[i + 2]
            break
        i -= 3
    return tariff.weeks[week * 7 + weekday]


def price(s, price_micro: int, steps: tuple) -> int:
    """What the next count costs, in millionths per kWh."""
    used = s.import_counts - s.month_counts
    for i in range(0, len(steps), 2):
        if used >= steps[i]:
            price_micro += steps[i + 1]
    return price_micro
