# SPDX-License-Identifier: Apache-2.0
"""MB85RC256V: 32 KiB of FRAM on I2C.

Source: Fujitsu DS501-00017-3v0-E. Two address bytes, no page limit, no write delay: when write() returns
the bytes are kept. One byte is atomic, a longer write can be torn by a power cut: records need their own
check. Reading wears a cell as writing does (10**12 accesses), so nothing polls this part.
An acknowledge says that a byte came, not that it is kept: with WP high the part acknowledges what it does not store
(Fujitsu, "Write protect"), and so do worn and counterfeit ones. keep() looks.
"""

from micropython import const

from meter.core.errors import BusError, ChipError

SIZE = const(32768)
_PIECE = const(16)  # bytes read back at a time; no record is shorter
_WRITES = const(2)
_READS = const(3)  # of a piece: one wrong bit on the way back is no reason to write again


class Fram:
    def __init__(self, i2c, addr: int = 0x50):
        self._i2c = i2c
        self._addr = addr
        self._piece = bytearray(_PIECE)

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

    def keep(self, offset: int, buf) -> None:
        """write() a record, and read it back; once more where something else is there. Takes no memory.

        ChipError when that is not what was written either, BusError when the part does not answer: what is there is
        then unknown, and may well be buf.
        """
        silent = None
        for _ in range(_WRITES):
            try:
                self.write(offset, buf)
                silent = None
                if self._holds(offset, buf):
                    return
            except BusError as e:
                silent = e
        raise silent or ChipError(0, "FRAM acknowledges and does not keep")

    def _holds(self, offset, buf):
        # Piece by piece, the last one where the record ends.
        piece = self._piece
        last = len(buf) - _PIECE
        at = 0
        while True:
            for _ in range(_READS):
                self.read_into(offset + at, piece)
                same = True
                for i in range(_PIECE):
                    if piece[i] != buf[at + i]:
                        same = False
                        break
                if same:
                    break
            else:
                return False
            if at == last:
                return True
            at = min(at + _PIECE, last)

    def _check(self, offset, n):
        # The part would wrap to address 0 without a word and overwrite what is kept there.
        if offset < 0 or offset + n > SIZE:
            raise ValueError("outside the FRAM")
