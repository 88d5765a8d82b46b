# SPDX-License-Identifier: Apache-2.0
"""Where the readings are (FORMAT.md, "Readings"): of all that readings.py does, a card's visit needs this alone."""

from micropython import const

SLOT_A = const(0x0C00)
SLOT_B = const(0x0E00)
SIZE = const(188)
MAGIC = const(0x4D50)  # "PM"
MONTHS_AT = const(8)
DAYS_AT = const(104)
