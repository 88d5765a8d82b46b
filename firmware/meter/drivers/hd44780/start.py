# SPDX-License-Identifier: Apache-2.0
"""Starting the display, from any state. Loaded for that only: after power-up, relay pulses and bus faults, and to
mend what a wrong bit has done to it.

Source: Hitachi HD44780U data sheet, "Initializing by Instruction", 4-bit interface.
"""

import asyncio

from micropython import const

from meter.drivers.hd44780.port import (
    CLEAR_DISPLAY,
    COLUMNS,
    DATA_SHIFT,
    DISPLAY_OFF,
    DISPLAY_ON,
    ENTRY_MODE_SET,
    FUNCTION_SET,
    RETURN_HOME,
    ROWS,
    SET_CGRAM_ADDRESS,
    E,
)

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
        lcd.nibble(nibble << DATA_SHIFT | lcd.light)
        lcd.send()
        await asyncio.sleep_ms(wait_ms)
    lcd.command(FUNCTION_SET)
    if keep:
        lcd.command(RETURN_HOME)
    else:
        lcd.command(DISPLAY_OFF)
        lcd.command(CLEAR_DISPLAY)
    lcd.send()
    await asyncio.sleep_ms(_SLOW_MS)
    lcd.command(ENTRY_MODE_SET)
    for code in range(8):
        lcd.span(SET_CGRAM_ADDRESS | code << 3, _GLYPHS, code * 8, code * 8 + 8)
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
    lcd.command(DISPLAY_ON)
    lcd.send()
    if not keep:
        for i in range(COLUMNS * ROWS):
            lcd.shadow[i] = 0x20
    lcd.ready = True
