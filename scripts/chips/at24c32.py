# SPDX-License-Identifier: Apache-2.0
"""AT24C32 EEPROM on I2C: 4 KiB in pages of 32 bytes. Not a part of the meter: it is on clock modules, and where its
address is strapped like the FRAM's it answers in its place, or together with it.

Source: Atmel-0336, AT24C32. Rules: a write wraps within its page, so 32 bytes are kept at most, and takes 10 ms, in
which the part acknowledges nothing; a new part holds ones.
"""

from scripts.chips import I2cNak

SIZE, PAGE = 4096, 32
WRITE_US = 10_000


class At24c32Chip:
    """Public: data (survives power)."""

    def __init__(self, addr: int = 0x57):
        self.addr = addr
        self.absent = False
        self.data = bytearray(b"\xff" * SIZE)
        self._address = 0
        self._busy_until = 0

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        if now_us < self._busy_until:
            raise I2cNak(self.addr)
        if len(data) < 2:
            return
        self._address = (data[0] << 8 | data[1]) % SIZE
        page = self._address // PAGE * PAGE
        for value in data[2:]:
            self.data[self._address] = value
            self._address = page + (self._address + 1) % PAGE
        if len(data) > 2:
            self._busy_until = now_us + WRITE_US

    def i2c_read(self, n: int, now_us: int, byte_us: int) -> bytes:
        if now_us < self._busy_until:
            raise I2cNak(self.addr)
        start = self._address
        self._address = (start + n) % SIZE
        return bytes(self.data[(start + i) % SIZE] for i in range(n))
