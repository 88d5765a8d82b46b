# SPDX-License-Identifier: Apache-2.0
"""NOR flash: a program clears bits, only an erase sets them, and every erase wears its sector."""

SECTOR = 4096
CHIP = 4 * 1024 * 1024
RINGS_AT, RINGS_SIZE = 0x200000, 0x80000  # as in boards/*/partitions.csv; a test compares
VFS_AT = 0x280000


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
