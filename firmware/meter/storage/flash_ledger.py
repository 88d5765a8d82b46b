# SPDX-License-Identifier: Apache-2.0
"""Ledger and event log of a board without FRAM: two rings on raw flash (FORMAT.md, "A board without FRAM").

The ledger's record is the same, but a tick that changes nothing but energy, cost and time is written once a minute
only: a power cut costs up to 60 s of energy (and its cost, so that sums agree), never a purchase, a claim or a
position of the relay. 16 blocks and 8 records to a block: 180 erases a day, 11 of each block, 100,000 after
24 years.
"""

import struct

from micropython import const

from meter.core.errors import BusError, StorageError
from meter.storage import ledger
from meter.storage.events import TIME_GOOD, TIME_UNKNOWN
from meter.storage.map import (
    EVENTS_BLOCKS,
    EVENTS_FIRST,
    EVENTS_KIND,
    LEDGER_BLOCKS,
    LEDGER_FIRST,
    LEDGER_KIND,
    READINGS_A,
    READINGS_B,
    READINGS_BLOCKS,
    READINGS_FIRST,
    READINGS_KIND,
    REGISTERS_A,
    REGISTERS_B,
    REGISTERS_BLOCKS,
    REGISTERS_FIRST,
    REGISTERS_KIND,
)
from meter.storage.ring import Ring

LEDGER_SIZE = const(480)
EVENTS_SIZE = const(20)
READINGS_SIZE = const(196)
REGISTERS_SIZE = const(516)
EVERY = const(60)  # ticks
_CUT_AT_FIRST = const(24)  # records of a new meter that may all have been cut
_EVENT = "<IIBBi"


class FlashLedger:
    """ledger.py on flash: the same interface, the same errors."""

    def __init__(self, dev):
        self._ring = Ring(dev, LEDGER_FIRST, LEDGER_BLOCKS, LEDGER_SIZE, LEDGER_KIND)
        self._buf = bytearray(LEDGER_SIZE)
        self._kept = None  # what must not wait, as it was committed last
        self.proves = False  # nothing more to do: a ring reads back whatever it programs
        self._left = 0  # ticks until what can wait is written
        self.sequence = 0

    def load(self, s) -> int:
        """Fill MeterState from the newest sound record: FRESH, LOADED or FELL_BACK.

        Raises StorageError when records are there but none is sound. Two dozen of them are a new meter's:
        it was cut before its first minutes were over.
        """
        ring = self._ring
        number = ring.open() - 1
        lost = ring.damaged
        oldest = max(0, number - LEDGER_BLOCKS * ring.per)
        while number > oldest:
            if ring.read_into(number, self._buf):
                self.sequence = ledger.unpack_from(memoryview(self._buf)[4:], s)
                return ledger.FELL_BACK if lost else ledger.LOADED
            if any(self._buf) and self._buf != b"\xff" * LEDGER_SIZE:
                lost += 1
            number -= 1
        if ring.damaged or ring.next_number > _CUT_AT_FIRST + 1:
            raise StorageError(0, "ledger records damaged")
        return ledger.FRESH

    def commit(self, s) -> None:
        """Write the state, or leave it to a later tick. Raises BusError: nothing has been written."""
        now = (
            s.purchased_micro, s.purchase_count, s.claims, s.latches, s.relay_closed, s.card_uid, s.card_generation,
            s.refused_cards, s.writeback_seq, s.boots, s.day, s.debt_micro, s.utility_serial,
            bytes(s.tampers), s.failed_logins, s.lock,
        )  # fmt: skip
        if now == self._kept and self._left:
            self._left -= 1
            return
        ledger.pack_into(memoryview(self._buf)[4:], self.sequence + 1, s)
        try:
            self._ring.append(self._buf)
        except StorageError as e:
            raise BusError(0, e.text)
        self.sequence += 1
        self._kept = now
        self._left = EVERY - 1


class FlashEvents:
    """events.py on flash: the same interface, the same errors. 1,020 records at least."""

    def __init__(self, dev):
        self._ring = Ring(dev, EVENTS_FIRST, EVENTS_BLOCKS, EVENTS_SIZE, EVENTS_KIND)
        self._buf = bytearray(EVENTS_SIZE)
        self.next_number = 1

    def find_end(self, mark: int) -> int:
        """Go on after the newest record, wherever the mark is. Return the number the next one will have."""
        self.next_number = self._ring.open()
        return self.next_number

    def append(self, code: int, value: int, utc_s) -> None:
        """Write one record. utc_s None: the clock is not to be trusted. Raises BusError."""
        quality = TIME_UNKNOWN if utc_s is None else TIME_GOOD
        value = max(-0x40000000, min(0x3FFFFFFF, value))
        struct.pack_into(_EVENT, self._buf, 0, 0, utc_s or 0, code, quality, value)
        try:
            self._ring.append(self._buf)
        except StorageError as e:
            raise BusError(0, e.text)
        self.next_number = self._ring.next_number

    def record(self, number: int):
        """Record `number` as (number, utc_s, code, quality, value), or None: overwritten, damaged or not there."""
        if not self._ring.read_into(number, self._buf):
            return None
        return struct.unpack_from(_EVENT, self._buf, 0)


class NoFram:
    """In place of the part: readings (readings.py) and registers (registers.py) are rings, too; for
    the rest there is no place. Registers change some 20 times a day: two or three erases."""

    def __init__(self, dev):
        self._rings = (
            Ring(dev, READINGS_FIRST, READINGS_BLOCKS, READINGS_SIZE, READINGS_KIND),
            Ring(dev, REGISTERS_FIRST, REGISTERS_BLOCKS, REGISTERS_SIZE, REGISTERS_KIND),
        )
        self._opened = [False, False]

    def read_into(self, offset: int, buf) -> None:
        """The newest sound record, as both copies; zeros when there is none. Raises BusError."""
        try:
            ring = self._of(offset)
            record = bytearray(READINGS_SIZE if offset in (READINGS_A, READINGS_B) else REGISTERS_SIZE)
            # Not simply the last number: that may have been passed over at a restart.
            for number in range(ring.next_number - 1, max(0, ring.next_number - 1 - READINGS_BLOCKS * ring.per), -1):
                if ring.read_into(number, record):
                    buf[:] = record[4 : 4 + len(buf)]
                    return
        except StorageError as e:
            raise BusError(0, e.text)
        buf[:] = bytes(len(buf))

    def write(self, offset: int, buf) -> None:
        """Raises BusError."""
        try:
            self._of(offset).append(bytearray(4) + buf + bytearray(4))
        except StorageError as e:
            raise BusError(0, e.text)

    keep = write  # a ring reads back whatever it programs

    def _of(self, offset):
        if offset in (READINGS_A, READINGS_B):
            n = 0
        elif offset in (REGISTERS_A, REGISTERS_B):
            n = 1
        else:
            raise BusError(0, "this board has no FRAM")
        if not self._opened[n]:
            self._rings[n].open()
            self._opened[n] = True
        return self._rings[n]
