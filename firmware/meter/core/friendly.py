# SPDX-License-Identifier: Apache-2.0
"""Hours and days in which credit alone switches nobody off: when no shop is open, no supply is lost.

A rule is (from minute, until minute, weekend, holidays): from equal to until is no hours, from after until goes
through midnight; holidays has three bytes each: year - 2000 or EVERY_YEAR, month, day. All by local time.
"""

from meter.core.calendar import EVERY_YEAR


def is_friendly(rule, local) -> bool:
    """Does the rule hold at a local time (civil.fields)? No time, or no rule: no."""
    if not rule or not local:
        return False
    begin, end, weekend, holidays = rule
    minute = local[4] * 60 + local[5]
    if begin <= minute < end or (end < begin and not end <= minute < begin):
        return True
    if weekend and local[3] >= 5:
        return True
    for i in range(0, len(holidays), 3):
        if holidays[i + 1] == local[1] and holidays[i + 2] == local[2] and holidays[i] in (local[0] - 2000, EVERY_YEAR):
            return True
    return False
