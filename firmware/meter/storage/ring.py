# SPDX-License-Identifier: Apache-2.0
"""A ring of numbered records on raw flash (FORMAT.md, "Rings"): one erase for each block-full of records.

Records have one size, begin with their number (u32, rising, never used twice) and end with a CRC-32. A block
begins with a head that says which number its first record has; where it is damaged, the records tell.

    append   program the record after the last one, read it back. A block that does not take it is left as it is
             and the record goes into the next block; `gave_up` counts those.
    erase    the next block, once the first record of this one is safe. A mark is programmed after each erase:
             a block without it is erased again before use, for the erase may have been cut.
    open     find the newest record: one head per block and 8 records at most; a block whose head is damaged
             costs up to all its records.
    restart  the slot after the newest record is passed over, with its number, and filled with zeros: an
             interrupted program can leave it blank to look at, but weak.

Flash: esp32.Partition, or what has its readblocks, writeblocks and ioctl. Serial NOR flash takes some 45 ms for an
erase, several hundred at worst (typical of 32 Mbit parts; not measured here), and nothing else runs meanwhile.
"""

import struct
from binascii import crc32

from micropython import const

from meter.core.errors import StorageError

BLOCK = const(4096)
HEAD = const(16)
_MAGIC = const(0x5250)  # "PR"
_VERSION = const(1)
_FORMAT = "<HBBIHHI"  # magic, version, kind | first number, record size, FFFF (set to 0 by mix()) | CRC
_TRIES = const(3)  # blocks tried for one record
_PROBES = const(4)  # records looked at in a block that seems to be another's


