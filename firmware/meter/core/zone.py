# SPDX-License-Identifier: Apache-2.0
"""Local time: seconds since 2000 to what the household's clock shows. What a daylight-saving rule is: dst.py."""

from micropython import const

from meter import heap
from meter.core import calendar

_DAY_S = const(86_400)


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
            self._date = calendar.date(n)
            self._day = n
        d = self._date
        return d[0], d[1], d[2], calendar.weekday(n), s // 3600, s // 60 % 60, s % 60

    def _find(self, utc_s):
        heap.borrow("dst")  # twice a year
        try:
            from meter.core import dst

            self._from, self._until, self._offset_s = dst.stretch(self._dst, self._standard_s, utc_s)
        finally:
            heap.give_back("dst")
