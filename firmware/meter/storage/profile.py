# SPDX-License-Identifier: Apache-2.0
"""The load profile: one row for each period, in a ring on raw flash (FORMAT.md, "Load profile").

A row holds the channels its settings chose, and says which: after a change of settings the rows before it stay
readable. Energy is a register as it stood at the end of the row, so none is ever lost with a row: what a missing
or damaged row would have shown is in the next one. profile_reader.py has differences.
10,710 rows at least: 111 days of quarter hours. Loaded when there is something to write.

    bit     channel                                                 unit, type
    0..4    import, export, reactive import and export, apparent    counts, u32
    5, 6    mean voltage, mean current of the phases in use         0.01 V, 0.01 A, u16
    7       their mean power factor                                 1/1000, i16
    8       highest power of one second                             10 W, u16
    9..14   mean voltage of A, B, C, mean current of A, B, C        0.01 V, 0.01 A, u16
"""

import struct

from micropython import const

from meter.storage.map import PROFILE_BLOCKS as BLOCKS
from meter.storage.map import PROFILE_FIRST as FIRST
from meter.storage.map import PROFILE_KIND as KIND
from meter.storage.ring import Ring

SIZE = const(48)
HEAD = "<IIHHBB"  # number, its end, mask of the channels, seconds measured, flags, period in minutes
VALUES = const(14)  # where the channels begin; 30 bytes for them, and a CRC
CHANNELS = const(15)
REGISTERS = const(5)  # of them
PF = const(7)

# What happened in a row. Bit mask.
OUTAGE = const(1)  # the meter was not running all the time
CLOCK_SET = const(2)  # by more than a minute
CLOCK_INVALID = const(4)  # its end is a guess: the last good time, counted on
SUPPLY_OFF = const(8)  # some of the time
NOT_MEASURED = const(16)  # the metering IC was silent some of the time


def pack(end_s: int, mask: int, covered_s: int, flags: int, period_min: int, values):
    """A row for append(). mask: the channels it holds; values: of all channels, in the order of their bits."""
    buf = bytearray(SIZE)
    struct.pack_into(HEAD, buf, 0, 0, end_s, mask, min(covered_s, 0xFFFF), flags, period_min)
    at = VALUES
    for bit in range(CHANNELS):
        if mask >> bit & 1:
            if bit < REGISTERS:
                struct.pack_into("<I", buf, at, values[bit] & 0xFFFFFFFF)
                at += 4
            else:
                # A negative power factor is its two's complement.
                value = values[bit] if bit == PF else min(values[bit], 0xFFFF)
                buf[at] = value & 0xFF
                buf[at + 1] = value >> 8 & 0xFF
                at += 2
    return buf


class Rows:
    """The rows on a partition, for one writer. Raises StorageError."""

    def __init__(self, dev):
        self.ring = Ring(dev, FIRST, BLOCKS, SIZE, KIND)

    def append(self, row) -> None:
        """Write what pack() made after the newest row. Not if that has the same end, and in this one nothing was
        measured: power failed after the end of a row, and the start has made its row once more."""
        ring = self.ring
        end_s = struct.unpack_from("<I", row, 4)[0]
        last_s = self._last_s()
        if end_s == last_s and not (row[10] or row[11]):
            return
        if end_s < last_s:
            ring.mix()
        ring.append(row)

    def _last_s(self):
        """When the newest sound row ends. None among the last three: later than any, for time may have gone back."""
        ring = self.ring
        buf = bytearray(SIZE)
        for number in range(ring.next_number - 1, max(0, ring.next_number - 4), -1):
            if ring.read_into(number, buf):
                return struct.unpack_from("<I", buf, 4)[0]
        return 1 << 32
