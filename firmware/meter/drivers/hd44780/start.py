# SPDX-License-Identifier: Apache-2.0
"""Starting the display, from any state. Loaded for that only: after power-up, relay pulses and bus faults, and to
mend what a wrong bit has done to it.

Source: Hitachi HD44780U data sheet, "Initializing by Instruction", 4-bit interface.
"""

import asyncio

from micropython import const

from meter.drivers.hd44780.lcd import COLUMNS, ROWS, E

_DATA_SHIFT = const(4)  # D4..D7 on P4..P7
_CLEAR = const(0x01)
_HOME = const(0x02)  # undoes a shift too
_ENTRY_RIGHT = const(0x06)
_DISPLAY_OFF = const(0x08)
_DISPLAY_ON = const(0x0C)
_FOUR_BIT_TWO_LINES = const(0x28)
_CGRAM = const(0x40)

_SLOW_MS = const(6)  # clear and home: 1.52 ms at 270 kHz; some displays run at a third of it

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


async def run(lcd, keep) -> None:
    """See Lcd.start(). To keep: every cell and glyph is written once more, which nobody sees who saw them right."""
    lcd.n = 0
    lcd.put(0xFF & ~E)  # the expander powers up all high: drop E before anything else moves
    lcd.put(lcd.light)
    lcd.send()
    # Three times "8-bit" resynchronises a display that waits for a low nibble; then to 4-bit.
    for nibble, wait_ms in ((3, 5), (3, 1), (3, 1), (2, 1)):
        lcd.nibble(nibble << _DATA_SHIFT | lcd.light)
        lcd.send()
        await asyncio.sleep_ms(wait_ms)
    lcd.command(_FOUR_BIT_TWO_LINES)
    if keep:
        lcd.command(_HOME)
    else:
        lcd.command(_DISPLAY_OFF)
        lcd.command(_CLEAR)
    lcd.send()
    await asyncio.sleep_ms(_SLOW_MS)
    lcd.command(_ENTRY_RIGHT)
    for code in range(8):
        lcd.span(_CGRAM | code << 3, _GLYPHS, code * 8, code * 8 + 8)
        await asyncio.sleep_ms(0)
    for row in range(ROWS):
        if keep:
            line = bytes(lcd.shadow[row * COLUMNS : row * COLUMNS + COLUMNS])
            for i in range(COLUMNS):
                lcd.shadow[row * COLUMNS + i] ^= 0xFF  # no cell is as it should be
            lcd.row(row, line)
            await asyncio.sleep_ms(0)
        else:
            lcd.shown[row] = ""
    lcd.command(_DISPLAY_ON)
    lcd.send()
    if not keep:
        for i in range(COLUMNS * ROWS):
            lcd.shadow[i] = 0x20
    lcd.ready = True
