# SPDX-License-Identifier: Apache-2.0
"""Readings of the last twelve months and eight days: one record, two copies in FRAM (FORMAT.md, "Readings").

Read and written once a day, and for a card. The ledger has what they are taken from, so a damaged or torn record
costs old readings only, never money.
"""

import struct

from micropython import const

from meter.storage.map import READINGS_A as SLOT_A
from meter.storage.map import READINGS_B as SLOT_B
from meter.storage.twin import Twin

SIZE = const(188)
MAGIC = const(0x4D50)  # "PM"
MONTHS_AT = const(8)
DAYS_AT = const(104)
_BODY = const(184)
_MONTH_N = const(8)  # month u16, counts u48
_DAY = "<Hq"
_DAY_N = const(10)
_WEEK = const(7)


class Readings(Twin):
    """The newest sound record, or an empty one. Raises BusError, as does store()."""

    def __init__(self, fram):
        super().__init__(fram, SLOT_A, SLOT_B, SIZE, MAGIC)

    def month_began(self, month: int, counts: int) -> None:
        """All months before this one ended with these counts, as far as they have no reading."""
        buf = self.buf
        newest = struct.unpack_from("<H", buf, MONTHS_AT)[0]
        for ended in range(max(newest + 1, month - 12) if newest else month - 1, month):
            buf[MONTHS_AT + _MONTH_N : DAYS_AT] = bytes(buf[MONTHS_AT : DAYS_AT - _MONTH_N])
            struct.pack_into("<HIH", buf, MONTHS_AT, ended, counts & 0xFFFF_FFFF, counts >> 32)
            self.changed = True

    def put_months(self, ends) -> None:
        """Months whose readings a wrong clock has pushed out, newest first: what is there is not changed."""
        at = MONTHS_AT
        most = 0
        for month, counts in ends:
            then = 0
            while at < DAYS_AT:
                then, low, high = struct.unpack_from("<HIH", self.buf, at)
                if then <= month:
                    break
                most = low | high << 32
                at += _MONTH_N
            if at >= DAYS_AT:
                return
            if not then and counts <= most:
                struct.pack_into("<HIH", self.buf, at, month, counts & 0xFFFF_FFFF, counts >> 32)
                self.changed = True

    def day_began(self, day: int, spent_micro: int) -> None:
        """All energy and charges had cost spent_micro when this day began."""
        buf = self.buf
        if struct.unpack_from(_DAY, buf, DAYS_AT)[0] < day:
            buf[DAYS_AT + _DAY_N : _BODY] = bytes(buf[DAYS_AT : _BODY - _DAY_N])
            struct.pack_into(_DAY, buf, DAYS_AT, day, spent_micro)
            self.changed = True

    def forget(self, month: int, counts: int, day: int) -> None:
        """What a clock that was wrong has left: this month's end and later ones, ends with more than it began with
        (counts), this day and later ones."""
        buf = self.buf
        for at, n, end, first in ((MONTHS_AT, _MONTH_N, DAYS_AT, month), (DAYS_AT, _DAY_N, _BODY, day)):
            while True:
                then, low, high = struct.unpack_from("<HIH", buf, at)
                if not then or (then < first and (at != MONTHS_AT or low | high << 32 <= counts)):
                    break
                buf[at:end] = bytes(buf[at + n : end]) + bytes(n)
                self.changed = True

    def spent(self, day: int):
        """What all had cost when this day began; None when not known."""
        for at in range(DAYS_AT, _BODY, _DAY_N):
            then, spent_micro = struct.unpack_from(_DAY, self.buf, at)
            if then == day:
                return spent_micro
        return None

    def daily_micro(self) -> int:
        """What a day has cost in the mean of the last seven; 0 when not known."""
        day, spent_micro = struct.unpack_from(_DAY, self.buf, DAYS_AT)
        for at in range(_BODY - _DAY_N, DAYS_AT, -_DAY_N):
            then, before_micro = struct.unpack_from(_DAY, self.buf, at)
            if then and day - _WEEK <= then < day:
                return (spent_micro - before_micro) // (day - then)
        return 0
