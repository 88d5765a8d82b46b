# SPDX-License-Identifier: Apache-2.0
"""What every board has alike. A board takes it (`from boards.base import *`), or another board's (`from
boards.esp32_devkit.board import *`), and says what is its own; what it says twice counts as it says it.

The tools write all of it into the one module `board` that the meter gets: scripts/common/board_files.py.
"""

from meter.drivers.atm90e32.ic import Atm90e32
from micropython import const

# Metering IC. The datasheet states 1.1 Mbit/s at most.
MeterIc = Atm90e32
SPI_BAUDRATE = const(1_000_000)

# Two I2C buses on purpose: a wedged PN532 holds its bus, and the ledger must not be on it.
# I2C 0: display, clock, FRAM. 100 kHz because the PCF8574 is specified for no more.
I2C_ID = const(0)
I2C_FREQ = const(100_000)
LCD_ADDR = const(0x27)
FRAM_ADDR = const(0x50)

# I2C 1: the card reader, alone.
CARD_I2C_ID = const(1)
CARD_FREQ = const(400_000)

# Bit-banged by software instead: for a part that stretches the clock longer than the hardware driver of a MicroPython
# version allows, or for pins the hardware cannot reach.
SOFT_SPI = const(0)  # 1 = yes
SOFT_I2C = const(0)  # bit 0: bus of display, clock, FRAM; bit 1: bus of the card reader
