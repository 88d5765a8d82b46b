# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC as in ../esp32_devkit, with 8 MiB of flash (WROOM-32E-N8, no PSRAM): two places for MicroPython, so
it can be replaced over the air.

Two I2C buses on purpose: a wedged PN532 holds its bus, and the ledger must not be on it.
GPIO 34-39 are inputs without pull-ups; 6-11 belong to the flash; 0, 2, 12, 15 are straps and stay free.
"""

from meter.drivers.atm90e32.ic import Atm90e32
from micropython import const

NAME = "esp32_8m"  # of this folder

# Metering IC ATM90E32AS on VSPI. The datasheet states 1.1 Mbit/s at most.
MeterIc = Atm90e32
SPI_ID = const(2)
SPI_BAUDRATE = const(1_000_000)
SPI_SCK = const(18)
SPI_MOSI = const(23)
SPI_MISO = const(19)
METER_CS = const(5)
METER_CF1 = const(34)

# I2C 0: display, clock, FRAM. 100 kHz because the PCF8574 is specified for no more.
I2C_ID = const(0)
I2C_SCL = const(22)
I2C_SDA = const(21)
I2C_FREQ = const(100_000)
LCD_ADDR = const(0x27)
FRAM_ADDR = const(0x50)

# I2C 1: the card reader, alone.
CARD_I2C_ID = const(1)
CARD_SCL = const(26)
CARD_SDA = const(25)
CARD_FREQ = const(400_000)
CARD_IRQ = const(27)
CARD_RESET = const(14)

# Bit-banged by software instead: for a part that stretches the clock longer than the hardware driver of a MicroPython
# version allows, or for pins the hardware cannot reach.
SOFT_SPI = const(0)  # 1 = yes
SOFT_I2C = const(0)  # bit 0: bus of display, clock, FRAM; bit 1: bus of the card reader

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
