# SPDX-License-Identifier: Apache-2.0
"""ESP32-S3-DevKitC-1 (WROOM-1-N8, 8 MiB flash, no PSRAM): pins and bus constants, nothing else.

Two I2C buses on purpose: a wedged PN532 holds its bus, and the ledger must not be on it.
GPIO 26-37 belong to flash and PSRAM, 19 and 20 to USB, 43 and 44 to the console; 0, 3, 45, 46 are straps and stay
free, and so do 38 and 48: the coloured LED is on one of them. 18 to 20 may go high for a moment at power-on: no relay
there.
"""

from meter.drivers.atm90e32.ic import Atm90e32
from micropython import const

NAME = "esp32s3_devkit"  # of this folder

# Metering IC ATM90E32AS on SPI 2, which MicroPython calls 1. The datasheet states 1.1 Mbit/s at most.
MeterIc = Atm90e32
SPI_ID = const(1)
SPI_BAUDRATE = const(1_000_000)
SPI_SCK = const(12)
SPI_MOSI = const(11)
SPI_MISO = const(13)
METER_CS = const(10)
METER_CF1 = const(14)

# I2C 0: display, clock, FRAM. 100 kHz because the PCF8574 is specified for no more.
I2C_ID = const(0)
I2C_SCL = const(9)
I2C_SDA = const(8)
I2C_FREQ = const(100_000)
LCD_ADDR = const(0x27)
FRAM_ADDR = const(0x50)

# I2C 1: the card reader, alone.
CARD_I2C_ID = const(1)
CARD_SCL = const(5)
CARD_SDA = const(4)
CARD_FREQ = const(400_000)
CARD_IRQ = const(6)
CARD_RESET = const(7)

# Bit-banged by software instead: for a part that stretches the clock longer than the hardware driver of a MicroPython
# version allows, or for pins the hardware cannot reach.
SOFT_SPI = const(0)  # 1 = yes
SOFT_I2C = const(0)  # bit 0: bus of display, clock, FRAM; bit 1: bus of the card reader

# Latching relay: one coil each way, and the voltage behind the contact.
RELAY_OPEN = const(15)
RELAY_CLOSE = const(16)
RELAY_SENSE = const(17)

BUTTON = const(18)  # to ground, pull-up
COVER = const(1)  # high = cover off, or off since the latch was cleared; the latch has a battery
COVER_CLEAR = const(2)
MAGNET = const(42)  # high = magnet near
ALARM_LED = const(21)
BUZZER = const(47)
