# SPDX-License-Identifier: Apache-2.0
# Stand-in for what a build of MicroPython has that runs code in place: vfs.rom_ioctl and its Partition, as
# ports/esp32/esp32_partition.c of 1.28 has them, and VfsRom and hashlib at an ESP32's pace. It takes the place of both
# modules. Loaded in the profile `place` alone, before the host's files are out of reach.
import hashlib as _hashlib
import sys

import ffi
import os
import uctypes
import vfs as _vfs

import standins

_HASH = 4  # in ops.py
_IN_PLACE = 5
_LARGE = 1024  # what is hashed at once from flash; less is in what its reads take
_EINVAL = 22

mount = _vfs.mount
umount = _vfs.umount


class _Partition(bytearray):
    """The partition romfs: to be written through the link; its buffer is the whole of it, mapped."""

    def readblocks(self, block, into, offset=0):
        return _written.readblocks(block, into, offset)

    def writeblocks(self, block, data, offset=None):
        return _written.writeblocks(block, data, offset)

    def ioctl(self, op, arg):
        return _written.ioctl(op, arg)

    def info(self):
        return _written.info()


def _mapped():
    """A file that the bench keeps equal to the partition, as this process's memory: outside the heap, as flash is."""
    libc = ffi.open("libc.so.6")
    fd = libc.func("i", "open", "si")(os.getenv("PENNYWATT_ROMFS"), 0)
    size = _written.info()[3]
    return uctypes.bytearray_at(libc.func("p", "mmap", "piiiii")(0, size, 1, 1, fd, 0), size)


def _partition():
    """No class of Python's has a buffer that lies elsewhere: the bytearray inside the object is put in its place."""
    made = _Partition()
    word = 4 if sys.maxsize == 0x7FFFFFFF else 8
    # Its type, a map of three words, then what it is made of.
    inside = uctypes.bytearray_at(_address(made) + 4 * word, word)
    inside[:] = _address(_memory).to_bytes(word, "little")
    return made


def _address(of):
    # id() of an object in the second quarter of 32 bits' memory comes as a small integer, which has 31.
    return id(of) if id(of) >= 0 else id(of) + (1 << 31)


class _Image:
    """VfsRom, which tells of the modules that come."""

    def __init__(self, memory):
        self._real = _vfs.VfsRom(memory)

    def open(self, path, mode):
        file = self._real.open(path, mode)
        # The loader checks a slot before it is a root of sys.path.
        if path.endswith(".mpy") and sys.path[-1] in ("/a", "/b"):
            standins.spend(_IN_PLACE, len(memoryview(file)))
        return file

    def __getattr__(self, name):
        return getattr(self._real, name)


VfsRom = _Image


def rom_ioctl(op, *_):
    if op == 1:
        return 1
    return romfs if op == 2 else -_EINVAL


def sha256(data=b""):
    if len(data) >= _LARGE:
        standins.spend(_HASH, len(data) >> 6)
    return _hashlib.sha256(data)


def __getattr__(name):
    return getattr(_vfs if hasattr(_vfs, name) else _hashlib, name)


standins.Partition.TABLE = (("rings", 0x200, 256, 0x90), ("romfs", 0x300, 128, 0x8F), ("vfs", 0x380, 128, 0x81))
_written = standins.Partition("romfs")
_memory = _mapped()
romfs = _partition()
