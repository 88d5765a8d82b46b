# SPDX-License-Identifier: Apache-2.0
"""A record in two copies in FRAM: the newest sound one is read, the older one is written over.

It begins with magic u16, version u8, 0, sequence u32, and ends with a CRC-32 (FORMAT.md). For what is written seldom;
the ledger does the same by itself, once a second and without taking memory. What is written is read back, and what
seems damaged is read again: a bit may have been hit on the way.
"""

import struct
from binascii import crc32

from micropython import const

_HEAD = "<HBBI"
HEAD = const(8)
_READS = const(3)


class Twin:
    """buf: the newest sound record, or zeros (`sequence` 0). fram: what has read_into(offset, buf) and write(offset,
    buf), keep(offset, buf). Raises BusError, as does store(). Set `changed` with every change."""

    def __init__(self, fram, slot_a: int, slot_b: int, size: int, magic: int):
        self._fram = fram
        self._slots = (slot_a, slot_b)
        self._kind = (magic, 1)
        self.buf = buf = bytearray(size)
        self.changed = False
        head = memoryview(buf)[:HEAD]
        newer = []
        for slot in self._slots:
            # What one wrong bit makes of a number would have the older copy taken for the newer one.
            fram.read_into(slot, head)
            for _ in range(_READS):
                seen = bytes(head)
                fram.read_into(slot, head)
                if head == seen:
                    break
            *kind, _, sequence = struct.unpack_from(_HEAD, buf, 0)
            newer.append(sequence if tuple(kind) == self._kind else 0)
        # The bus is slow: the one that looks older is read only if the other is damaged.
        for n in (1, 0) if newer[1] > newer[0] else (0, 1):
            if not newer[n]:
                continue  # never written, or it is not sound
            for _ in range(_READS):
                fram.read_into(self._slots[n], buf)
                self.sequence = self._sequence()
                if self.sequence:
                    return
        self.sequence = 0
        buf[:] = bytes(size)

    def _sequence(self):
        """Of a sound record; 0 for any other."""
        buf = self.buf
        body = len(buf) - 4
        magic, version, _, sequence = struct.unpack_from(_HEAD, buf, 0)
        (crc,) = struct.unpack_from("<I", buf, body)
        return sequence if (magic, version) == self._kind and crc == crc32(memoryview(buf)[:body]) else 0

    def store(self) -> None:
        """Write the record over the older copy, if it has changed, and read it back. Raises ChipError, too: the part
        does not keep it, and the newer copy is as it was."""
        if not self.changed:
            return
        buf = self.buf
        body = len(buf) - 4
        sequence = self.sequence + 1
        struct.pack_into(_HEAD, buf, 0, self._kind[0], self._kind[1], 0, sequence)
        struct.pack_into("<I", buf, body, crc32(memoryview(buf)[:body]))
        self._fram.keep(self._slots[sequence & 1], buf)
        self.sequence = sequence
        self.changed = False
