# SPDX-License-Identifier: Apache-2.0
"""Slots whose code runs in place: ROMFS images in the partition `romfs`. Only builds with vfs.rom_ioctl load this.

    block 0     stays blank: with ROMFS's magic there the port would mount it by itself, unchecked
    then        slot a, then slot b, each half of the blocks that are left
    in a slot   the image, from its first byte on: the bundle's files, and its head as `manifest`
                its last 64 bytes are its seal: SHA-256 of the image, u32 its length, little-endian; the rest blank

A mount looks at the magic and the length alone, and a damaged record leads it anywhere: so no image is mounted whose
seal does not fit. Whether it is the one to be started its manifest says, by the boot state (slots.py). The seal goes
first when a slot is written, and comes back last: after a power cut between there is nothing in it.

Format of the image: extmod/vfs_rom.c of MicroPython 1.28. Records are kind, length, content; numbers seven bits a byte,
the highest first. Names are sorted inside each folder, as mpremote's builder does it: the same bytes come out.
"""

from hashlib import sha256

import vfs
from micropython import const

from loader.bundle import HEAD, about, check_file, entries
from loader.errors import LoaderError
from loader.layout import SLOTS

_COUNT = const(1)  # of rom_ioctl: how many partitions there are; the first of them
_GET = const(2)
_BLOCKS = const(4)  # of a partition's ioctl
_ERASE = const(6)
_BLOCK = const(4096)
_PAGE = const(512)  # programmed at once: each program stops whatever runs from flash
_SEAL = const(64)
_SHA = const(32)

_MAGIC = b"\xd2\xcd\x31"
_DATA = b"\2"
_FOLDER = b"\4"
_FILE = b"\5"


class Rom:
    """The partition. mounted: slots whose image is at their path."""

    def __init__(self, flash):
        self._flash = flash
        self._view = memoryview(flash)
        self._blocks = (flash.ioctl(_BLOCKS, 0) - 1) // 2  # of a slot
        self._mounted = set()

    def mount(self, slot: int) -> bool:
        """Show a slot's files at its path, over what LittleFS has there. False: there is no image that is whole."""
        if slot not in self._mounted:
            at = self._at(slot) * _BLOCK
            end = at + self._blocks * _BLOCK - _SEAL
            seal = bytes(self._view[end : end + _SHA + 4])
            length = int.from_bytes(seal[_SHA:], "little")
            if not 0 < length <= end - at or sha256(self._view[at : at + length]).digest() != seal[:_SHA]:
                return False
            image = vfs.VfsRom(self._view[at : at + length])  # pyright: ignore[reportAttributeAccessIssue]
            vfs.mount(image, SLOTS[slot])
            self._mounted.add(slot)
        return True

    def umount(self, slot: int) -> None:
        """What LittleFS has at the slot's path is seen again."""
        if slot in self._mounted:
            vfs.umount(SLOTS[slot])
            self._mounted.remove(slot)

    def write(self, f, length: int, slot: int, feed=None) -> None:
        """Put a bundle's files into a slot. f: the bundle, whose manifest of that length is signed. Raises LoaderError
        when they do not fit or are not what it says, OSError when the flash takes nothing."""
        tree = _tree(f, length)
        total = _length(tree)
        head = _header(total)
        total += len(head)
        if total > self._blocks * _BLOCK - _SEAL:
            raise LoaderError("it is %d bytes in place, more than a slot has" % total)
        self.umount(slot)
        first = self._at(slot)
        last = first + self._blocks - 1
        for block in [last] + list(range(first, min(first + (total + _BLOCK - 1) // _BLOCK, last))):
            _done(self._flash.ioctl(_ERASE, block))
            if feed:
                feed()
        out = _Pages(self._flash, first * _BLOCK)
        out.write(head)
        _put(tree, f, out, feed)
        out.flush()
        seal = out.digest.digest() + total.to_bytes(4, "little")
        out = _Pages(self._flash, (last + 1) * _BLOCK - _SEAL)
        out.write(seal)
        out.flush(_SEAL)

    def _at(self, slot):
        """The block a slot begins at."""
        return 1 + (slot - 1) * self._blocks


class _Pages:
    """A file's write() onto erased flash, a page at a time; digest: of all that was written."""

    def __init__(self, flash, at):
        self._flash = flash
        self._at = at
        self._page = bytearray(_PAGE)
        self._used = 0
        self.digest = sha256()

    def write(self, data):
        self.digest.update(data)
        view = memoryview(data)
        while view:
            part = view[: _PAGE - self._used]
            self._page[self._used : self._used + len(part)] = part
            self._used += len(part)
            view = view[len(part) :]
            if self._used == _PAGE:
                self.flush()

    def flush(self, size=_PAGE):
        """Program what is left, and what is missing to size as it is when erased."""
        if self._used:
            for i in range(self._used, size):
                self._page[i] = 0xFF
            block, offset = divmod(self._at, _BLOCK)
            _done(self._flash.writeblocks(block, memoryview(self._page)[:size], offset))
            self._at += size
            self._used = 0


def _done(error):
    """Partition's calls raise or, as block devices may, return a negative number."""
    if error:
        raise OSError(-error)


def _tree(f, length):
    """Folders as dicts, name -> folder or (SHA-256, bytes, where in the bundle) of a file; None: the head itself."""
    f.seek(HEAD)
    about(f)
    tree: dict = {"manifest": (None, HEAD + length, 0)}
    at = HEAD + length
    for digest, size, path in entries(f, length):
        folder = tree
        parts = path.split("/")
        for name in parts[:-1]:
            folder = folder.setdefault(name, {})
        folder[parts[-1]] = (digest, size, at)
        at += size
    return tree


def _put(folder, f, out, feed):
    """A folder's records, one after the other."""
    for name in sorted(folder):
        what = folder[name]
        out.write(_record(name, what))
        if isinstance(what, dict):
            _put(what, f, out, feed)
            continue
        digest, size, at = what
        f.seek(at)
        if not check_file(f, digest, size, out) and digest:
            raise LoaderError(name + " in it is damaged")
        if feed:
            feed()


def _length(folder):
    """Bytes of a folder's records."""
    total = 0
    for name, what in folder.items():
        total += len(_record(name, what)) + (_length(what) if isinstance(what, dict) else what[1])
    return total


def _record(name, what):
    """How the record of a file or folder begins: up to its content."""
    begins = _number(len(name)) + name.encode()
    if isinstance(what, dict):
        return _FOLDER + _number(len(begins) + _length(what)) + begins
    begins += _DATA + _number(what[1])
    return _FILE + _number(len(begins) + what[1]) + begins


def _header(total):
    """How the image begins; its whole length is even."""
    length = _number(total)
    if (len(_MAGIC) + len(length) + total) % 2:
        length = b"\x80" + length
    return _MAGIC + length


def _number(n):
    coded = bytes((n & 0x7F,))
    n >>= 7
    while n:
        coded = bytes((0x80 | n & 0x7F,)) + coded
        n >>= 7
    return coded


def attach(rom_ioctl):
    """The Rom, or None: there is no such partition."""
    return Rom(rom_ioctl(_GET, 0)) if rom_ioctl(_COUNT) else None
