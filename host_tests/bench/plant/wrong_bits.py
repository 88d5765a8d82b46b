# SPDX-License-Identifier: Apache-2.0
"""Single-bit errors on a wire: one bit of one transfer is wrong, the next time the one after it, until each has been.

Transfers are alike that begin with the same register or address and have the same lengths; of each sort the positions
are walked from the first bit to the last, and from the first again. Between two errors there is a time without any,
and then a few transfers by chance, so that it is not always the same one of a turn.
A wrong bit of an I2C address byte is a transfer that nobody acknowledges: no two addresses of the meter differ by one
bit, and a part that takes a write for a read keeps quiet.
"""

import random

from scripts.chips import I2cNak

S = 1_000_000
# µs without an error after each; transfers let through after that at most.
_PACE = {"atm90e32": (9 * S, 60), "lcd": (62 * S, 2), "rtc": (15 * S, 40), "fram": (2 * S, 3), "pn532": (S // 2, 9)}
_HEAD = {"atm90e32": 2, "lcd": 0, "rtc": 1, "fram": 2, "pn532": 0}  # bytes that tell sorts of transfers apart


class Walk:
    """Public: at (sort of transfer -> bits that have been wrong), sizes (its bits), flips (errors so far), flipped_us
    (when the last one was), and to be set: paused, first (where each walk begins), once (each bit no more than once),
    and only(sort), whether transfers of a sort may be hit."""

    def __init__(self, part: str):
        self.at = {}
        self.sizes = {}
        self.flips = 0
        self.flipped_us = 0
        self.paused = self.once = False
        self.first = 0
        self.only = lambda sort: True
        self._apart_us, self._spare = _PACE[part]
        self._head = _HEAD[part]
        self._rng = random.Random(part)
        self._let_through = 0

    def soon(self, let_through: int) -> None:
        """The next error comes after n transfers, whatever the time."""
        self.flipped_us = -1 << 60
        self._let_through = let_through

    def next(self, head: bytes, written: int, read: int, bits: int, now_us: int) -> int:
        """Which bit of this transfer is wrong, from 0; -1: none."""
        sort = bytes(head[: self._head]), written, read
        if self.paused or now_us - self.flipped_us < self._apart_us:
            return -1
        if not self.only(sort) or (self.once and self.walked(sort)):
            return -1
        if self._let_through > 0:
            self._let_through -= 1
            return -1
        self._let_through = self._rng.randrange(self._spare)
        self.flipped_us = now_us
        self.flips += 1
        at = self.at.get(sort, self.first)
        self.at[sort] = at + 1
        self.sizes[sort] = bits
        return at % bits

    def walked(self, sort) -> bool:
        """Has each bit of this sort of transfer been wrong?"""
        return sort in self.at and self.at[sort] >= self.sizes[sort]


def _flipped(data, bit):
    data = bytearray(data)
    data[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(data)


class OnI2c(Walk):
    """A disturbance of one part; see direct.I2cBus."""

    def __init__(self, part: str, addr: int, clock):
        super().__init__(part)
        self._addr = addr
        self._clock = clock
        self._bit = -1
        self._first = 0  # position of this half of the transfer

    def begin(self, out: bytes, read_n: int) -> None:
        """A transfer begins."""
        n = len(out)
        bits = 8 * ((1 + n if n else 0) + (1 + read_n if read_n else 0))
        self._bit = self.next(out, n, read_n, bits, self._clock.now_us) if bits else -1
        self._first = 0

    def __call__(self, data: bytes, read: bool) -> bytes:
        if not data:
            return data
        at = self._bit - self._first
        bits = 8 * (1 + len(data))
        self._first += bits
        if self._bit < 0 or not 0 <= at < bits:
            return data
        if at < 8:
            raise I2cNak(self._addr)
        return _flipped(data, at - 8)


def on_spi(chip, on: bool) -> None:
    """Bits of a metering IC's frames are wrong, of what is sent or of what comes back; its wrong_bits is the Walk."""
    vars(chip).pop("spi_transfer", None)
    chip.wrong_bits = None
    if not on:
        return
    walk = chip.wrong_bits = Walk("atm90e32")
    straight = chip.spi_transfer

    def transfer(tx, mode, baudrate, now_us):
        bits = 8 * len(tx)
        at = walk.next(tx, len(tx), len(tx), 2 * bits, now_us)
        if 0 <= at < bits:
            tx = _flipped(tx, at)
        rx = straight(tx, mode, baudrate, now_us)
        return _flipped(rx, at - bits) if at >= bits else rx

    chip.spi_transfer = transfer
