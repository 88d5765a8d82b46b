# SPDX-License-Identifier: Apache-2.0
"""HD44780 20x4 character display in 4-bit mode behind a PCF8574 port expander.

Source: Hitachi HD44780U data sheet (initialising by instruction, 4-bit), PCF8574 data sheet. R/W stays low,
so nothing is read: the waits of the data sheet stand for the busy flag. On a 100 kHz bus every nibble takes
two bytes, 180 us, which covers the 37 us an instruction needs.
Invariants: what is shown equals the shadow as long as `ready`; after a failed transfer nothing is known
(half a byte may be in the display), so only start() makes it ready again.
"""

import asyncio

from micropython import const

from meter.core.errors import BusError

# Which port pin drives what; the common backpack. Others differ only here.
_RS = const(0x01)
_E = const(0x04)
_LIGHT = const(0x08)
_DATA_SHIFT = const(4)  # D4..D7 on P4..P7

COLUMNS = const(20)
ROWS = const(4)
_ROW_START = b"\x00\x40\x14\x54"  # DDRAM address of each row's first cell

_CLEAR = const(0x01)
_ENTRY_RIGHT = const(0x06)
_DISPLAY_OFF = const(0x08)
_DISPLAY_ON = const(0x0C)
_FOUR_BIT_TWO_LINES = const(0x28)
_CGRAM = const(0x40)
_DDRAM = const(0x80)

# A new span costs a set-address command and two RS changes: 6 bytes, dearer than one unchanged cell (4).
_BRIDGE = const(1)
_ROOM = const(128)  # one transfer: 12 ms of a 100 kHz bus at most

CARD = "\x02"
_GLYPHS = (
    b"\x02\x04\x08\x1f\x02\x04\x08\x00"  # 0 bolt: supply on
    b"\x0e\x11\x11\x1f\x1b\x1b\x1f\x00"  # 1 lock: supply off
    b"\x00\x1f\x1f\x11\x1d\x11\x1f\x00"  # 2 card
    b"\x04\x0e\x0a\x0a\x1b\x1f\x1b\x1f"  # 3 warning
    b"\x04\x04\x15\x0e\x04\x00\x1f\x00"  # 4 import: arrow down to the house
    b"\x04\x0e\x15\x04\x04\x00\x1f\x00"  # 5 export: arrow up from the house
    b"\x18\x18\x18\x18\x18\x18\x18\x00"  # 6 bar, half a cell
    b"\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x00"  # 7 bar, full cell
)


class Lcd:
    def __init__(self, i2c, addr: int = 0x27):
        self._i2c = i2c
        self._addr = addr
        self._buf = bytearray(_ROOM)
        self._view = memoryview(self._buf)
        self._n = 0
        self._light = _LIGHT
        self._shadow = bytearray(COLUMNS * ROWS)
        self._rows = [""] * ROWS
        self.ready = False

    async def start(self) -> None:
        """From any state to 4-bit mode, blank, with our glyphs. BusError when the display is missing."""
        self.ready = False
        self._n = 0
        self._byte(0xFF & ~_E)  # the expander powers up all high: drop E before anything else moves
        self._byte(self._light)
        self._send()
        await asyncio.sleep_ms(50)
        # Three times "8-bit" resynchronises a display that waits for a low nibble; then to 4-bit.
        for nibble, wait_ms in ((3, 5), (3, 1), (3, 1), (2, 1)):
            self._nibble(nibble << _DATA_SHIFT | self._light)
            self._send()
            await asyncio.sleep_ms(wait_ms)
        self._command(_FOUR_BIT_TWO_LINES)
        self._command(_DISPLAY_OFF)
        self._command(_CLEAR)
        self._send()
        await asyncio.sleep_ms(3)
        self._command(_ENTRY_RIGHT)
        for code in range(8):
            self._span(_CGRAM | code << 3, _GLYPHS, code * 8, code * 8 + 8)
        self._command(_DISPLAY_ON)
        self._send()
        for i in range(COLUMNS * ROWS):
            self._shadow[i] = 0x20
        for row in range(ROWS):
            self._rows[row] = ""
        self.ready = True

    def show(self, rows) -> None:
        """Show 4 strings of 20 characters (ASCII and glyph codes); only cells that changed are sent."""
        if not self.ready:
            raise BusError(0, "display is not started")
        for row in range(ROWS):
            text = rows[row]
            if text == self._rows[row]:
                continue
            line = text.encode()
            if len(line) != COLUMNS:
                raise ValueError("a display row is 20 ASCII characters")
            self._row(row, line)
            self._rows[row] = text
        if self._n:
            self._send()

    def backlight(self, on: bool) -> None:
        """Switch the backlight; what is shown stays."""
        self._light = _LIGHT if on else 0
        self._byte(self._light)
        self._send()

    def _row(self, row, line):
        shadow = self._shadow
        base = row * COLUMNS
        first = last = -1
        for i in range(COLUMNS):
            if line[i] == shadow[base + i]:
                continue
            if first >= 0 and i - last > _BRIDGE + 1:
                self._span(_DDRAM | _ROW_START[row] + first, line, first, last + 1)
                first = i
            elif first < 0:
                first = i
            last = i
            shadow[base + i] = line[i]
        if first >= 0:
            self._span(_DDRAM | _ROW_START[row] + first, line, first, last + 1)

    def _span(self, address_command, data, start, end):
        if self._n + 6 + 4 * (end - start) > _ROOM:
            self._send()
        self._command(address_command)
        rs = self._light | _RS
        self._byte(rs)  # RS settles before E rises
        for i in range(start, end):
            value = data[i]
            self._nibble(value & 0xF0 | rs)
            self._nibble(value << 4 & 0xF0 | rs)

    def _command(self, value):
        self._byte(self._light)
        self._nibble(value & 0xF0 | self._light)
        self._nibble(value << 4 & 0xF0 | self._light)

    def _nibble(self, port):
        # The display takes the nibble when E falls; data may change together with E rising.
        n = self._n
        self._buf[n] = port | _E
        self._buf[n + 1] = port
        self._n = n + 2

    def _byte(self, port):
        self._buf[self._n] = port
        self._n += 1

    def _send(self):
        n = self._n
        self._n = 0
        try:
            self._i2c.writeto(self._addr, self._view[:n])
        except OSError:
            self.ready = False
            raise BusError(0, "display does not answer") from None
