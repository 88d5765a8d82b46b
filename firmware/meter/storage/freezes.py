# SPDX-License-Identifier: Apache-2.0
"""All registers as they stood at midnights and at month-ends: two rings on raw flash (FORMAT.md, "Frozen registers").

67 days and 25 months at least, with a restart before each, which costs a slot of the ring. A reading stands for all
days (or months) from `first` to `last`: where the meter was off over several midnights they all began with the same
registers. It shows them before the first tick of that day, and before that day's charges.
"""

import struct

from micropython import const

from meter.storage.map import DAYS_BLOCKS, DAYS_FIRST, DAYS_KIND, MONTHS_BLOCKS, MONTHS_FIRST, MONTHS_KIND

SIZE = const(692)
_HEAD = const(16)  # number u32, utc_s u32, first u16, last u16, minutes u32
_IMAGE_AT = const(304)  # Registers.image(): 256 of the rates, 128 of the maxima
_IMAGE_N = const(384)
_MAXIMA_AT = const(560)
_BLOCK = const(4080)
_NEVER = const(0xFFFF)
_YEAR_DAYS = const(366)
_YEAR_MONTHS = const(13)
_SOON_S = const(90_000)  # a clock set back by a day, with an hour of summer time, has taken no reading of the future


class Frozen:
    """One ring of readings. Raises StorageError."""

    def __init__(self, dev, months: bool = False):
        from meter.storage.ring import Ring  # not at the start, when nothing is frozen

        if months:
            self.ring = Ring(dev, MONTHS_FIRST, MONTHS_BLOCKS, SIZE, MONTHS_KIND)
        else:
            self.ring = Ring(dev, DAYS_FIRST, DAYS_BLOCKS, SIZE, DAYS_KIND)
        self._most = (MONTHS_BLOCKS if months else DAYS_BLOCKS) * (_BLOCK // SIZE)
        self._far = _YEAR_MONTHS if months else _YEAR_DAYS
        self.ring.open()
        self.buf = bytearray(SIZE)

    def back(self):
        """(utc_s, first, last, import_counts) of each reading, newest first; it is in buf then."""
        number = self.ring.next_number
        oldest = max(0, number - self._most)
        while number > oldest:
            number -= 1
            if self.ring.read_into(number, self.buf):
                _, utc_s, first, last, _, counts = struct.unpack_from("<IIHHIQ", self.buf, 0)
                yield utc_s, first, last, counts

    def reading(self, day: int, today: int, now_s: int) -> tuple:
        """(first, last, import_counts, utc_s) of the reading that stands for that day, or of the latest day before;
        zeros when there is none. today: the last day there can be a reading of, by the clock that says now_s.

        A clock that was wrong may have left others. Those of days to come, or taken at a time to come, are its, and
        so are those of a year before. From the first day of a newer reading on, an older one does not count."""
        best = (0, 0, 0, 0)
        until = _NEVER
        for utc_s, first, last, counts in self.back():
            if last > today or utc_s > now_s + _SOON_S or last + self._far < day:
                continue
            last = min(last, until)
            until = min(until, first - 1)
            if first <= day and first <= last and last > best[1]:
                best = first, last, counts, utc_s
            if best[1] >= day - 1:
                break
        return best

    def ends(self, last: int, first: int):
        """(month, import_counts at its end) from the last month back to the first, as far as there are readings."""
        for _, oldest, newest, counts in self.back():
            if newest <= last:
                for month in range(newest, max(oldest, first) - 1, -1):
                    yield month, counts
                last = oldest - 1
            if last < first:
                break

    def peaks(self):
        """(counts, utc_s) of the maxima in the reading that is in buf."""
        return [struct.unpack_from("<II", self.buf, at) for at in range(_MAXIMA_AT, SIZE - 4, 8)]

    def snapshot(self) -> bytes:
        """Of the reading that is in buf, as keep() had it."""
        return bytes(self.buf[_HEAD:_IMAGE_AT])

    def keep(self, snapshot, image, minutes: int, utc_s: int, first: int, last: int) -> None:
        """Write registers. snapshot: of snapshot.py; image and minutes: of registers.py."""
        buf = self.buf
        struct.pack_into("<IIHHI", buf, 0, 0, utc_s, first, last, minutes)
        buf[_HEAD:_IMAGE_AT] = snapshot
        buf[_IMAGE_AT : _IMAGE_AT + _IMAGE_N] = image
        self.ring.append(buf)
