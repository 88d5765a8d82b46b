# SPDX-License-Identifier: Apache-2.0
"""Rows of the load profile by range of time, in order of time. Loaded for who asks.

Numbers tell in which order rows were written; times fall back when the clock is set back. Numbers whose times rise
are a run; of the few runs there are, the row that ends first is next. More than _RUNS of them in one range: the range
is halved, down to a single second, whose rows come in order of number. So the memory taken does not depend on what
the clock did; the reading does: a block without a mark (Ring.mix) is asked for its first and last row only.
Rows are read ten at a time.
"""

import struct
from binascii import crc32

from micropython import const

from meter.storage.profile import BLOCKS, CHANNELS, FIRST, HEAD, KIND, PF, REGISTERS, SIZE
from meter.storage.ring import Ring

_AT_ONCE = const(10)  # rows
_RUNS = const(16)
_NEVER = const(0xFFFFFFFF)
_FIXED = const(6)  # fields in front of the channels


class Reader:
    """The rows on a partition as they are now, for one reading at a time. Raises StorageError."""

    def __init__(self, dev):
        self._ring = Ring(dev, FIRST, BLOCKS, SIZE, KIND)
        self._ring.open()
        self._oldest = 1
        self._buf = bytearray(_AT_ONCE * SIZE)
        self._view = memoryview(self._buf)
        self._first = 0  # number of the first row there
        self._n = 0
        self._mask = -1  # of channels, which _format is for
        self._format = ""
        self._start = [0] * _RUNS  # of each run: number of its next row,
        self._stop = [0] * _RUNS  # the number after the last,
        self._next_s = [0] * _RUNS  # and when the next row ends, at the earliest

    def rows(self, after_s: int, until_s: int):
        """All rows that end after after_s and not after until_s, by end; of two that end alike the
        one written first is first. Each is a list:

        [number, from_s, end_s, mask, covered_s, flags, period_min, then the channels of the mask, by bit]

        Counts are those since the row before by number, the one written before it, which ended at from_s: after
        end_s, if the clock was set back between the two. A register this row does not share with it has None;
        from_s 0: there is no row before. Other channels are as in profile.py. Numbers that are missing were passed
        over at a restart, or are damaged.
        """
        until_s = min(until_s, _NEVER - 1)
        span_s = until_s - after_s
        while after_s < until_s:
            to_s = min(until_s, after_s + span_s)
            n = self._find_runs(after_s, to_s)
            if n < 0 and span_s > 1:
                span_s = (span_s + 1) // 2
                continue
            limited = n >= 0
            if not limited:
                n = 1
                self._start[0] = self._oldest
                self._stop[0] = self._ring.next_number
                self._next_s[0] = 0
            while True:
                run = self._earliest(n, to_s)
                if run < 0:
                    break
                # Go on in this run until another has a row before.
                until = to_s if limited else _NEVER
                for i in range(n):
                    if i != run:
                        until = min(until, self._next_s[i] - (i < run))
                number = self._start[run]
                stop = self._stop[run]
                before = self._sound(number - 1, self._oldest - 1, -1)
                next_s = _NEVER
                while number < stop:
                    row = self._row(number)
                    if row is not None:
                        end_s = row[1]
                        if end_s > until:
                            next_s = end_s
                            break
                        if after_s < end_s <= to_s:
                            yield _differences(before, row)
                        before = row
                    number += 1
                self._start[run] = number
                self._next_s[run] = next_s
            after_s = to_s
            span_s *= 2

    def _earliest(self, n, to_s):
        """The run with the next row; of two, the one written first. -1: all are read."""
        best = -1
        for i in range(n):
            if self._next_s[i] <= to_s:
                best = i
                to_s = self._next_s[i] - 1
        return best

    def _find_runs(self, after_s, to_s):
        """Find the runs that have rows in the range; how many, -1: too many."""
        self._n = runs = last_s = 0
        self._oldest = 0
        broken = True  # is what comes next no part of the run before?
        for first, behind, mixed in self._ring.spans():
            if not self._oldest:
                self._oldest = first
            number = first
            while number < behind:
                # A piece of a run: a whole block, or a row of one that is mixed.
                stop = number + 1 if mixed else behind
                row = self._sound(number, stop, 1)
                if row is not None:
                    low = high = row[1]
                    if not mixed:
                        row = self._sound(behind - 1, first - 1, -1)
                        if row is not None:
                            high = row[1]
                    if low < last_s:
                        broken = True
                    last_s = high
                    if high > after_s and low <= to_s:
                        if broken:
                            if runs == _RUNS:
                                return -1
                            self._start[runs] = number
                            self._next_s[runs] = low
                            runs += 1
                            broken = False
                        self._stop[runs - 1] = stop
                number = stop
        return runs

    def _sound(self, number, stop, step):
        """The first sound row from number on."""
        for n in range(number, stop, step):
            row = self._row(n)
            if row is not None:
                return row
        return None

    def _row(self, number):
        """A row with its registers, as it lies there; None if it is not sound."""
        at = number - self._first
        if at < 0 or at >= self._n:
            at = self._load(number)
        row = self._unpack(at * SIZE, number) if self._n else None
        if row is None and at > 0:
            # Is it in another block, because this one did not take it?
            at = self._load(number)
            if self._n:
                row = self._unpack(0, number)
        return row

    def _load(self, number):
        self._first = number
        self._n = self._ring.read_some(number, self._buf)
        return 0

    def _unpack(self, at, number):
        buf = self._buf
        end = at + SIZE - 4
        if struct.unpack_from("<I", buf, end)[0] != crc32(self._view[at:end]):
            return None
        mask = buf[at + 8] | buf[at + 9] << 8
        if mask != self._mask:
            self._mask = mask
            self._format = _layout(mask)
        row = struct.unpack_from(self._format, buf, at)
        return row if row[0] == number else None


def _layout(mask):
    """How a row with these channels is packed. Those of a later version come after those known here."""
    text = HEAD
    for bit in range(CHANNELS):
        if mask >> bit & 1:
            text += "I" if bit < REGISTERS else "h" if bit == PF else "H"
    return text


def _differences(before, row):
    told = list(row)
    mask = row[2]
    known = before[2] if before else 0
    at = was_at = _FIXED
    for bit in range(REGISTERS):
        if mask >> bit & 1:
            # Registers only rise, and never by half their range; less: the ledger has lost the last of it to a cut.
            rise = None
            if known >> bit & 1:
                rise = (row[at] - before[was_at]) & 0xFFFFFFFF
                if rise >> 31:
                    rise = 0
            told[at] = rise
            at += 1
        was_at += known >> bit & 1
    told.insert(1, before[1] if before else 0)
    return told
