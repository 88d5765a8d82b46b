# SPDX-License-Identifier: Apache-2.0
"""Where everything is kept: each address of the FRAM and each block of the flash partition "rings", once.

Constants only: linked, they take no room. FORMAT.md has the same tables, and says what lies there byte by byte; a test
compares the two, and shows that no area reaches into another. How long a record is, its own module says.
An area that has been on a meter keeps its place: what a firmware before this one wrote must be found.
"""

from micropython import const

# -- FRAM, MB85RC256V: 0x0000 to 0x7FFF -------------------------------------------------------------
# Of a record in two copies, no one wrong bit of an address leads from a copy into both.

LEDGER_A = const(0x0000)
LEDGER_B = const(0x0400)
READINGS_A = const(0x0C00)
READINGS_B = const(0x0E00)
EVENTS = const(0x1000)
REGISTERS_A = const(0x5000)
REGISTERS_B = const(0x5400)
CRASHES = const(0x5800)
SCRATCH = const(0x7FC8)
SEAL = const(0x7FD8)

# -- Partition "rings": 256 blocks of 4,096 bytes ---------------------------------------------------
# First block, number of blocks, and the kind of record that the head of each block names.

PROFILE_FIRST = const(0)
PROFILE_BLOCKS = const(128)
PROFILE_KIND = const(1)

# Of a board without FRAM
LEDGER_FIRST = const(128)
LEDGER_BLOCKS = const(16)
LEDGER_KIND = const(2)

EVENTS_FIRST = const(144)
EVENTS_BLOCKS = const(7)
EVENTS_KIND = const(3)

READINGS_FIRST = const(151)
READINGS_BLOCKS = const(3)
READINGS_KIND = const(4)

REGISTERS_FIRST = const(154)
REGISTERS_BLOCKS = const(3)
REGISTERS_KIND = const(8)

# Of every board again
DAYS_FIRST = const(157)  # midnights
DAYS_BLOCKS = const(24)
DAYS_KIND = const(5)

MONTHS_FIRST = const(181)  # month-ends
MONTHS_BLOCKS = const(10)
MONTHS_KIND = const(6)

INCIDENTS_FIRST = const(191)
INCIDENTS_BLOCKS = const(32)
INCIDENTS_KIND = const(7)
