# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC as in ../esp32_devkit, without FRAM: ledger and events are on flash, and a power cut costs up to 60 s
of energy (firmware/meter/storage/flash_ledger.py).
"""

from boards.esp32_devkit.board import *

NAME = "esp32_nofram"  # of this folder
FRAM_ADDR = None
