# SPDX-License-Identifier: Apache-2.0
"""ATM90E26, the bus half: SPI slave, registers, calibration states and checksums, faults. The rest is the Engine.

Source: Atmel-46002B (M90E26 datasheet, 2014), 4.1, 5.1 to 5.3. The plant says what the inputs see with set_phase()
and set_neutral(); everything else happens when a register is read.

Where the datasheet is silent, the model decides, and says so here:
    what a read gives is fixed with its 8th clock; it is cleared, and LastData updated, with the 24th
    the 6 ms run from the first clock of a frame, between clocks; afterwards the part is deaf until CS has been high
    a write of 24 clocks to a register that cannot be written is dropped, but LastData logs it; LastData read by a
        frame is loaded with itself
    PLconstH reads back what was written at once, though it counts only from the write of PLconstL on
    the part takes 20 ms to start. Checksums are calculated again every 10 ms: until then CS1 and CS2 read as they were.
        Metering or measurement that a wrong checksum has stopped stays so until CalStart or AdjStart is written again;
        its bits in SysStatus come back with each calculation
The UART, three-wire mode and the pins WarnOut, IRQ, ZX and CFx are left out.
"""

from scripts.chips.atm90e26_engine import ADJ_ERR, AP, CAL_ERR, RT, Engine
from scripts.chips.spi_slave import SpiSlave

START_US = 20_000
PASS_US = 10_000
TIMEOUT_US = 6_000
MAX_BAUD = 160_000
MIN_BAUD = 200

_OFF, _OPEN, _CHECKED = 0x6886, 0x5678, 0x8765
_PARTS = ((0x20, 0x21, 0x2C, CAL_ERR), (0x30, 0x31, 0x3B, ADJ_ERR))  # command, registers from, to and at: checksum
_DEFAULTS = {
    0x02: 0x000C, 0x03: 0x1D6A, 0x04: 0, 0x20: _OFF, 0x21: 0x0015, 0x22: 0xD174, 0x23: 0, 0x24: 0, 0x25: 0, 0x26: 0,
    0x27: 0x08BD, 0x28: 0, 0x29: 0x0AEC, 0x2A: 0, 0x2B: 0x9422, 0x2C: 0, 0x30: _OFF, 0x31: 0x6720, 0x32: 0x7A13,
    0x33: 0x7530, 0x34: 0, 0x35: 0, 0x36: 0, 0x37: 0, 0x38: 0, 0x39: 0, 0x3A: 0, 0x3B: 0,
}  # fmt: skip
_MEASURED = (*range(0x48, 0x50), 0x68, *range(0x6A, 0x6C), *range(0x6D, 0x70))


