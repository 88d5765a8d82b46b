# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's esp32 module: flash partitions on the plant's simulated NOR flash.
import struct

from micropython import const

import link
from ops import FLASH_ERASE, FLASH_PROG, FLASH_READ, RSP_AT

_BLOCK = const(4096)
_CHUNK = const(2048)


HEAP_DATA = 4
LARGEST = const(53248)


def idf_heap_info(capabilities):
    """ESP-IDF's heap, a region a tuple (bytes, free, largest piece, least free so far): what an ESP32 has left when
    MicroPython's heap has grown to 112,000 bytes and all tasks run. Seen on the port, which has more regions."""
    return [(112000, 82016, LARGEST, 80000)]


class Partition:
    """A data partition; block protocol as docs.micropython.org's esp32.Partition has it."""

    TABLE = (("rings", 0x200, 256, 0x90), ("vfs", 0x300, 256, 0x81))  # label, first block, blocks, subtype

    def __init__(self, label):
        for name, first, count, subtype in self.TABLE:
            if name == label:
                self._label, self._first, self._count, self._subtype = name, first * _BLOCK, count, subtype
                return
        raise OSError(2)

    @classmethod
    def find(cls, type=0, subtype=255, label=None, block_size=_BLOCK):
        return [cls(row[0]) for row in cls.TABLE if label is None or row[0] == label]

    def info(self):
        return (1, self._subtype, self._first, self._count * _BLOCK, self._label, False)

    def readblocks(self, block, into, offset=0):
        at = self._first + block * _BLOCK + offset
        view = memoryview(into)
        done = 0
        while done < len(into):
            n = min(_CHUNK, len(into) - done)
            req = link.room(7)
            struct.pack_into("<BIH", link.buf, req, FLASH_READ, at + done, n)
            link.call()
            view[done : done + n] = link.buf[RSP_AT : RSP_AT + n]
            done += n

    def writeblocks(self, block, data, offset=None):
        if offset is None:
            for i in range(len(data) // _BLOCK):
                self.ioctl(6, block + i)
            offset = 0
        at = self._first + block * _BLOCK + offset
        view = memoryview(data)
        done = 0
        while done < len(data):
            n = min(_CHUNK, len(data) - done)
            req = link.room(7 + n)
            struct.pack_into("<BIH", link.buf, req, FLASH_PROG, at + done, n)
            link.buf[req + 7 : req + 7 + n] = view[done : done + n]
            link.call()
            if link.buf[RSP_AT]:
                return -5
            done += n
        return None

    def ioctl(self, op, arg):
        if op == 4:
            return self._count
        if op == 5:
            return _BLOCK
        if op == 6:
            req = link.room(3)
            struct.pack_into("<BH", link.buf, req, FLASH_ERASE, self._first // _BLOCK + arg)
            link.call()
            return -5 if link.buf[RSP_AT] else 0
        return 0
