# SPDX-License-Identifier: Apache-2.0
"""The load profile: one row for each slot of time, in a ring on raw flash (FORMAT.md, "Load profile").

A row holds registers as they stood at the end of its slot, so energy is never lost with a row: what a missing or
damaged row would have shown is in the next one. rows() gives differences, and says from when they run.
9,078 rows at least: 94 days of quarter hours. Loaded when there is something to write or to read.
"""

import struct

from micropython import const

from meter.storage.ring import Ring

FIRST = const(0)  # blocks of the partition
BLOCKS = const(91)
KIND = const(1)
SIZE = const(40)
_FORMAT = "<IIHBBIIIIHHhH"  # in front of the CRC
_MASK = const(0xFFFFFFFF)

# What happened in a slot. Bit mask.
OUTAGE = const(1)  # the meter was not running all the time
CLOCK_SET = const(2)  # by more than a minute
CLOCK_INVALID = const(4)  # the end of the slot is a guess: the last good time, counted on
SUPPLY_OFF = const(8)  # some of the time
NOT_MEASURED = const(16)  # the metering IC was silent some of the time


def pack(end_s: int, covered_s: int, flags: int, period_min: int, registers, cv: int, ca: int, pf: int, peak: int):
    """A row for append(). registers: import, export, reactive import and export, in counts; cv, ca: mean
    voltage and current in 0.01 V and 0.01 A; pf: mean power factor in 1/1000; peak: highest power, in 10 W."""
    buf = bytearray(SIZE)
    struct.pack_into(
        _FORMAT, buf, 0, 0, end_s, min(covered_s, 0xFFFF), flags, period_min,
        registers[0] & _MASK, registers[1] & _MASK, registers[2] & _MASK, registers[3] & _MASK,
        min(cv, 0xFFFF), min(ca, 0xFFFF), pf, min(peak, 0xFFFF),
    )  # fmt: skip
    return buf


class Rows:
    """The rows on a partition, for one writer or reader at a time. Raises StorageError."""

    def __init__(self, dev):
        self.ring = Ring(dev, FIRST, BLOCKS, SIZE, KIND)
        self._buf = bytearray(SIZE)

    def append(self, row) -> None:
        """Write what pack() made, behind the newest, unless that is the same slot: power may fail in between."""
        ring = self.ring
        last = self._sound(ring.next_number - 1, max(0, ring.next_number - 4), -1)
        if last:
            new = struct.unpack_from(_FORMAT, row, 0)
            if new[1] == last[1] and new[5:9] == last[5:9]:
                return
            if new[1] < last[1]:
                ring.mix()
        ring.append(row)

    def rows(self, after_s: int, until_s: int):
        """The rows of all slots that end behind after_s and not behind until_s, in order of number, each as

        (number, from_s, end_s, flags, covered_s, period_min, import, export, q_import, q_export in counts,
        mean voltage in 0.01 V, mean current in 0.01 A, power factor in 1/1000, peak power in 10 W)

        The counts are those between from_s and end_s; from_s 0: there is no row before, the counts say nothing.
        That is the order of time unless the clock was set back. Numbers that are missing were passed over at a
        restart, or are damaged.
        """
        ring = self.ring
        buf = self._buf
        before = None
        for first, behind, mixed in ring.spans():
            if not mixed and not self._may_hold(first, behind, after_s, until_s):
                before = None
                continue
            if before is None:
                before = self._sound(first - 1, max(0, first - 1 - SIZE), -1)
            for number in range(first, behind):
                if not ring.read_into(number, buf):
                    continue
                row = struct.unpack_from(_FORMAT, buf, 0)
                if after_s < row[1] <= until_s:
                    yield _differences(before, row)
                before = row

    def _may_hold(self, first, behind, after_s, until_s):
        """Times rise in this block: can one of them be in the range?"""
        row = self._sound(first, behind, 1)
        if row is None or row[1] > until_s:
            return False
        row = self._sound(behind - 1, first - 1, -1)
        return row is not None and row[1] > after_s

    def _sound(self, number, stop, step):
        """The first sound row from number on."""
        for n in range(number, stop, step):
            if self.ring.read_into(n, self._buf):
                return struct.unpack_from(_FORMAT, self._buf, 0)
        return None


def _differences(before, row):
    if before is None:
        return (row[0], 0, row[1], row[3], row[2], row[4], 0, 0, 0, 0) + row[9:]
    return (
        row[0], before[1], row[1], row[3], row[2], row[4],
        _rise(before[5], row[5]), _rise(before[6], row[6]), _rise(before[7], row[7]), _rise(before[8], row[8]),
    ) + row[9:]  # fmt: skip


def _rise(before, now):
    """Registers only rise, and never by half their range; less: the ledger has lost the last of it to a cut."""
    n = (now - before) & _MASK
    return n if n >> 31 == 0 else 0
