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

from meter import heap
from meter.core.errors import BusError
from meter.drivers.hd44780.port import COLUMNS, LIGHT, ROWS, RS, SET_DDRAM_ADDRESS, E

_ROW_START = b"\x00\x40\x14\x54"  # DDRAM address of each row's first cell

# A new span costs a set-address command and two RS changes: 6 bytes, dearer than one unchanged cell (4).
_BRIDGE = const(1)
_POWER_UP_MS = const(200)  # 40 are asked for; the metering IC's start, at the same time, is done by then
_ROOM = const(128)  # one transfer: 12 ms of a 100 kHz bus at most

CARD = "\x02"


class Lcd:
    def __init__(self, i2c, addr: int = 0x27):
        self._i2c = i2c
        self._addr = addr
        self._buf = bytearray(_ROOM)
        self._view = memoryview(self._buf)
        self.n = 0
        self.light = LIGHT
        self.shadow = bytearray(COLUMNS * ROWS)
        self.shown = [""] * ROWS
        self.ready = False

    async def start(self, keep: bool = False) -> None:
        """From any state to 4-bit mode, blank, with our glyphs; keep: showing what it should, without a flicker, if
        nothing was wrong. BusError when the display is missing."""
        self.ready = False
        await asyncio.sleep_ms(_POWER_UP_MS)
        heap.borrow("hd44780_start")
        try:
            from meter.drivers.hd44780 import start

            await start.run(self, keep)
        finally:
            heap.give_back("hd44780_start")

    def show(self, rows) -> None:
        """Show 4 strings of 20 characters (ASCII and glyph codes); only cells that changed are sent."""
        if not self.ready:
            raise BusError(0, "display is not started")
        for row in range(ROWS):
            text = rows[row]
            if text == self.shown[row]:
                continue
            line = text.encode()
            if len(line) != COLUMNS:
                raise ValueError("a display row is 20 ASCII characters")
            self.row(row, line)
            self.shown[row] = text
        if self.n:
            self.send()

    def backlight(self, on: bool) -> None:
        """Switch the backlight; what is shown stays."""
        self.light = LIGHT if on else 0
        self.put(self.light)
        self.send()

    def row(self, row, line):
        """Queue what of a row is not in the shadow."""
        shadow = self.shadow
        base = row * COLUMNS
        first = last = -1
        for i in range(COLUMNS):
            if line[i] == shadow[base + i]:
                continue
            if first >= 0 and i - last > _BRIDGE + 1:
                self.span(SET_DDRAM_ADDRESS | _ROW_START[row] + first, line, first, last + 1)
                first = i
            elif first < 0:
                first = i
            last = i
            shadow[base + i] = line[i]
        if first >= 0:
            self.span(SET_DDRAM_ADDRESS | _ROW_START[row] + first, line, first, last + 1)

    def span(self, address_command, data, start, end):
        if self.n + 6 + 4 * (end - start) > _ROOM:
            self.send()
        self.command(address_command)
        rs = self.light | RS
        self.put(rs)  # RS settles before E rises
        for i in range(start, end):
            value = data[i]
            self.nibble(value & 0xF0 | rs)
            self.nibble(value << 4 & 0xF0 | rs)

    def command(self, value):
        self.put(self.light)
        self.nibble(value & 0xF0 | self.light)
        self.nibble(value << 4 & 0xF0 | self.light)

    def nibble(self, port):
        # The display takes the nibble when E falls; data may change together with E rising.
        n = self.n
        self._buf[n] = port | E
        self._buf[n + 1] = port
        self.n = n + 2

    def put(self, port):
        self._buf[self.n] = port
        self.n += 1

    def send(self):
        n = self.n
        self.n = 0
        try:
            self._i2c.writeto(self._addr, self._view[:n])
        except OSError:
            self.ready = False
            raise BusError(0, "display does not answer") from None
