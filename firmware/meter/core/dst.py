# SPDX-License-Identifier: Apache-2.0
"""Daylight saving: from which second to which local time is how far from UTC. Loaded when a stretch has ended.

A rule is (start, end, shift_min, basis). Start and end are (month, week, weekday, minute of day): week 1..4, or
5 for the last; `basis` (civil.BASIS_*) says which clock shows that minute. An end that comes before the start in
the year is the southern hemisphere. The two must fall in different months.
"""

from micropython import const

from meter.core import civil

_DAY_S = const(86_400)


def stretch(rule: tuple, standard_s: int, utc_s: int) -> tuple:
    """(from, until, offset_s): the time around utc_s in which local time minus UTC is offset_s, as utc_s.

    standard_s: the offset without daylight saving.
    """
    start, end, shift_min, basis = rule
    year = civil.date((utc_s + standard_s) // _DAY_S)[0]
    on = _switch(year, start)
    off = _switch(year, end)
    if basis != civil.BASIS_UTC:
        on -= standard_s
        off -= standard_s
        if basis == civil.BASIS_WALL:
            off -= shift_min * 60
    summer = on <= utc_s < off if on < off else not off <= utc_s < on
    offset_s = standard_s + (shift_min * 60 if summer else 0)
    first = min(on, off)
    last = max(on, off)
    if utc_s < first:
        return civil.days(year, 1, 1) * _DAY_S - standard_s, first, offset_s
    if utc_s < last:
        return first, last, offset_s
    return last, civil.days(year + 1, 1, 1) * _DAY_S - standard_s, offset_s


def _switch(year, edge):
    """Seconds at which a rule's edge falls in a year, in the rule's own time."""
    month, week, weekday, minute = edge
    first = civil.days(year, month, 1)
    n = first + (weekday - civil.weekday(first)) % 7 + 7 * (week - 1)
    if n >= first + civil.month_days(year, month):
        n -= 7
    return n * _DAY_S + minute * 60
