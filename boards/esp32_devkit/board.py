# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC (WROOM-32, 4 MiB flash, no PSRAM): pins and bus constants, nothing else.

Two I2C buses on purpose: a wedged PN532 holds its bus, and the ledger must not be on it.
GPIO 34-39 are inputs without pull-ups; 6-11 belong to the flash; 0, 2, 12, 15 are straps and stay free.
"""

NAME = "esp32_devkit"

# Metering IC ATM90E32AS on VSPI. The datasheet states 1.1 Mbit/s at most.
SPI_ID = 2
SPI_BAUDRATE = 1_000_000
SPI_SCK = 18
SPI_MOSI = 23
SPI_MISO = 19
METER_CS = 5
METER_CF1 = 34

# I2C 0: display, clock, FRAM. 100 kHz because the PCF8574 is specified for no more.
I2C_ID = 0
I2C_SCL = 22
I2C_SDA = 21
I2C_FREQ = 100_000
LCD_ADDR = 0x27
FRAM_ADDR = 0x50

# I2C 1: the card reader, alone.
CARD_I2C_ID = 1
CARD_SCL = 26
CARD_SDA = 25
CARD_FREQ = 400_000
CARD_IRQ = 27
CARD_RESET = 14

# Latching relay: one coil each way, and the voltage behind the contact.
RELAY_OPEN = 32
RELAY_CLOSE = 33
RELAY_SENSE = 35

BUTTON = 4  # to ground, pull-up
COVER = 36  # high = cover off
MAGNET = 39  # high = magnet near
ALARM_LED = 16
BUZZER = 17
