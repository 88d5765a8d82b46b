# SPDX-License-Identifier: Apache-2.0
"""Partition tables: the text of a partitions.csv, and the bytes the boot loader reads at 0x8000.

    parse_csv(text) -> list[Row]     encode(rows) -> 0xC00 bytes     decode(bytes) -> list[Row]

Binary, little-endian (Espressif's documentation of ESP-IDF 5.5, "Partition Tables"): 32 bytes a row, being magic
AA 50, type, subtype, offset, size, name (16 bytes, zeros after it), flags. Then a row EB EB, fourteen FF, MD5 of all
rows before it. The rest is FF. Offsets and sizes are in bytes; a flag is a bit (FLAGS), and several are written with
colons: encrypted:readonly. All three raise TableError, whose text says what is wrong and in which row; rows come back
in the order in which they stand.
"""

import hashlib
import struct
from typing import NamedTuple

AT = 0x8000  # where the table lies on the flash
LENGTH = 0xC00
FIRST = 0x9000  # what comes before belongs to boot loader and table
APP, DATA = 0, 1
TYPES = {"app": APP, "data": DATA}
SUBTYPES = {
    APP: {"factory": 0x00, "test": 0x20} | {f"ota_{n}": 0x10 + n for n in range(16)},
    DATA: {"ota": 0x00, "phy": 0x01, "nvs": 0x02, "coredump": 0x03, "nvs_keys": 0x04, "fat": 0x81, "spiffs": 0x82},
}
FLAGS = {"encrypted": 1 << 0, "readonly": 1 << 1}
_ROW = struct.Struct("<2sBBLL16sL")
_MAGIC, _SUM = b"\xaa\x50", b"\xeb\xeb" + b"\xff" * 14
_ROWS = LENGTH // _ROW.size - 1  # the sum takes one


class TableError(ValueError):
    """The table is not one; str() says why in one sentence."""


class Row(NamedTuple):
    """A partition. type, subtype and flags are numbers; TYPES, SUBTYPES and FLAGS have their names."""

    name: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size


def parse_csv(text: str) -> list[Row]:
    """Rows of a partitions.csv. Five columns must be there: what a blank offset means depends on the reader."""
    rows = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in line.split(",")]
        if len(fields) < 5 or not all(fields[:5]) or any(fields[6:]):
            raise TableError(f"line {n}: name, type, subtype, offset and size are needed, then flags, and nothing else")
        kind = _number(n, "type", fields[1], TYPES, 0xFF)
        subtype = _number(n, "subtype", fields[2], SUBTYPES.get(kind, {}), 0xFF)
        offset, size = (_number(n, what, fields[at], {}, 0xFFFFFFFF) for what, at in (("offset", 3), ("size", 4)))
        rows.append(Row(fields[0], kind, subtype, offset, size, _flags(n, "".join(fields[5:]))))
    check(rows)
    return rows


def _number(line: int, what: str, text: str, names: dict[str, int], most: int) -> int:
    if text in names:
        return names[text]
    scale = {"K": 1024, "M": 1024 * 1024}.get(text[-1:].upper(), 1)
    try:
        value = int(text[:-1] if scale > 1 else text, 0) * scale
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise TableError(f"line {line}: {text!r} is no {what}")
    return value


def _flags(line: int, text: str) -> int:
    names = text.split(":") if text else []
    for name in names:
        if name not in FLAGS:
            raise TableError(f"line {line}: {name!r} is no flag: {' and '.join(FLAGS)} are, with a colon between")
    return sum(FLAGS[name] for name in set(names))


def check(rows: list[Row]) -> None:
    """What the boot loader and the port rely on. Raises TableError."""
    if not rows or len(rows) > _ROWS:
        raise TableError(f"a table has 1 to {_ROWS} rows, not {len(rows)}")
    end, names = FIRST, set()
    for row in sorted(rows, key=lambda row: row.offset):
        if not row.name.isascii() or not 1 <= len(row.name) <= 15 or row.name in names:
            raise TableError(f"{row.name!r}: names are 1 to 15 ASCII characters, each once")
        names.add(row.name)
        step = 0x10000 if row.type == APP else 0x1000
        if row.offset % step or row.size % 0x1000 or not row.size:
            raise TableError(f"{row.name}: begins at a multiple of 0x{step:x} and takes whole sectors of 0x1000")
        if (row.type, row.subtype) == (DATA, SUBTYPES[DATA]["ota"]) and row.size != 0x2000:
            raise TableError(f"{row.name}: otadata is 0x2000 bytes, two sectors")
        if row.offset < end:
            raise TableError(f"{row.name}: at 0x{row.offset:x}, but what comes before ends at 0x{end:x}")
        end = row.end


def encode(rows: list[Row]) -> bytes:
    """The table as it lies on the flash, 0xC00 bytes."""
    check(rows)
    table = b"".join(_ROW.pack(_MAGIC, r.type, r.subtype, r.offset, r.size, r.name.encode(), r.flags) for r in rows)
    return (table + _SUM + hashlib.md5(table).digest()).ljust(LENGTH, b"\xff")


def decode(data: bytes) -> list[Row]:
    """Rows of a table read from a flash, or cut out of an image. What follows its sum is not looked at."""
    rows = []
    for at in range(0, min(len(data), LENGTH) - _ROW.size + 1, _ROW.size):
        if data[at : at + 16] == _SUM:
            if data[at + 16 : at + 32] != hashlib.md5(data[:at]).digest():
                raise TableError("the partition table is damaged: its checksum does not fit")
            check(rows)
            return rows
        magic, kind, subtype, offset, size, name, flags = _ROW.unpack_from(data, at)
        if magic != _MAGIC:
            raise TableError(f"no partition table: row {len(rows) + 1} begins with {magic.hex()}, not aa50")
        rows.append(Row(name.rstrip(b"\0").decode("latin-1"), kind, subtype, offset, size, flags))
    raise TableError("no partition table: it has no checksum at its end")