class Ring:
    """`count` blocks (3 or more) of `dev` from block `first` on. kind: a number for what the records are, checked.

    damaged: blocks of ours that open() found to hold records, none of them sound.
    """

    def __init__(self, dev, first: int, count: int, size: int, kind: int):
        self._dev = dev
        self._base = first
        self._count = count
        self._size = size
        self._kind = kind
        self.per = (BLOCK - HEAD) // size  # records in a block
        self._head = bytearray(HEAD)
        self._block = count - 1  # where the newest record is, or the block given up last
        self._first = 0  # number of its first record
        self._slot = self.per  # the next one there
        self._weak = False  # the one before that has been passed over, and must be marked so
        self._seen = -1  # an older block, whose first number is known
        self._seen_first = 0
        self._found = 0
        self.next_number = 1
        self.gave_up = 0
        self.damaged = 0

    def open(self, known: int = 0) -> int:
        """Find the newest record. Return the number the next one will have. Raise StorageError.

        known: what next_number was when this run last used the ring: nothing can have been cut since.
        """
        newest = -1
        self.damaged = best = 0
        self._seen = -1
        for block in range(self._count):
            first = self._first_of(block)
            # Two begin alike when the one before did not take its first record.
            if first > best or (0 < first == best and block == newest + 1):
                best = first
                newest = block
        if newest >= 0:
            # No slot is blank before one that is not: look for the boundary.
            low, high = 0, self.per
            buf = bytearray(self._size)
            blank = b"\xff" * self._size
            while low < high:
                middle = (low + high) // 2
                self._read(newest, HEAD + middle * self._size, buf)
                if buf == blank:
                    high = middle
                else:
                    low = middle + 1
            self._block = newest
            self._first = best
            self._weak = low < self.per and best + low != known
            self._slot = low + self._weak
            self.next_number = best + self._slot
        return self.next_number

    def append(self, buf) -> int:
        """Write one record (bytearray of its size; number and CRC are put in). Return its number.

        Raises StorageError when several blocks have failed: the record is not kept, the next try uses others.
        """
        for _ in range(_TRIES):
            if self._weak:
                self._weak = False
                self._program(HEAD + (self._slot - 1) * self._size, bytes(self._size))
            if self._slot >= self.per and not self._enter():
                continue
            number = self.next_number
            n = self._size - 4
            struct.pack_into("<I", buf, 0, number)
            struct.pack_into("<I", buf, n, crc32(memoryview(buf)[:n]))
            if self._program(HEAD + self._slot * self._size, buf):
                self.next_number = number + 1
                self._slot += 1
                if self._slot == 1:
                    self._prepare((self._block + 1) % self._count)
                return number
            self._give_up()
        raise StorageError(0, "the flash does not take a record")

    def read_into(self, number: int, buf) -> bool:
        """Record `number` into buf. False: overwritten, damaged, passed over or not yet there."""
        block = self._find(number)
        if block < 0:
            return False
        self._read(block, HEAD + (number - self._found) * self._size, buf)
        return self._number(buf) == number

    def read_some(self, number: int, buf) -> int:
        """Record `number` and those after it in its block into buf, as many as fit there; how many. Unchecked."""
        block = self._find(number)
        if block < 0:
            return 0
        slot = number - self._found
        n = min(self.per - slot, len(buf) // self._size)
        self._read(block, HEAD + slot * self._size, memoryview(buf)[: n * self._size])
        return n

    def _find(self, number):
        """The block that must hold a record, with its first number in _found; -1: none."""
        if not 0 < number < self.next_number:
            return -1
        # A block holds `per` numbers or fewer: it is at least that far back.
        back = max(0, (self._first - number + self.per - 1) // self.per)
        while back < self._count:
            block = (self._block - back) % self._count
            if not back:
                first = self._first
            elif block == self._seen:
                first = self._seen_first
            else:
                first = self._first_of(block)
            if 0 < first <= number:
                if back:
                    self._seen = block
                    self._seen_first = first
                self._found = first
                return block if number - first < self.per else -1
            back += 1
        return -1

    def spans(self):
        """(first number, number after the last, mixed) of each block, oldest first. For mixed see mix()."""
        first = mixed = 0
        for back in range(self._count - 1, -1, -1):
            at = self._first_of((self._block - back) % self._count)
            mark = self._head[10] != 0xFF
            if at > 0:
                if first:
                    yield first, min(at, first + self.per), mixed
                first = at
                mixed = mark
        if first:
            yield first, self.next_number, mixed

    def mix(self) -> None:
        """Mark the block of the newest record: what its records hold (times) does not rise with their numbers."""
        if self._slot < self.per:
            self._program(10, b"\0\0")

    # -- blocks -----------------------------------------------------------------------------------

    def _enter(self):
        """Go on in the next block. False: it has failed."""
        block = (self._block + 1) % self._count
        self._prepare(block)
        self._block = block
        self._first = self.next_number
        if self._first_of(block, False) == 0:
            self._head_for(self._first)
            # The mark is there already.
            if self._program(4, memoryview(self._head)[4:]):
                self._slot = 0
                return True
        self._give_up()
        return False

    def _head_for(self, first):
        head = self._head
        struct.pack_into(_FORMAT, head, 0, _MAGIC, _VERSION, self._kind, first, self._size, 0xFFFF, 0)
        struct.pack_into("<I", head, 12, crc32(memoryview(head)[:10]))

    def _prepare(self, block):
        """Erase a block unless that has been done to its end; whether it took shows when it is entered."""
        newest = self._block
        try:
            if self._first_of(block, False) == 0:
                return
            if block == self._seen:
                self._seen = -1
            self._block = block
            if not self._dev.ioctl(6, self._base + block):
                self._head_for(0)
                self._program(0, memoryview(self._head)[:4])
        except (OSError, StorageError):
            pass
        self._block = newest

    def _give_up(self):
        self._slot = self.per
        self.gave_up += 1

    def _first_of(self, block, deep=True):
        """Number of a block's first record; 0: erased, and that to its end; -1: anything else.

        deep: ask the records when the head is damaged.
        """
        head = self._head
        self._read(block, 0, head)
        magic, version, kind, first, size, _, crc = struct.unpack(_FORMAT, head)
        ours = magic == _MAGIC and version == _VERSION and kind == self._kind
        if ours and size == self._size and crc == crc32(memoryview(head)[:10]):
            return first
        if head[4:] == b"\xff" * 12:
            return 0 if ours else -1
        if deep:
            buf = bytearray(self._size)
            blank = b"\xff" * self._size
            used = 0
            for slot in range(self.per if magic == _MAGIC else min(_PROBES, self.per)):
                self._read(block, HEAD + slot * self._size, buf)
                number = self._number(buf)
                if number > slot:
                    return number - slot
                used |= buf != blank
            if used and magic == _MAGIC:
                self.damaged += 1
        return -1

    def _number(self, buf):
        """The number of a sound record; 0 for anything else."""
        n = self._size - 4
        number, crc = struct.unpack_from("<I", buf, 0)[0], struct.unpack_from("<I", buf, n)[0]
        return number if crc == crc32(memoryview(buf)[:n]) else 0

    # -- flash ------------------------------------------------------------------------------------

    def _read(self, block, offset, buf):
        try:
            if self._dev.readblocks(self._base + block, buf, offset):
                raise OSError(5)
        except OSError:
            raise StorageError(0, "the flash cannot be read") from None

    def _program(self, offset, data):
        """Program and read back. False: the block has not taken it."""
        back = bytearray(len(data))
        try:
            if self._dev.writeblocks(self._base + self._block, data, offset):
                return False
            self._read(self._block, offset, back)
        except (OSError, StorageError):
            return False
        return back == data
