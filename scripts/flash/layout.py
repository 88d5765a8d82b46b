# SPDX-License-Identifier: Apache-2.0
"""What goes where on the flash: a MicroPython image with our partition table in it, and the whole flash for a factory.

Source: ESP-IDF 5.5, "App Image Format" and "Partition Tables". A MicroPython image for flashing holds boot loader,
partition table (0x8000) and program; the program must lie where our table's first program partition begins. The boot
loader's header says how large the flash is, and it starts nothing from beyond that: it is made to say the board's size.
The same input gives the same bytes. Raises LayoutError.
"""

import hashlib
import struct
from dataclasses import dataclass

from scripts.board.errors import LayoutError
from scripts.image.boards import Board
from scripts.image.partition_table import AT, FIRST, TableError, decode, encode

from .download import check_chip

_BLANK = b"\xff"
_SIZES = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5}  # MiB -> code in the header
_SECTOR = 4096


@dataclass(frozen=True)
class Region:
    """A part of the flash. What is not content is blank."""

    name: str
    offset: int
    size: int
    content: bytes

    @property
    def end(self) -> int:
        return self.offset + self.size


def with_our_table(micropython: bytes, board: Board) -> bytes:
    """The MicroPython image with the board's partition table and flash size, as it is written at its offset."""
    check_chip(micropython, board)
    offset, app = board.micropython.offset, board.app
    image = bytearray(micropython)
    program = app.offset - offset
    if len(image) <= program or image[program] != 0xE9:
        raise LayoutError(
            f"This MicroPython image has no program at 0x{app.offset:x}, where {board.name} starts one. Take"
            f" {board.micropython.url}."
        )
    if offset + len(image) > app.end:
        raise LayoutError(
            f"The MicroPython image ends at 0x{offset + len(image):x}, and its partition {app.name} at 0x{app.end:x}."
            " Take a smaller build, or make the partition larger."
        )
    try:
        decode(bytes(image[AT - offset : FIRST - offset]))
    except TableError as e:
        raise LayoutError(f"This MicroPython image has no partition table at 0x{AT:x}: {e}. Take another.") from None
    image[AT - offset : FIRST - offset] = encode(list(board.table)).ljust(FIRST - AT, _BLANK)
    image[FIRST - offset : program] = _BLANK * (app.offset - FIRST)  # nvs, otadata, phy_init: blank at the first start
    _set_flash_size(image, board)
    return bytes(image)


def _set_flash_size(image: bytearray, board: Board) -> None:
    """Set it in the boot loader's header, whose own SHA-256 follows its code where it has one."""
    code = _SIZES.get(board.flash_size >> 20)
    if code is None:
        raise LayoutError(f"A boot loader knows no flash of {board.flash_size:,} bytes. Correct flash_mib.")
    if image[3] >> 4 == code:
        return
    image[3] = code << 4 | image[3] & 0x0F
    if not image[23]:
        return
    at = 24
    for _ in range(image[1]):
        at += 8 + struct.unpack_from("<I", image, at + 4)[0]
        if at > AT - board.micropython.offset:
            raise LayoutError("The boot loader in this MicroPython image is damaged. Take another.")
    end = (at // 16 + 1) * 16  # filled up to 16, the last byte being the checksum
    image[end : end + 32] = hashlib.sha256(image[:end]).digest()


def regions(board: Board, micropython: bytes, vfs: bytes, romfs: bytes = b"") -> list[Region]:
    """The flash, part by part, in the order of their offsets."""
    image, row, app = with_our_table(micropython, board), board.row("vfs"), board.app
    start = board.micropython.offset
    if len(vfs) != row.size:
        raise LayoutError(f"The file system has {len(vfs):,} bytes, and its partition {row.size:,}. Build it again.")
    cut = app.offset - start
    parts = [
        Region("boot loader", start, AT - start, image[: AT - start].rstrip(_BLANK)),
        Region("partition table", AT, FIRST - AT, image[AT - start : FIRST - start]),
    ]
    contents = {app.name: image[cut:], "vfs": vfs, "romfs": romfs.rstrip(_BLANK)}
    parts += [Region(r.name, r.offset, r.size, contents.get(r.name, b"")) for r in board.table]
    parts.sort(key=lambda part: part.offset)
    check(parts, board.flash_size)
    return parts


def check(parts: list[Region], flash_size: int) -> None:
    """That nothing overlaps, and nothing is larger than its place."""
    end, before = 0, "the beginning"
    for part in parts:
        if part.offset < end:
            raise LayoutError(f"{part.name} begins at 0x{part.offset:x}, inside {before}. Correct the partition table.")
        if len(part.content) > part.size:
            raise LayoutError(f"{part.name} has {len(part.content):,} bytes, and its place {part.size:,}.")
        end, before = part.end, part.name
    if end > flash_size:
        raise LayoutError(f"{before} ends at 0x{end:x}, and the flash at 0x{flash_size:x}. Correct the table.")


def whole(parts: list[Region], flash_size: int, trim: bool = False) -> bytes:
    """All of the flash. trim: without what is blank at its end, for a flash that is erased before."""
    flash = bytearray(_BLANK) * flash_size
    for part in parts:
        flash[part.offset : part.offset + len(part.content)] = part.content
    if trim:
        used = len(flash.rstrip(_BLANK))
        return bytes(flash[: -(-used // _SECTOR) * _SECTOR])
    return bytes(flash)
