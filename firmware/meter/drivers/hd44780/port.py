# SPDX-License-Identifier: Apache-2.0
"""What the display is wired to and what it understands: the PCF8574's pins, and the HD44780's instructions.

Source: Hitachi HD44780U data sheet (ADE-207-272), table 6, "Instructions"; pins are those of the common backpack, and
others differ only here. Constants only.
"""

from micropython import const

# Pins of the PCF8574; D4 to D7 are on P4 to P7.
RS = const(0x01)  # 1: data, 0: an instruction
E = const(0x04)
LIGHT = const(0x08)
DATA_SHIFT = const(4)

# Instructions of table 6. R/W stays low: nothing is read.
CLEAR_DISPLAY = const(0x01)
RETURN_HOME = const(0x02)  # undoes a shift, too
ENTRY_MODE_SET = const(0x06)  # I/D = 1, S = 0: to the right, no shift
DISPLAY_OFF = const(0x08)
DISPLAY_ON = const(0x0C)  # D = 1, C = 0, B = 0: no cursor
FUNCTION_SET = const(0x28)  # DL = 0, N = 1, F = 0: 4 bits, two lines, 5 by 8 dots
SET_CGRAM_ADDRESS = const(0x40)
SET_DDRAM_ADDRESS = const(0x80)

COLUMNS = const(20)
ROWS = const(4)
