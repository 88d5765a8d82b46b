# SPDX-License-Identifier: Apache-2.0
"""The event log: a ring of 1,024 records of 16 bytes in FRAM (FORMAT.md, "Event log").

Record number n lives in slot n % 1024, so numbers never repeat and a reader finds any number without an
index. The ledger remembers the next number once a tick; open() looks past it for records written after the
last commit, so a number is not used twice even after a cut (16 reads, 30 ms). FRAM, because a durable append
to a flash file costs an erase. A record is read back: it is what is left of a purchase or of tampering, and there are
a few dozen a day of half a millisecond each.
"""

import struct
from binascii import crc32

from micropython import const

from meter.storage.map import EVENTS as BASE

SLOTS = const(1024)
SIZE = const(16)
_FORMAT = "<IIBBiH"  # number, utc_s, code, time quality, value, CRC

_AHEAD = const(16)

TIME_GOOD = const(0)
TIME_UNKNOWN = const(1)


def pack_into(buf, number: int, utc_s: int, code: int, quality: int, value: int) -> None:
    struct.pack_into(_FORMAT, buf, 0, number, utc_s, code, quality, value, 0)
    struct.pack_into("<H", buf, 14, crc32(memoryview(buf)[:14]) & 0xFFFF)


def unpack(buf):
    """16 bytes -> (number, utc_s, code, quality, value), or None when damaged or never written."""
    number, utc_s, code, quality, value, crc = struct.unpack_from(_FORMAT, buf, 0)
    if crc != crc32(memoryview(buf)[:14]) & 0xFFFF or code == 0:
        return None
    return number, utc_s, code, quality, value


def _damaged(buf):
    # Is this neither a record nor new FRAM, which reads as all 0 or all FF?
    return unpack(buf) is None and (buf[0] not in (0, 0xFF) or any(byte != buf[0] for byte in buf))


class EventLog:
    def __init__(self, fram):
        self._fram = fram
        self._buf = bytearray(SIZE)
        self.next_number = 1

    def find_end(self, mark: int) -> int:
        """Go on after the newest record: look from the ledger's mark on. Return the number the next one will have.

        A damaged record keeps its number, and those after it are found: a tick never writes _AHEAD of them.
        """
        number = end = max(1, mark)
        while number < end + _AHEAD:
            if self.record(number) or (number == end and _damaged(self._buf)):
                end = number + 1
            number += 1
        self.next_number = end
        return end

    def append(self, code: int, value: int, utc_s) -> None:
        """Write one record. utc_s None: the clock is not to be trusted. Raises BusError, and ChipError for one that
        does not read back: its number is the next one's."""
        quality = TIME_UNKNOWN if utc_s is None else TIME_GOOD
        number = self.next_number
        pack_into(self._buf, number, utc_s or 0, code, quality, max(-0x40000000, min(0x3FFFFFFF, value)))
        self._fram.keep(BASE + number % SLOTS * SIZE, self._buf)
        self.next_number = number + 1

    def record(self, number: int):
        """Record `number` as (number, utc_s, code, quality, value), or None: overwritten, damaged or not yet there."""
        self._fram.read_into(BASE + number % SLOTS * SIZE, self._buf)
        record = unpack(self._buf)
        return record if record is not None and record[0] == number else None
