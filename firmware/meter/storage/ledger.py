# SPDX-License-Identifier: Apache-2.0
"""The ledger: everything that must agree, in one record, in two copies in FRAM (FORMAT.md, "Ledger").

A commit writes the whole record over the older copy and nothing else, so a cut at any byte leaves the
newer copy as it was: at most one tick of energy is lost, never a purchase. A copy that does not read back
well is left where it is; the other one serves, and load() says so.
"""

import struct
from binascii import crc32

from micropython import const

from meter.core.errors import StorageError

SLOT_A = const(0x0000)
SLOT_B = const(0x0200)
_MAGIC = const(0x4C50)  # "PL"
_VERSION = const(1)

# One row a field of MeterState: order and codes are the format, see FORMAT.md before touching them.
FIELDS = (
    ("utc_s", "I"),
    ("boots", "I"),
    ("event_seq", "I"),
    ("import_counts", "Q"),
    ("export_counts", "Q"),
    ("q_import_counts", "Q"),
    ("q_export_counts", "Q"),
    ("open_counts", "Q"),
    ("cost_acc", "I"),
    ("credit_micro", "q"),
    ("purchased_micro", "Q"),
    ("last_purchase_micro", "Q"),
    ("purchase_count", "I"),
    ("overdraft_counts", "Q"),
    ("overdraft_micro", "Q"),
    ("claims", "B"),
    ("latches", "B"),
    ("relay_closed", "B"),
    ("card_generation", "B"),
    ("card_uid", "8s"),
    ("refused_cards", "I"),
    ("writeback_seq", "I"),
    ("rate_counts", "8Q"),
    ("rate_cost_micro", "8q"),
)
_HEAD = "<HBBI"  # magic, version, 0, sequence
_FORMAT = _HEAD + "".join([code for _, code in FIELDS])
_BODY = const(256)  # struct.calcsize(_FORMAT), checked by a test
SIZE = const(260)  # with the CRC-32 behind it

FRESH = const(0)  # no record anywhere: a new meter
LOADED = const(1)
FELL_BACK = const(2)  # one copy damaged or torn; the other one was taken


def pack_into(buf, sequence: int, s) -> None:
    """MeterState -> SIZE bytes. Values out of a field's range must not be in a state (checked where they grow)."""
    values = []
    for name, code in FIELDS:
        value = getattr(s, name)
        if len(code) == 2 and code != "8s":
            values.extend(value)
        else:
            values.append(value)
    struct.pack_into(_FORMAT, buf, 0, _MAGIC, _VERSION, 0, sequence, *values)
    struct.pack_into("<I", buf, _BODY, crc32(memoryview(buf)[:_BODY]))


def unpack_from(buf, s) -> int:
    """SIZE bytes -> MeterState; gives the sequence number. Raises StorageError for a record that is not sound."""
    magic, version, _, sequence = struct.unpack_from(_HEAD, buf, 0)
    (crc,) = struct.unpack_from("<I", buf, _BODY)
    if magic != _MAGIC or crc != crc32(memoryview(buf)[:_BODY]):
        raise StorageError(0, "ledger record damaged")
    if version != _VERSION:
        raise StorageError(0, "ledger record of version %d, this firmware knows %d" % (version, _VERSION))
    values = struct.unpack_from(_FORMAT, buf, 0)
    i = 4
    for name, code in FIELDS:
        if len(code) == 2 and code != "8s":
            setattr(s, name, list(values[i : i + 8]))
            i += 8
        elif code == "8s":
            setattr(s, name, values[i][:7])
            i += 1
        else:
            setattr(s, name, values[i])
            i += 1
    return sequence


def _is_blank(buf):
    # New FRAM reads as all 0 or all FF, depending on the maker.
    first = buf[0]
    return first in (0, 0xFF) and all(byte == first for byte in buf)


class Ledger:
    """The record in FRAM. One writer: services/books.py."""

    def __init__(self, fram):
        self._fram = fram
        self._buf = bytearray(SIZE)
        self.sequence = 0

    def load(self, s) -> int:
        """Fill MeterState from the newest sound copy: FRESH, LOADED or FELL_BACK.

        Raises BusError when the FRAM does not answer, StorageError when records are there but none is sound:
        a meter must not start from zero over a ledger it cannot read.
        """
        buf = self._buf
        best = -1
        damaged = None
        for slot in (SLOT_A, SLOT_B):
            self._fram.read_into(slot, buf)
            try:
                sequence = unpack_from(buf, s)
            except StorageError as e:
                if not _is_blank(buf):
                    damaged = e
                continue
            if sequence > best:
                best, best_slot = sequence, slot
        if best < 0:
            if damaged:
                raise damaged
            return FRESH
        self._fram.read_into(best_slot, buf)
        self.sequence = unpack_from(buf, s)
        return FELL_BACK if damaged else LOADED

    def commit(self, s) -> None:
        """Write the state as the next record over the older copy. Raises BusError; the newer copy is untouched."""
        sequence = self.sequence + 1
        pack_into(self._buf, sequence, s)
        self._fram.write(SLOT_B if sequence & 1 else SLOT_A, self._buf)
        self.sequence = sequence
