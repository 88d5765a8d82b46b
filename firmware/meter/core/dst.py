# SPDX-License-Identifier: Apache-2.0
"""Daylight saving: from which second to which local time is how far from UTC. Loaded when a stretch has ended.

A rule is (start, end, shift_min, basis). Start and end are (month, week, weekday, minute): week 1..4, or 5 for the
last; weekday 7: `week` is the day of the month instead. The minutes count from that day's midnight, and may be of
another day (POSIX allows -167 to 167 hours): 24 hours in Egypt, 50 in Gaza, -1 in Greenland. `basis` (calendar.BASIS_*)
says which clock shows them. An end that comes before the start in the year is the southern hemisphere. The two must
be of different months.
"""

from micropython import const

from meter.core import calendar

_DAY_S = const(86_400)
_DATE = const(7)  # in a weekday's place


def stretch(rule: tuple, standard_s: int, utc_s: int) -> tuple:
    """(from, until, offset_s): the time around utc_s in which local time minus UTC is offset_s, as utc_s.

    standard_s: the offset without daylight saving.
    """
    start, end, shift_min, basis = rule
    year = calendar.date((utc_s + standard_s) // _DAY_S)[0]
    start_s = end_s = 0 if basis == calendar.BASIS_UTC else standard_s
    if basis == calendar.BASIS_WALL:
        end_s += shift_min * 60
    edges = []
    # The years before and after, too: an edge may be in another year than its month.
    for y in range(year - 1, year + 2):
        edges.append((_switch(y, start) - start_s, shift_min))
        edges.append((_switch(y, end) - end_s, 0))
    edges.sort()
    i = len(edges) - 2
    while edges[i][0] > utc_s:
        i -= 1
    return edges[i][0], edges[i + 1][0], standard_s + edges[i][1] * 60


def _switch(year, edge):
    """Seconds at which a rule's edge falls in a year, in the rule's own time."""
    month, week, weekday, minute = edge
    first = calendar.days(year, month, 1)
    if weekday == _DATE:
        return (first + week - 1) * _DAY_S + minute * 60
    n = first + (weekday - calendar.weekday(first)) % 7 + 7 * (week - 1)
    if n >= first + calendar.month_days(year, month):
        n -= 7
    return n * _DAY_S + minute * 60
