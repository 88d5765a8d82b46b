# SPDX-License-Identifier: Apache-2.0
"""The ledger: everything that must agree, in one record, in two copies in FRAM (FORMAT.md, "Ledger").

A commit writes the whole record over the older copy and nothing else, so a cut at any byte leaves the
newer copy as it was: at most one tick of energy is lost, never a purchase. A copy that does not read back
well is left where it is; the other one serves, and load() says so.
A commit that is read back and is not what was written does not use its number up: each commit after it goes over the
same copy until one reads back well, so the newest sound copy stays, whatever a cut leaves of the others.
"""

import struct
from binascii import crc32

from micropython import const

from meter.core.errors import StorageError
from meter.core.state import FIELDS, RATES
from meter.storage.map import LEDGER_A as SLOT_A
from meter.storage.map import LEDGER_B as SLOT_B

_MAGIC = const(0x4C50)  # "PL"
_VERSION = const(4)

_HEAD = "<HBBI"  # magic, version, number of phase registers (0 or 12), sequence
# After the head: the single fields of MeterState in the order of state.FIELDS, the card, tampers, the jump, the lists.
# Order and codes are the format: see FORMAT.md before touching them.
_SCALARS = "IQQQQQIqQIQQQBBBBIIIIQQQQHHIHBQ"
_FORMAT = _HEAD + _SCALARS + "x8s32s32s8Q8q"
_BODY = const(372)  # struct.calcsize(_FORMAT), checked by a test; phase registers and the CRC-32 follow
_PHASES = "<12Q"
_PHASE_COUNTS = const(12)
_CUT_MOST = const(64)  # numbers tried one after the other
SIZE = const(376)  # of one phase
SIZE_3 = const(472)  # of three
_READS = const(3)  # of a copy that seems damaged: a bit may have been hit on the way
_AGAIN = const(16)  # bytes: a record of ours never begins with as many that are alike

FRESH = const(0)  # no record anywhere: a new meter
LOADED = const(1)
FELL_BACK = const(2)  # one copy damaged or torn; the other one was taken


def pack_into(buf, sequence: int, s) -> None:
    """MeterState -> size_of(s) bytes. Values out of a field's range must not be in a state: it is checked where they
    grow."""
    phases = s.phase_counts
    struct.pack_into(
        _FORMAT, buf, 0, _MAGIC, _VERSION, len(phases), sequence,
        *[getattr(s, name) for name in FIELDS], s.card_uid, s.tampers, s.jump, *s.rate_counts,
        *s.rate_cost_micro,
    )  # fmt: skip
    body = _BODY
    if phases:
        struct.pack_into(_PHASES, buf, _BODY, *phases)
        body = _BODY + 8 * _PHASE_COUNTS
    struct.pack_into("<I", buf, body, crc32(memoryview(buf)[:body]))


def size_of(s) -> int:
    """Bytes of this state's record."""
    return SIZE_3 if s.phase_counts else SIZE


def _body(buf):
    """Bytes in front of the CRC-32."""
    return _BODY + 8 * _PHASE_COUNTS if buf[3] == _PHASE_COUNTS else _BODY


def unpack_from(buf, s) -> int:
    """SIZE_3 bytes -> MeterState. Return the sequence number. Raise StorageError for a record that is not sound."""
    magic, version, phases, sequence = struct.unpack_from(_HEAD, buf, 0)
    body = _body(buf)
    (crc,) = struct.unpack_from("<I", buf, body)
    if magic != _MAGIC or crc != crc32(memoryview(buf)[:body]):
        raise StorageError(0, "ledger record damaged")
    if version != _VERSION:
        raise StorageError(0, "ledger record of version %d, this firmware knows %d" % (version, _VERSION))
    values = struct.unpack_from(_FORMAT, buf, 0)
    n = 4
    for name in FIELDS:
        setattr(s, name, values[n])
        n += 1
    s.card_uid = values[n][:7]
    s.tampers[:] = values[n + 1]
    s.jump = values[n + 2]
    n += 3
    s.rate_counts = list(values[n : n + RATES])
    s.rate_cost_micro = list(values[n + RATES :])
    s.phase_counts = list(struct.unpack_from(_PHASES, buf, _BODY)) if phases else []
    return sequence


