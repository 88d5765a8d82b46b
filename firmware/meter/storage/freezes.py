# SPDX-License-Identifier: Apache-2.0
"""All registers as they stood at midnights and at month-ends: two rings on raw flash (FORMAT.md, "Frozen registers").

67 days and 25 months at least, with a restart before each, which costs a slot of the ring. A reading stands for all
days (or months) from `first` to `last`: where the meter was off over several midnights they all began with the same
registers. It shows them before the first tick of that day, and before that day's charges.
"""

import struct

from micropython import const

from meter.storage.ring import Ring

DAYS_FIRST = const(157)  # blocks of the partition
DAYS_BLOCKS = const(24)
DAYS_KIND = const(5)
MONTHS_FIRST = const(181)
MONTHS_BLOCKS = const(10)
MONTHS_KIND = const(6)
SIZE = const(692)
_HEAD = const(16)  # number u32, utc_s u32, first u16, last u16, minutes u32
_IMAGE_AT = const(304)  # Registers.image(): 256 of the rates, 128 of the maxima
_IMAGE_N = const(384)


class Frozen:
    """One ring of readings. Raises StorageError."""

    def __init__(self, dev, months: bool = False):
        if months:
            self.ring = Ring(dev, MONTHS_FIRST, MONTHS_BLOCKS, SIZE, MONTHS_KIND)
        else:
            self.ring = Ring(dev, DAYS_FIRST, DAYS_BLOCKS, SIZE, DAYS_KIND)
        self.ring.open()
        self._buf = bytearray(SIZE)

    def reading(self, day: int) -> tuple:
        """(first, last, import_counts, utc_s) of the reading that stands for that day, or of the latest day before;
        zeros when there is none. A clock that was wrong may have left others since."""
        ring = self.ring
        number = ring.next_number - 1
        oldest = max(0, number - ring.per * DAYS_BLOCKS)
        best = (0, 0, 0, 0)
        while number > oldest and best[1] < day - 1:
            if ring.read_into(number, self._buf):
                _, utc_s, first, last, _, counts = struct.unpack_from("<IIHHIQ", self._buf, 0)
                if first <= day and last > best[1]:
                    best = first, last, counts, utc_s
            number -= 1
        return best

    def keep(self, snapshot, image, minutes: int, utc_s: int, first: int, last: int) -> None:
        """Write registers. snapshot: of snapshot.py; image and minutes: of storage/registers.py."""
        buf = self._buf
        struct.pack_into("<IIHHI", buf, 0, 0, utc_s, first, last, minutes)
        buf[_HEAD:_IMAGE_AT] = snapshot
        buf[_IMAGE_AT : _IMAGE_AT + _IMAGE_N] = image
        self.ring.append(buf)
