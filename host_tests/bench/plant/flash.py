# SPDX-License-Identifier: Apache-2.0
"""NOR flash: a program clears bits, only an erase sets them, and every erase wears its sector.

Power failing in the middle is a rule of the part, too: cut_program() and cut_erase().
"""

import random
from enum import StrEnum

SECTOR = 4096
CHIP = 4 * 1024 * 1024
RINGS_AT, RINGS_SIZE = 0x200000, 0x100000  # as in boards/*/partitions.csv; a test compares
VFS_AT, VFS_SIZE = 0x300000, 0x100000
# The same of profile `place`: boards/*/partitions-place.csv.
ROMFS_AT, ROMFS_SIZE = 0x300000, 0x80000
PLACE_VFS_AT, PLACE_VFS_SIZE = 0x380000, 0x80000


class Profile(StrEnum):
    """How the MicroPython is built: the official image, or ours, which runs slots in place (boards/port)."""

    STOCK = "stock"
    PLACE = "place"


class NorFlash:
    """The flash chip, addressed as on the board. image: what the partition `vfs` holds. romfs: what that one does, in
    profile `place`. mapped: memory that shows romfs as it is, for who reads it there."""

    def __init__(self, image: bytes | None = None, size: int = CHIP, romfs: bytes | None = None):
        self.data = bytearray(b"\xff" * size)
        self.place = romfs is not None
        self.mapped: memoryview | None = None
        self.vfs_at, self.vfs_size = (PLACE_VFS_AT, PLACE_VFS_SIZE) if self.place else (VFS_AT, VFS_SIZE)
        if image is not None:
            if len(image) % SECTOR or self.vfs_at + len(image) > size:
                raise ValueError(f"an image of {len(image)} bytes is not whole sectors, or does not fit")
            self.data[self.vfs_at : self.vfs_at + len(image)] = image
        if romfs is not None:
            self.data[ROMFS_AT : ROMFS_AT + ROMFS_SIZE] = romfs.ljust(ROMFS_SIZE, b"\xff")
        self.erases = [0] * (len(self.data) // SECTOR)
        self.bytes_programmed = 0
        self.violations = []
        self.bad_sectors: set = set()

    def show(self, offset: int = ROMFS_AT, n: int = ROMFS_SIZE) -> None:
        """Bring the mapped memory up to date with so much of the flash."""
        begin, end = max(offset, ROMFS_AT), min(offset + n, ROMFS_AT + ROMFS_SIZE)
        if self.mapped is not None and begin < end:
            self.mapped[begin - ROMFS_AT : end - ROMFS_AT] = self.data[begin:end]

    def read(self, offset: int, n: int) -> bytes:
        return bytes(self.data[offset : offset + n])

    def program(self, offset: int, data: bytes) -> bool:
        if offset // SECTOR in self.bad_sectors:
            return False
        old = self.data[offset : offset + len(data)]
        new = bytes(a & b for a, b in zip(old, data, strict=True))
        if new != data:
            self.violations.append(f"program without erase at 0x{offset:x}")
        self.data[offset : offset + len(data)] = new
        self.bytes_programmed += len(data)
        self.show(offset, len(data))
        return True

    def erase(self, sector: int) -> bool:
        if sector in self.bad_sectors:
            return False
        self.data[sector * SECTOR : (sector + 1) * SECTOR] = b"\xff" * SECTOR
        self.erases[sector] += 1
        self.show(sector * SECTOR, SECTOR)
        return True

    def cut_program(self, offset: int, data: bytes, whole: int, chance: int) -> None:
        """Power fails when `whole` bytes are in: of the next, some bits have made it (chance: which)."""
        NorFlash.program(self, offset, data[:whole])  # not who counts the programs of this one
        self.data[offset + whole] &= data[whole] | random.Random(chance).getrandbits(8)

    def cut_erase(self, sector: int, chance: int) -> None:
        """Power fails during an erase, which is no sweep from front to back: halves in either order, or bits
        here and there."""
        at, half = sector * SECTOR, SECTOR // 2
        match chance % 3:
            case 0:
                self.data[at : at + half] = b"\xff" * half
            case 1:
                self.data[at + half : at + SECTOR] = b"\xff" * half
            case 2:
                bits = random.Random(chance)
                torn = bytes(b | bits.getrandbits(8) for b in self.data[at : at + SECTOR])
                self.data[at : at + SECTOR] = torn


def flash_of(profile: str, documents: dict[str, bytes], board: str = "esp32_devkit", firmware=None) -> NorFlash:
    """A chip with the firmware, as that profile has it, and documents."""
    from scripts.image import romfs
    from scripts.image.image import build_image, collect, in_place, pack

    if Profile(profile) == Profile.STOCK:
        return NorFlash(build_image(None, documents, board, VFS_SIZE, firmware))
    files, slots = in_place(collect(documents, board, firmware), board, firmware)
    return NorFlash(pack(files, PLACE_VFS_SIZE), romfs=romfs.partition(slots, ROMFS_SIZE))


def read_file(flash: NorFlash, name: str) -> bytes:
    """A file of the meter's file system, as it is on the chip now. Raises FileNotFoundError."""
    import littlefs

    fs = littlefs.LittleFS(
        block_size=SECTOR, block_count=flash.vfs_size // SECTOR, read_size=32, prog_size=32, cache_size=128,
        lookahead_size=32, disk_version=0x00020001, mount=False,
    )  # fmt: skip
    fs.context.buffer = bytearray(flash.data[flash.vfs_at : flash.vfs_at + flash.vfs_size])
    fs.mount()
    with fs.open(name, "rb") as f:
        return f.read()
