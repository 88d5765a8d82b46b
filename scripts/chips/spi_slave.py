# SPDX-License-Identifier: Apache-2.0
"""What SPI parts have in common: power, a wire that may be open or noisy, and the clock's phase (mode 3 is right).

Fault knobs: absent (MISO floats high, or at open_miso), wrong_id (another part), noise (bit error rate), keeps_nothing
(of what is written), start_us (after power-up and reset).
"""

import random
from math import log


class SpiSlave:
    """A part brings _reset(now_us), advance(now_us), and _ready_us, before which it does not answer."""

    min_baud: int
    max_baud: int
    start_us: int
    _ready_us: int

    def __init__(self, seed: int):
        super().__init__()
        self.absent = False
        self.open_miso = 0xFF  # what the wire reads while the part is absent
        self.wrong_id = False
        self.keeps_nothing = False
        self.powered = False
        self._random = random.Random(seed)
        self._noise = 0
        self._clean_bits = 0  # until the next one flips
        self._selected = False
        self._frame = b""

    def power_on(self, now_us: int) -> None:
        self.powered = True
        self._reset(now_us)

    def power_off(self, now_us: int) -> None:
        self.advance(now_us)
        self.powered = False
        self._reset(now_us)
        self._ready_us = 1 << 62

    @property
    def noise(self):
        """Bit error rate on MOSI and MISO."""
        return self._noise

    @noise.setter
    def noise(self, rate):
        self._noise = rate
        if rate:
            self._clean_bits = self._gap(rate)

    def _heard(self, tx, mode, baudrate):
        """What of MOSI reaches the part."""
        tx = self._disturb(tx, self._rate(baudrate))
        if mode in (1, 2):
            # The slave samples where the master is already changing: one bit late.
            tx = (int.from_bytes(tx, "big") >> 1).to_bytes(len(tx), "big")
        return tx

    def _read(self, rx, mode, baudrate):
        """What of MISO reaches the master."""
        if mode == 0:
            rx = ((int.from_bytes(rx, "big") << 1) & (1 << 8 * len(rx)) - 1).to_bytes(len(rx), "big")
        return bytes(self._disturb(rx, self._rate(baudrate)))

    def _rate(self, baudrate):
        return self._noise if self.min_baud <= baudrate <= self.max_baud else 0.1

    def _gap(self, rate):
        return int(log(1 - self._random.random()) / log(1 - rate))

    def _disturb(self, data, rate):
        if not rate:
            return data
        bits = 8 * len(data)
        if rate != self._noise:
            self._clean_bits = self._gap(rate)
        at = self._clean_bits
        if at < bits:
            data = bytearray(data)
            while at < bits:
                data[at >> 3] ^= 0x80 >> (at & 7)
                at += 1 + self._gap(rate)
        self._clean_bits = at - bits
        return bytes(data)
