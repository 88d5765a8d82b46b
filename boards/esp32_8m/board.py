# SPDX-License-Identifier: Apache-2.0
"""ESP32 DevKitC as in ../esp32_devkit, with 8 MiB of flash (WROOM-32E-N8, no PSRAM): two places for MicroPython, so
it can be replaced over the air. The flash is partitions.csv; pins are the same.
"""

from boards.esp32_devkit.board import *

NAME = "esp32_8m"  # of this folder
