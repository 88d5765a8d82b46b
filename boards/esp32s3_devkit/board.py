# SPDX-License-Identifier: Apache-2.0
"""ESP32-S3-DevKitC-1 (WROOM-1-N8, 8 MiB flash, no PSRAM): pins and bus constants, nothing else.

GPIO 26-37 belong to flash and PSRAM, 19 and 20 to USB, 43 and 44 to the console; 0, 3, 45, 46 are straps and stay
free, and so do 38 and 48: the coloured LED is on one of them. 18 to 20 may go high for a moment at power-on: no relay
there.
"""

from micropython import const

from boards.base import *

NAME = "esp32s3_devkit"  # of this folder

# Metering IC ATM90E32AS on SPI 2, which MicroPython calls 1.
SPI_ID = const(1)
SPI_SCK = const(12)
SPI_MOSI = const(11)
SPI_MISO = const(13)
METER_CS = const(10)
METER_CF1 = const(14)

I2C_SCL = const(9)
I2C_SDA = const(8)

CARD_SCL = const(5)
CARD_SDA = const(4)
CARD_IRQ = const(6)
CARD_RESET = const(7)

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
