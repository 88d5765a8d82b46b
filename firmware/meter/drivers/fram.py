# SPDX-License-Identifier: Apache-2.0
"""MB85RC256V: 32 KiB of FRAM on I2C.

Source: Fujitsu DS501-00017-3v0-E. Two address bytes, no page limit, no write delay: when write() returns
the bytes are kept. One byte is atomic, a longer write can be torn by a power cut: records need their own
check. Reading wears a cell as writing does (10**12 accesses), so nothing polls this part.
"""

from micropython import const

from meter.core.errors import BusError

SIZE = const(32768)


class Fram:
    def __init__(self, i2c, addr: int = 0x50):
        self._i2c = i2c
        self._addr = addr

    def read_into(self, offset: int, buf) -> None:
        """Fill buf from offset. BusError when the part does not answer; buf is then not to be trusted."""
        self._check(offset, len(buf))
        try:
            self._i2c.readfrom_mem_into(self._addr, offset, buf, addrsize=16)
        except OSError:
            raise BusError(0, "FRAM does not answer") from None

    def write(self, offset: int, buf) -> None:
        """Keep buf at offset. BusError when it was not taken whole: what is there is then unknown."""
        self._check(offset, len(buf))
        try:
            self._i2c.writeto_mem(self._addr, offset, buf, addrsize=16)
        except OSError:
            raise BusError(0, "FRAM does not answer") from None

    def _check(self, offset, n):
        # The part would wrap to address 0 without a word and overwrite what is kept there.
        if offset < 0 or offset + n > SIZE:
            raise ValueError("outside the FRAM")
