# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC as in ../esp32_devkit, with the single-phase metering IC ATM90E26, its USEL low."""

from meter.drivers.atm90e26.ic import Atm90e26
from micropython import const

from boards.esp32_devkit.board import *

NAME = "esp32_atm90e26"  # of this folder

MeterIc = Atm90e26
SPI_BAUDRATE = const(150_000)  # the datasheet states 160 kbit/s at most
