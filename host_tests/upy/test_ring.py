# SPDX-License-Identifier: Apache-2.0
"""The ring and the load profile on the meter's own interpreter, over a partition in memory with NOR rules."""

import struct
import time

from meter.storage import profile, profile_reader
from meter.storage.ring import BLOCK, Ring


class Flash:
    """esp32.Partition in memory: a program only clears bits. budget: bytes programmed and erases until power fails."""

    def __init__(self):
        self.blocks = {}  # those that are not blank
        self.budget = None

    def _spend(self, n):
        if self.budget is None:
            return n
        done = min(n, self.budget)
        self.budget -= done
        return done

    def readblocks(self, block, buf, offset=0):
        if block in self.blocks:
            buf[:] = self.blocks[block][offset : offset + len(buf)]
        else:
            buf[:] = b"\xff" * len(buf)

    def writeblocks(self, block, buf, offset):
        data = self.blocks.setdefault(block, bytearray(b"\xff" * BLOCK))
        n = self._spend(len(buf))
        for i in range(n):
            data[offset + i] &= buf[i]
        if n < len(buf):
            raise KeyboardInterrupt

    def ioctl(self, op, block):
        assert op == 6
        if not self._spend(1):
            raise KeyboardInterrupt
        self.blocks.pop(block, None)
        return 0


def opened(dev):
    ring = Ring(dev, 0, 3, 1360, 7)
    ring.open()
    return ring


def record(value):
    buf = bytearray(1360)
    struct.pack_into("<I", buf, 4, value)
    return buf


def value_of(ring, number):
    buf = bytearray(1360)
    return struct.unpack_from("<I", buf, 4)[0] if ring.read_into(number, buf) else None


def test_records_come_back_and_the_oldest_go():
    ring = opened(Flash())
    for n in range(1, 20):
        assert ring.append(record(n * 3)) == n
    assert [value_of(ring, n) for n in (17, 18, 19)] == [51, 54, 57]
    assert value_of(ring, 1) is None
    assert [n for first, behind, _ in ring.spans() for n in range(first, behind)][-3:] == [17, 18, 19]


def test_a_cut_anywhere_loses_nothing_acknowledged():
    for budget in range(0, 14000, 97):
        dev = Flash()
        ring = opened(dev)
        dev.budget = budget
        kept = 0
        try:
            for n in range(1, 12):
                kept = ring.append(record(n))
        except KeyboardInterrupt:
            pass
        dev.budget = None
        again = opened(dev)
        for n in range(max(1, kept - 2), kept + 1):
            assert value_of(again, n) == n, budget
        number = again.append(record(99))
        assert number > kept and value_of(again, number) == 99


def profile_of(spells):
    """A partition with rows of the default channels. spells: (first slot, slots)."""
    dev = Flash()
    rows = profile.Rows(dev)
    n = 0
    for first, slots in spells:
        for at in range(first, first + slots):
            n += 1
            values = (n * 5_000_000, n, 2 * n, 0, 0, 23000, 412, -987, 93)
            rows.append(profile.pack(at * 900, 0x1EF, 900, 0, 15, values))
    return dev


def test_profile_rows_are_read_at_500_a_second():
    dev = profile_of(((1, 400),))
    began = time.time()
    read = 0
    for _ in range(5):
        read += sum([row[7] for row in profile_reader.Reader(dev).rows(100 * 900, 400 * 900)]) // 5_000_000
    assert read == 1500
    assert time.time() - began <= 2, "1,500 rows"
    assert list(profile_reader.Reader(dev).rows(200 * 900, 201 * 900)) == [
        [201, 180_000, 180_900, 0x1EF, 900, 0, 15, 5_000_000, 1, 2, 0, 23000, 412, -987, 93]
    ]


def test_profile_rows_come_in_order_of_time_though_the_clock_was_set_back():
    dev = profile_of(((1, 150), (101, 100), (141, 3)))
    rows = list(profile_reader.Reader(dev).rows(139 * 900, 142 * 900))
    assert [(row[2] // 900, row[0]) for row in rows] == [
        (140, 140), (140, 190), (141, 141), (141, 191), (141, 251), (142, 142), (142, 192), (142, 252),
    ]  # fmt: skip
    # Row 251 was written after row 250, which ended at slot 200.
    assert [(row[1] // 900, row[7]) for row in rows[4:6]] == [(200, 5_000_000), (141, 5_000_000)]


def test_registers_and_times_may_use_all_their_bits():
    dev = Flash()
    rows = profile.Rows(dev)
    for n in range(2):
        rows.append(profile.pack(0xF0000000 + n, 1, 1, 0, 60, (0xFFFFFFF0 + 32 * n,)))
    assert list(profile_reader.Reader(dev).rows(0, 1 << 32))[1] == [2, 0xF0000000, 0xF0000001, 1, 1, 0, 60, 32]
