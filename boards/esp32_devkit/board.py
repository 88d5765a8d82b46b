# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC (WROOM-32, 4 MiB flash, no PSRAM): pins and bus constants, nothing else.

GPIO 34-39 are inputs without pull-ups; 6-11 belong to the flash; 0, 2, 12, 15 are straps and stay free.
"""

from micropython import const

from boards.base import *

NAME = "esp32_devkit"  # of this folder

# Metering IC ATM90E32AS on VSPI.
SPI_ID = const(2)
SPI_SCK = const(18)
SPI_MOSI = const(23)
SPI_MISO = const(19)
METER_CS = const(5)
METER_CF1 = const(34)

I2C_SCL = const(22)
I2C_SDA = const(21)

CARD_SCL = const(26)
CARD_SDA = const(25)
CARD_IRQ = const(27)
CARD_RESET = const(14)

# Latching relay: one coil each way, and the voltage behind the contact.
RELAY_OPEN = const(32)
RELAY_CLOSE = const(33)
RELAY_SENSE = const(35)

BUTTON = const(4)  # to ground, pull-up
COVER = const(36)  # high = cover off, or off since the latch was cleared; the latch has a battery
COVER_CLEAR = const(13)
MAGNET = const(39)  # high = magnet near
ALARM_LED = const(16)
BUZZER = const(17)
