# SPDX-License-Identifier: Apache-2.0
"""NOR flash: a program clears bits, only an erase sets them, and every erase wears its sector."""

SECTOR = 4096


class NorFlash:
    def __init__(self, image: bytes | None = None, size: int = 2 * 1024 * 1024):
        self.data = bytearray(image) if image is not None else bytearray(b"\xff" * size)
        if len(self.data) % SECTOR:
            raise ValueError(f"flash image of {len(self.data)} bytes is not whole {SECTOR}-byte sectors")
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
