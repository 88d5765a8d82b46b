# SPDX-License-Identifier: Apache-2.0
"""MB85RC256V FRAM on I2C: 32 KiB, no page, no write time.

Source: Fujitsu DS501-00017-3v0-E. Rules: the top address bit is ignored and addresses wrap; a byte is kept
at its acknowledge, so a power cut leaves the bytes before it; reads wear as writes do. With WP high (section
"Write protect") the part acknowledges a write as ever and keeps nothing of it.
"""

from scripts.chips import I2cNak

SIZE = 32768
ROW = 8  # bytes that share one access of the array


class Mb85rc256vChip:
    """Public: data (survives power), accesses (per 8 bytes), nak_next, cut_after_bytes, on_cut, flip_bit().

    keeps_nothing: True, writes are acknowledged and nothing is stored (WP high, a worn or a counterfeit part); a
    number, nothing is stored from that address on.

    cut_after_bytes counts data bytes over as many writes as it takes; the write it stops is not acknowledged.
    """

    def __init__(self, addr: int = 0x50, data: bytearray | None = None):
        self.addr = addr
        self.absent = False
        self.powered = False
        self.data = bytearray(SIZE) if data is None else data
        self.accesses = [0] * (SIZE // ROW)
        self.keeps_nothing: bool | int = False
        self.nak_next = 0  # this many transfers are not acknowledged
        self.cut_after_bytes: int | None = None  # this many more data bytes are kept, then power fails
        self.on_cut = None
        self._address = 0

    def power_on(self, now_us: int) -> None:
        self.powered = True
        self._address = 0

    def power_off(self, now_us: int) -> None:
        self.powered = False

    def flip_bit(self, offset: int, bit: int) -> None:
        """A cell has changed by itself."""
        self.data[offset] ^= 1 << bit

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        self._acknowledge()
        if len(data) < 2:
            return
        self._address = (data[0] << 8 | data[1]) % SIZE
        kept = data[2:]
        if not kept:
            return
        cut = self.cut_after_bytes is not None and len(kept) > self.cut_after_bytes
        if cut:
            kept = kept[: self.cut_after_bytes]
        elif self.cut_after_bytes is not None:
            self.cut_after_bytes -= len(kept)
        start, end = self._address, self._address + len(kept)
        self._wear(len(kept))
        for i, value in enumerate(kept):
            if self._keeps((start + i) % SIZE):
                self.data[(start + i) % SIZE] = value
        self._address = end % SIZE
        if cut:
            self.cut_after_bytes = None
            self.power_off(now_us)
            if self.on_cut is not None:
                self.on_cut(now_us)
            raise I2cNak(self.addr)

    def i2c_read(self, n: int, now_us: int, byte_us: int) -> bytes:
        if not self.powered:
            raise I2cNak(self.addr)
        start = self._address
        self._wear(n)
        self._address = (start + n) % SIZE
        if start + n <= SIZE:
            return bytes(self.data[start : start + n])
        return bytes(self.data[(start + i) % SIZE] for i in range(n))

    def _keeps(self, address):
        return self.keeps_nothing is False or (self.keeps_nothing is not True and address < self.keeps_nothing)

    def _acknowledge(self):
        if not self.powered:
            raise I2cNak(self.addr)
        if self.nak_next:
            self.nak_next -= 1
            raise I2cNak(self.addr)

    def _wear(self, n):
        if n:
            for row in range(self._address // ROW, (self._address + n - 1) // ROW + 1):
                self.accesses[row % (SIZE // ROW)] += 1
