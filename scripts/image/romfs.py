# SPDX-License-Identifier: Apache-2.0
"""The partition `romfs` as the meter's loader has it (firmware/loader/romfs.py): images, their seals, both slots.

    image(files) -> bytes                         slot(files, size) -> bytes, sealed
    partition({"a": files, "b": files}, size)     blocks(size), at(slot, size), sealed(data, slot)

files: path -> content, the head of their bundle as `manifest` among them. The same files give the same bytes, which are
those of mpremote's builder; a test compares.
"""

import hashlib
import struct

BLOCK = 4096
SEAL = 64
SLOTS = ("a", "b")
_MAGIC = b"\xd2\xcd\x31"
_VERBATIM, _FOLDER, _FILE = b"\x02", b"\x04", b"\x05"


class RomfsError(ValueError):
    """The files do not fit; str() says so."""


def image(files: dict[str, bytes]) -> bytes:
    tree: dict = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        folder = tree
        for part in folders:
            folder = folder.setdefault(part, {})
        folder[name] = content
    records = _records(tree)
    length = _number(len(records))
    if (len(_MAGIC) + len(length) + len(records)) % 2:
        length = b"\x80" + length
    return _MAGIC + length + records


def _records(folder: dict) -> bytes:
    return b"".join(_record(name, folder[name]) for name in sorted(folder))


def _record(name: str, what) -> bytes:
    begins = _number(len(name)) + name.encode("ascii")
    if isinstance(what, dict):
        kind, content = _FOLDER, begins + _records(what)
    else:
        kind, content = _FILE, begins + _VERBATIM + _number(len(what)) + what
    return kind + _number(len(content)) + content


def _number(value: int) -> bytes:
    coded = [value & 0x7F]
    while value := value >> 7:
        coded.insert(0, 0x80 | value & 0x7F)
    return bytes(coded)


def blocks(size: int) -> int:
    """Of a slot in a partition of size bytes: one stays blank, the slots have half of the rest each."""
    return (size // BLOCK - 1) // 2


def at(slot: str, size: int) -> int:
    """Where in the partition a slot begins."""
    return BLOCK * (1 + SLOTS.index(slot) * blocks(size))


def seal_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + struct.pack("<I", len(data))


def slot(files: dict[str, bytes], size: int) -> bytes:
    """A slot of a partition of size bytes. Raises RomfsError."""
    data, room = image(files), blocks(size) * BLOCK
    if len(data) > room - SEAL:
        raise RomfsError(f"{len(files)} files are {len(data)} bytes in place; a slot has {room - SEAL}")
    return data.ljust(room - SEAL, b"\xff") + seal_of(data).ljust(SEAL, b"\xff")


def partition(slots: dict[str, dict[str, bytes]], size: int) -> bytes:
    """All of it; a slot without files is blank. Raises RomfsError."""
    found = bytearray(b"\xff" * size)
    for name, files in slots.items():
        if files:
            content = slot(files, size)
            found[at(name, size) : at(name, size) + len(content)] = content
    return bytes(found)


def sealed(data: bytes, name: str) -> bytes | None:
    """The image in a slot of a partition, if its seal fits."""
    begin = at(name, len(data))
    end = begin + blocks(len(data)) * BLOCK - SEAL
    (length,) = struct.unpack_from("<I", data, end + 32)
    found = data[begin : begin + length]
    return found if 0 < length <= end - begin and seal_of(found) == data[end : end + 36] else None
