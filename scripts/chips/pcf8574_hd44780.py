# SPDX-License-Identifier: Apache-2.0
"""A 20x4 HD44780 display on a PCF8574 backpack, as seen from the I2C bus.

Source: Hitachi HD44780U (instruction set, execution times at 270 kHz, initialising by instruction), PCF8574.
Rules it holds a driver to: the falling edge of E takes the nibble; RS must be steady before E rises and
everything must be steady while E falls; a nibble that comes while the display is busy is lost (and costs
the 4-bit sync); after power-on nothing but the wake-up sequence is understood.
"""

from scripts.chips import I2cNak

RS, RW, E, LIGHT = 0x01, 0x02, 0x04, 0x08
ROW_START = (0x00, 0x40, 0x14, 0x54)

_RESET_US = 15_000
_WAKE_US = (4_100, 100)  # after the first and the second wake-up nibble
_FAST_US, _SLOW_US, _DATA_US = 37, 1_520, 41
_BLANK = b" " * 20


class Hd44780Backpack:
    """Public: rows(), cells(), cgram, backlight, display_on, cursor, lost (nibbles), violations.

    Faults: absent; keeps_nothing (the port acknowledges and stays as it is); slowness (how many times longer than the
    data sheet says the display is busy); dips_after.
    """

    def __init__(self, addr: int = 0x27):
        self.addr = addr
        self.absent = False
        self.keeps_nothing = False
        self.slowness = 1
        self.dips_after = 0  # bytes at the port, and then a brown-out: in the middle of what is being sent
        self.powered = False
        self.lost = 0
        self.violations: list[str] = []
        self._forget(0)

    def _forget(self, now_us):
        self._port = 0xFF  # quasi-bidirectional: every pin starts weakly high
        self._out = 0xF  # nibble the display drives while it is read
        self._busy_until = now_us + _RESET_US
        self._wake = 0
        self._four_bit = False
        self._high = None  # first nibble of a pair
        self._read_low = None
        self._two_lines = False
        self.display_on = False
        self._cursor_on = False
        self.blink = False
        self._ddram = bytearray(_BLANK * 4)
        self.cgram = bytearray(64)
        self._address = 0
        self._in_cgram = False
        self._step = 1
        self._shift_entry = False
        self._shift = 0

    # --- the world ---

    def power_on(self, now_us: int) -> None:
        if not self.powered:
            self.powered = True
            self._forget(now_us)

    def power_off(self, now_us: int) -> None:
        self.powered = False
        self._forget(now_us)

    def brown_out(self, now_us: int) -> None:
        """A dip the port expander rides through and the display does not: its memory holds anything afterwards."""
        port = self._port
        self._forget(now_us)
        self._port = port
        self._ddram[:] = bytes([0x58]) * 80
        self.cgram[:] = b"\x15\x0a" * 32

    @property
    def backlight(self) -> bool:
        return self.powered and bool(self._port & LIGHT)

    @property
    def cursor(self):
        """(row, column) of a visible cursor, or None."""
        if not (self.display_on and self._cursor_on and not self._in_cgram):
            return None
        for row, start in enumerate(ROW_START):
            if start <= self._address < start + 20:
                return row, self._address - start
        return None

    def cells(self) -> list[bytes]:
        """What glass shows: 4 rows of 20 character codes; blank while off."""
        if not (self.powered and self.display_on):
            return [_BLANK] * 4
        rows = []
        for row, start in enumerate(ROW_START):
            if row & 1 and not self._two_lines:
                rows.append(_BLANK)
                continue
            line, column = self._ddram[40 * (row & 1) : 40 * (row & 1) + 40], start & 0x3F
            at = (column + self._shift) % 40
            rows.append(bytes((line * 2)[at : at + 20]))
        return rows

    def rows(self) -> list[str]:
        """The same as text: own glyphs as chr(0)..chr(7), the rest by their ROM code."""
        return ["".join(chr(code & 7 if code < 16 else code) for code in row) for row in self.cells()]

    # --- the bus ---

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        if not self.powered:
            raise I2cNak(self.addr)
        if self.keeps_nothing:
            return
        for i, port in enumerate(data):
            self._set_port(port, now_us + (i + 2) * byte_us)
            self.dips_after -= 1
            if not self.dips_after:
                self.brown_out(now_us + (i + 2) * byte_us)

    def i2c_read(self, n: int, now_us: int, byte_us: int) -> bytes:
        if not self.powered:
            raise I2cNak(self.addr)
        pins = self._port
        if pins & RW and pins & E:
            pins &= self._out << 4 | 0x0F
        return bytes([pins]) * n

    def _set_port(self, port, now_us):
        was, self._port = self._port, port
        if port & E and not was & E:
            if (port ^ was) & (RS | RW):
                self.violations.append("RS or R/W changes together with E rising")
            if port & RW:
                self._out = self._read_nibble(port & RS, now_us)
        elif was & E and not port & E:
            if (port ^ was) & (RS | RW if was & RW else RS | RW | 0xF0):
                self.violations.append("a line changes together with E falling")
            if was & RW:
                return  # end of a read
            self._nibble(port >> 4, port & RS, now_us)

    def _nibble(self, nibble, rs, now_us):
        if now_us < self._busy_until:
            self.lost += 1
            return
        if self._wake < 2:
            if nibble != 3 or rs:
                self.lost += 1
                return
            self._busy_until = now_us + _WAKE_US[self._wake]
            self._wake += 1
            return
        if not self._four_bit:
            value = nibble << 4  # D0..D3 are open and not to be relied on: the bits a driver would miss are 0
        elif self._high is None:
            self._high = nibble
            return
        else:
            value = self._high << 4 | nibble
            self._high = None
        self._busy_until = now_us + self.slowness * (self._data(value) if rs else self._instruction(value))

    def _instruction(self, value) -> int:
        if value & 0x80:
            self._address, self._in_cgram = value & 0x7F, False
        elif value & 0x40:
            self._address, self._in_cgram = value & 0x3F, True
        elif value & 0x20:
            self._four_bit = not value & 0x10
            self._two_lines = bool(value & 0x08)
        elif value & 0x10:
            step = 1 if value & 0x04 else -1
            if value & 0x08:
                self._shift = (self._shift - step) % 40
            else:
                self._move(step)
        elif value & 0x08:
            self.display_on, self._cursor_on = bool(value & 4), bool(value & 2)
            self.blink = bool(value & 1)
        elif value & 0x04:
            self._step, self._shift_entry = (1 if value & 2 else -1), bool(value & 1)
        elif value & 0x02:
            self._address, self._in_cgram, self._shift = 0, False, 0
            return _SLOW_US
        elif value:
            self._ddram[:] = _BLANK * 4
            self._address, self._in_cgram, self._shift, self._step = 0, False, 0, 1
            return _SLOW_US
        return _FAST_US

    def _data(self, value) -> int:
        if self._in_cgram:
            self.cgram[self._address] = value & 0x1F
        else:
            cell = self._cell()
            if cell is None:
                self.violations.append("character written to an address without memory")
            else:
                self._ddram[cell] = value
            if self._shift_entry:
                self._shift = (self._shift + self._step) % 40
        self._move(self._step)
        return _DATA_US

    def _cell(self):
        line, column = divmod(self._address, 0x40) if self._two_lines else (0, self._address)
        return line * 40 + column if column < (40 if self._two_lines else 80) else None

    def _move(self, step):
        if self._in_cgram:
            self._address = (self._address + step) & 0x3F
            return
        cell = self._cell()
        if cell is None:
            self._address = (self._address + step) & 0x7F
            return
        cell = (cell + step) % 80
        self._address = cell // 40 * 0x40 + cell % 40 if self._two_lines else cell

    def _read_nibble(self, rs, now_us):
        if self._read_low is not None and self._four_bit:
            low, self._read_low = self._read_low, None
            return low
        if rs:
            value = self.cgram[self._address] if self._in_cgram else self._ddram[self._cell() or 0]
            self._move(self._step)
        else:
            value = (0x80 if now_us < self._busy_until else 0) | self._address
        self._read_low = value & 0x0F
        return value >> 4
