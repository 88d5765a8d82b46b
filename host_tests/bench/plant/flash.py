# SPDX-License-Identifier: Apache-2.0
"""NOR flash: a program clears bits, only an erase sets them, and every erase wears its sector.

Power failing in the middle is a rule of the part, too: cut_program() and cut_erase().
"""

import random

SECTOR = 4096
CHIP = 4 * 1024 * 1024
RINGS_AT, RINGS_SIZE = 0x200000, 0x100000  # as in boards/*/partitions.csv; a test compares
VFS_AT, VFS_SIZE = 0x300000, 0x100000


class NorFlash:
    """The flash chip, addressed as on the board. image: what the partition `vfs` holds."""

    def __init__(self, image: bytes | None = None, size: int = CHIP):
        self.data = bytearray(b"\xff" * size)
        if image is not None:
            if len(image) % SECTOR or VFS_AT + len(image) > size:
                raise ValueError(f"an image of {len(image)} bytes is not whole sectors, or does not fit")
            self.data[VFS_AT : VFS_AT + len(image)] = image
        self.erases = [0] * (len(self.data) // SECTOR)
        self.bytes_programmed = 0
        self.violations = []
        self.bad_sectors: set = set()

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
        return True

    def erase(self, sector: int) -> bool:
        if sector in self.bad_sectors:
            return False
        self.data[sector * SECTOR : (sector + 1) * SECTOR] = b"\xff" * SECTOR
        self.erases[sector] += 1
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


def read_file(flash: NorFlash, name: str) -> bytes:
    """A file of the meter's file system, as it is on the chip now. Raises FileNotFoundError."""
    import littlefs

    fs = littlefs.LittleFS(
        block_size=SECTOR, block_count=VFS_SIZE // SECTOR, read_size=32, prog_size=32, cache_size=128,
        lookahead_size=32, disk_version=0x00020001, mount=False,
    )  # fmt: skip
    fs.context.buffer = bytearray(flash.data[VFS_AT : VFS_AT + VFS_SIZE])
    fs.mount()
    with fs.open(name, "rb") as f:
        return f.read()
