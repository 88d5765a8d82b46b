# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS, the bus half: SPI slave, registers, configuration CRC, faults. The rest is the Engine.

Source: Atmel-46003B (M90E32AS datasheet, 2015), 4.2 and 5. The plant says what the inputs see with
set_phase(); everything else happens when a register is read.

Where the datasheet is silent, the model decides, and says so here:
    writes to 00H-6FH are never refused: 7FH only starts and stops the CRC comparison (its default, 0000H, is
        the running state); the error bit follows the comparison of the last pass and is not sticky
    a write to a register that cannot be written is dropped, but LastSPIData logs it
    LastSPIData read by a frame is loaded with itself; addresses not listed read 0000H
Held without effect: the low-power detector, zero-crossing, interrupt pins.
"""

from binascii import crc_hqx

from scripts.chips.atm90e32_engine import CHANNEL, Engine
from scripts.chips.spi_slave import SpiSlave

START_US = 40_000  # power-up and SoftReset: the longest the datasheet gives
CRC_PASS_US = 112 * 125
MAX_BAUD = 1_100_000
MIN_BAUD = 400

_PLAIN, _NONE, _ENERGY, _MEASURE, _LAST, _CRC_STATUS, _CRC_DIGEST, _STATE, _LATCH, _RESET = range(10)


def _defaults():
    r = {0x01: 0x0210, 0x02: 0x0654, 0x05: 0x143F, 0x06: 0xC000, 0x07: 0x0001, 0x08: 0x1000, 0x09: 0x0400}
    r |= {0x0A: 0xFFFF, 0x0B: 0xC000, 0x0C: 0x1324, 0x0D: 0x13EC, 0x0E: 0x010F, 0x22: 5000, 0x23: 25}
    r |= {0x31: 0x0861, 0x32: 0xC468, 0x33: 0x0087}
    for addr in (0x61, 0x62, 0x65, 0x66, 0x69, 0x6A):
        r[addr] = 0x8000
    return [r.get(addr, 0) for addr in range(0x100)]


def _kinds():
    kind = bytearray([_NONE]) * 0x100
    # Kind, first and last address of each run of registers.
    runs = """
        0 00 02, 0 05 1C, 0 20 2F, 0 31 3A, 0 41 4C, 0 51 56, 0 61 6C, 0 75 76, 0 7F 7F, 2 80 93, 2 A0 AF,
        3 B0 CB, 3 D0 D7, 3 D9 E7, 3 E9 EB, 3 ED EF, 3 F1 F3, 3 F5 FF, 4 78 78, 5 79 79, 6 7A 7A, 7 71 72, 8 73 74,
        9 70 70
    """
    for run in runs.split(","):
        what, first, last = (int(text, 16) for text in run.split())
        for addr in range(first, last + 1):
            kind[addr] = what
    return bytes(kind)


_DEFAULTS = _defaults()
_KIND = _kinds()


class Atm90e32Chip(SpiSlave, Engine):
    """Fault knobs: those of every SpiSlave, and corrupt()."""

    min_baud, max_baud = MIN_BAUD, MAX_BAUD
    start_us = START_US

    def __init__(self, seed: int = 32):
        super().__init__(seed)
        self.on_energy_read = None  # fn(addr, counts, now_us): a register was fetched and cleared
        self._write = None
        self._answer = 0
        self.power_on(0)

    # -- the plant's side -------------------------------------------------------------------------

    def corrupt(self, addr: int, value: int) -> None:
        """An upset: a register has changed, and nobody wrote it."""
        self.advance(self._now_us)
        self._change(addr, value & 0xFFFF, self._now_us)

    def peek(self, addr: int) -> int:
        """A register as it stands, without a frame."""
        return self._regs[addr]

    # -- SPI --------------------------------------------------------------------------------------

    def spi_select(self, now_us: int) -> None:
        self._selected = True
        self._frame = b""
        self._write = None

    def spi_transfer(self, tx: bytes, mode: int, baudrate: int, now_us: int) -> bytes:
        if (
            len(tx) == 4
            and mode == 3
            and baudrate <= MAX_BAUD
            and not (self._frame or self._noise or self.absent or self.wrong_id)
            and now_us >= self._ready_us
            and self._selected
            and baudrate >= MIN_BAUD
        ):
            # What nearly every frame is: one of 32 clocks, undisturbed. Same as below, without the pieces.
            self._frame = tx
            high = tx[0]
            if high & 0x80:
                addr = (high & 3) << 8 | tx[1]
                if addr < 0x100 and _KIND[addr] == _PLAIN:
                    value = self._regs[addr]
                elif addr != 0x78:
                    value = self._fetch(addr, now_us)
                else:
                    return b"\0\0" + self._last.to_bytes(2, "big")
                self._last = value
                return b"\0\0" + value.to_bytes(2, "big")
            self._write = ((high & 3) << 8 | tx[1], tx[2] << 8 | tx[3])
            return b"\0\0\0\0"
        return self._transfer_slowly(tx, mode, baudrate, now_us)

    def spi_deselect(self, now_us: int) -> None:
        self._selected = False
        # DS 4.2.2: a write happens at this edge, and only after exactly 32 clocks.
        if self._write is not None and len(self._frame) == 4 and not self.wrong_id:
            self._commit(self._write[0], self._write[1], now_us)
        self._write = None

    def _transfer_slowly(self, tx, mode, baudrate, now_us):
        if self.absent or not self._selected:
            return bytes((self.open_miso,)) * len(tx)
        if now_us < self._ready_us:
            return bytes(len(tx))
        rx = bytearray(len(tx))
        for n, byte in enumerate(self._heard(tx, mode, baudrate)):
            k = len(self._frame)
            self._frame += bytes((byte,))
            frame = self._frame
            if k == 1 and frame[0] & 0x80:
                addr = (frame[0] & 3) << 8 | frame[1]
                if self.wrong_id:
                    self._answer = addr * 0x2F1 + 0x31 & 0xFFFF
                else:
                    self._answer = self._fetch(addr, now_us)
                    self._last = self._answer
            elif k in (2, 3) and frame[0] & 0x80:
                rx[n] = self._answer >> 8 if k == 2 else self._answer & 0xFF
            elif k == 3:
                self._write = ((frame[0] & 3) << 8 | frame[1], frame[2] << 8 | frame[3])
        return self._read(rx, mode, baudrate)

    # -- registers --------------------------------------------------------------------------------

    def _reset(self, now_us):
        self._regs = list(_DEFAULTS)
        self._last = 0
        self._ready_us = now_us + self.start_us
        self._reset_engine(now_us)
        self._golden = None
        self._golden_us = now_us + self.start_us + CRC_PASS_US
        self._watch = True
        self._digest = self._crc()
        self._differs = False
        self._differs_us = -CRC_PASS_US

    def _fetch(self, addr, now_us):
        if addr > 0xFF:
            return 0
        self._now_us = now_us
        kind = _KIND[addr]
        regs = self._regs
        if kind == _PLAIN:
            return regs[addr]
        if kind == _ENERGY:
            channel = CHANNEL[addr]
            if channel < 0:
                return 0
            self._count(channel, now_us)
            counts = regs[addr]
            regs[addr] = 0
            if self.on_energy_read is not None:
                self.on_energy_read(addr, counts, now_us)
            return counts
        if kind == _MEASURE:
            if not self._steady:
                self._measure(now_us)
            return regs[addr]
        if kind == _CRC_STATUS:
            return self._crc_error(now_us)
        if kind == _STATE:
            self.advance(now_us)
            return self._state[addr - 0x71]
        if kind == _LATCH:
            self.advance(now_us)
            return regs[addr]
        if kind == _LAST:
            return self._last
        return self._digest if kind == _CRC_DIGEST else 0

    def _commit(self, addr, value, now_us):
        self._now_us = now_us
        self._last = value
        if addr > 0xFF or self.keeps_nothing:
            return
        kind = _KIND[addr]
        if kind == _PLAIN:
            self.advance(now_us)
            self._change(addr, value, now_us)
        elif kind == _RESET:
            if value == 0x789A:
                self._reset(now_us)
        elif kind == _LATCH:
            self.advance(now_us)
            self._regs[addr] &= ~value
        elif kind == _CRC_DIGEST and self._regs[0x7F] == 0xAA55:
            self._crc_error(now_us)
            self._golden = value
            self._differing(now_us)

    def _change(self, addr, value, now_us):
        self._crc_error(now_us)
        if addr == 0x7F:
            self._watch = value != 0x55AA
            if value != 0xAA55 or self._golden is None:
                self._golden = None
                self._golden_us = now_us + CRC_PASS_US
                self._differs = False
                self._differs_us = now_us - CRC_PASS_US
        self._regs[addr] = value
        if addr < 0x70:
            self._digest = self._crc()
            self._differing(now_us)
            self._rewire(now_us)

    # -- configuration CRC, DS 5.2.1 --------------------------------------------------------------

    def _crc(self):
        return crc_hqx(b"".join(word.to_bytes(2, "big") for word in self._regs[:0x70]), 0xFFFF)

    def _differing(self, now_us):
        differs = self._golden is not None and self._digest != self._golden
        if differs != self._differs:
            self._differs = differs
            self._differs_us = now_us

    def _crc_error(self, now_us):
        if not self._watch:
            return 0
        if self._golden is None:
            if now_us >= self._golden_us:
                self._golden = self._digest
            return 0
        # The comparison of the pass that began after the change is the first to show it.
        return int(self._differs == (now_us >= self._differs_us + CRC_PASS_US))