def _is_blank(buf):
    # New FRAM reads as all 0 or all FF, depending on the maker.
    first = buf[0]
    return first in (0, 0xFF) and all(byte == first for byte in buf)


def _is_cut(buf, blank):
    """Is this a record whose end is still blank, as copy A is?"""
    body = _body(buf)
    return buf[body + 3] == blank and crc32(memoryview(buf)[:body]) != struct.unpack_from("<I", buf, body)[0]


def _was_never_written(fram, slot, buf):
    """Is buf blank, and does another transfer say so, too? A new meter's start need not read all of it thrice."""
    if not _is_blank(buf):
        return False
    again = bytearray(_AGAIN)
    fram.read_into(slot, again)
    return again == buf[:_AGAIN]


def _read(fram, slot, buf, s):
    # A copy is damaged, or was never written, when it is each time it is read.
    left = _READS
    while True:
        fram.read_into(slot, buf)
        try:
            return unpack_from(buf, s)
        except StorageError:
            left -= 1
            if not left or _was_never_written(fram, slot, buf):
                raise


class Ledger:
    """The record in FRAM. One writer: books/books.py."""

    def __init__(self, fram):
        self._fram = fram
        self.proves = False  # commits are read back
        self._buf = b""  # as long as the state's record
        self.sequence = 0

    def load(self, s) -> int:
        """Fill MeterState from the newest sound copy: FRESH, LOADED or FELL_BACK.

        Raises BusError when the FRAM does not answer, StorageError when records are there but none is sound:
        a meter must not start from zero over a ledger it cannot read. One exception: the first commit of a new
        meter, to copy B, was cut, and copy A has never been written. Nothing is lost with it.
        """
        buf = bytearray(SIZE_3)
        left = _READS
        twice = True
        while twice and left:  # twice: a bit of an address was wrong, and this is one copy, read two times
            left -= 1
            best = torn = -1
            damaged = never = None
            twice = False
            sequence = -1
            for slot in (SLOT_A, SLOT_B):
                try:
                    sequence = _read(self._fram, slot, buf, s)
                except StorageError as e:
                    torn = struct.unpack_from(_HEAD, buf, 0)[3]
                    if _is_blank(buf):
                        never = buf[0]
                    elif slot == SLOT_A or not _is_cut(buf, never):
                        damaged = e
                    continue
                twice = sequence == best
                if sequence > best:
                    best, best_slot = sequence, slot
        if best < 0:
            if damaged:
                raise damaged
            return FRESH
        self.sequence = sequence  # of what s has now
        left = _READS
        while self.sequence != best and left:
            left -= 1
            self.sequence = _read(self._fram, best_slot, buf, s)
        # The next record has another number than the one that was cut: cut at the same place again, it could make
        # that one whole, or one before it that was stored but never acknowledged.
        ahead = torn - self.sequence
        if 0 < ahead < _CUT_MOST and ahead & 1:
            self.sequence = torn + 1
        return FELL_BACK if damaged else LOADED

    def commit(self, s) -> None:
        """Write the state as the next record over the older copy; if it proves, read it back. Raises BusError, and
        ChipError for one that does not read back: the newer copy is untouched."""
        sequence = self.sequence + 1
        buf = self._buf
        if len(buf) != size_of(s):
            self._buf = buf = bytearray(size_of(s))
        pack_into(buf, sequence, s)
        slot = SLOT_B if sequence & 1 else SLOT_A
        if self.proves:
            self._fram.keep(slot, buf)
        else:
            self._fram.write(slot, buf)
        self.sequence = sequence