class Atm90e26Chip(SpiSlave, Engine):
    """Fault knobs: those of every SpiSlave, and corrupt()."""

    min_baud, max_baud = MIN_BAUD, MAX_BAUD
    start_us = START_US

    def __init__(self, seed: int = 26):
        super().__init__(seed)
        self.on_energy_read = None  # fn(addr, register, now_us): a register was fetched and cleared
        self._dead = False  # timed out
        self._edge_us = 0
        self._answer = 0
        self._on_whole = None
        self.power_on(0)

    # -- the plant's side -------------------------------------------------------------------------

    def corrupt(self, addr: int, value: int) -> None:
        """An upset: a register has changed, and nobody wrote it."""
        self.advance(self._now_us)
        self._store(addr, value & 0xFFFF, self._now_us)

    def peek(self, addr: int) -> int:
        """A register as it stands, without a frame."""
        if AP <= addr <= RT:
            return self._energy(addr)[0]
        return self._regs[addr]

    # -- SPI --------------------------------------------------------------------------------------

    def spi_select(self, now_us: int) -> None:
        self._selected = True
        self._frame = b""
        self._dead = False
        self._on_whole = None

    def spi_transfer(self, tx: bytes, mode: int, baudrate: int, now_us: int) -> bytes:
        if self.absent or not self._selected:
            return bytes((self.open_miso,)) * len(tx)
        if now_us < self._ready_us:
            return bytes(len(tx))
        if self._frame and now_us - self._edge_us >= TIMEOUT_US:
            self._dead = True
        self._edge_us = now_us + len(tx) * 8_000_000 // baudrate
        if self._dead:
            return bytes((self.open_miso,)) * len(tx)
        rx = bytearray(len(tx))
        for n, byte in enumerate(self._heard(tx, mode, baudrate)):
            k = len(self._frame)
            self._frame += bytes((byte,))
            if not self._frame[0] & 0x80:
                continue
            if k == 0:
                self._begin(byte & 0x7F, now_us)
            elif k == 1:
                rx[n] = self._answer >> 8
            elif k == 2:
                rx[n] = self._answer & 0xFF
                if not self.wrong_id:
                    self._last = self._answer
                    if self._on_whole is not None:
                        self._on_whole()
        return self._read(rx, mode, baudrate)

    def spi_deselect(self, now_us: int) -> None:
        self._selected = False
        frame = self._frame
        # DS table 8: a write takes effect after exactly 24 clocks, in time.
        if len(frame) == 3 and not frame[0] & 0x80 and not (self._dead or self.absent or self.wrong_id):
            self._commit(frame[0], frame[1] << 8 | frame[2], now_us)
        self._frame = b""

    # -- registers --------------------------------------------------------------------------------

    def _reset(self, now_us):
        self._regs = [_DEFAULTS.get(addr, 0) for addr in range(0x80)]
        self._last = 0
        self._ready_us = now_us + self.start_us
        self._on = [False, False]
        self._wrong = [False, False]  # reported with each calculation
        self._written = [0, 0]  # CS1, CS2 as the master has them
        self._seen = [self._checksum(part) for part in _PARTS]
        self._passed = 0
        self._born_us = now_us
        self._reset_engine(now_us)

    def _begin(self, addr, now_us):
        """The first 8 clocks of a read: what does it give, and what happens when it is whole?"""
        self._on_whole = None
        if self.wrong_id:
            self._answer = addr * 0x2F1 + 0x31 & 0xFFFF
            return
        self.advance(now_us)
        if AP <= addr <= RT:
            self._answer, whole = self._energy(addr)
            self._on_whole = lambda: self._take_energy(addr, whole, now_us)
        elif addr in _MEASURED:
            self._answer = self._measured(addr)
        elif addr == 0x01:
            self._answer = status = self._status
            self._on_whole = lambda: self._clear(status)
        elif addr == 0x46:
            self._answer = self._en_status()
        elif addr == 0x06:
            self._answer = self._last
        elif addr == 0x08:
            self._answer = self._lsb
        elif addr in (0x2C, 0x3B):
            self._answer = self._seen[addr == 0x3B]
        else:
            self._answer = self._regs[addr] if addr in _DEFAULTS else 0

    def _take_energy(self, addr, whole, now_us):
        counts = whole - self._taken[addr - AP] & 0xFFFF
        self._taken[addr - AP] = whole
        if self.on_energy_read is not None:
            self.on_energy_read(addr, counts, now_us)

    def _clear(self, status):
        self._status &= ~status

    def _commit(self, addr, value, now_us):
        self._last = value
        if self.keeps_nothing:
            return
        if addr == 0x00:
            if value == 0x789A:
                self._reset(now_us)
        elif addr in _DEFAULTS:
            self.advance(now_us)
            self._store(addr, value, now_us)

    def _store(self, addr, value, now_us):
        self._regs[addr] = value
        for part, (command, first, check, error) in enumerate(_PARTS):
            if addr == check:
                self._written[part] = value
            elif addr == command:
                self._command(part, first, check, error, value)
        if addr == 0x22:
            self._pl = self._regs[0x21] << 16 | value
        self._rewire(now_us)

    def _command(self, part, first, check, error, value):
        good = value in (_OFF, _OPEN)
        if value == _OPEN:
            for addr in range(first, check):
                self._regs[addr] = _DEFAULTS[addr]
            if part == 0:
                self._pl = _DEFAULTS[0x21] << 16 | _DEFAULTS[0x22]
        elif value == _CHECKED:
            good = self._written[part] == self._checksum(_PARTS[part])
        self._on[part] = good and value != _OFF
        self._wrong[part] = not good
        if not good:
            self._status |= error

    # -- checksums, DS 5.3 ------------------------------------------------------------------------

    def _checksum(self, part):
        low = high = 0
        for word in self._regs[part[1] : part[2]]:
            low += (word >> 8) + (word & 0xFF)
            high ^= word >> 8 ^ word & 0xFF
        return high << 8 | low & 0xFF

    def _pass(self, now_us):
        """What the calculations up to now have found; the first of them is the first to see a change."""
        self._now_us = now_us
        passes = (now_us - self._born_us) // PASS_US
        if passes <= self._passed:
            return
        at_us = max(self._born_us + (self._passed + 1) * PASS_US, self._counted_us)
        self._passed = passes
        for n, part in enumerate(_PARTS):
            self._seen[n] = self._checksum(part)
            if self._regs[part[0]] == _CHECKED and self._seen[n] != self._written[n]:
                self._wrong[n] = True
            if self._wrong[n]:
                self._status |= part[3]
                if self._on[n]:
                    self.advance(at_us)
                    self._on[n] = False
                    self._rewire(at_us)
        self._now_us = now_us
