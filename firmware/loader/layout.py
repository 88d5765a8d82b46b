# SPDX-License-Identifier: Apache-2.0
"""Where the loader keeps what, for itself and for the firmware it starts. Numbers and paths, nothing that runs.

    /boot.bin   the boot state
        0   4s  PWS2
        4   u8  slot in force (1 a, 2 b, 0 none)
        5   u8  slot on trial (0 none)
        6   u8  its starts so far
        7   u8  what confirms a trial: 0 five minutes of running, 1 having come up (a person put it there)
        8   2 x 32 bytes  SHA-256 of the head of slot a's and b's bundle; zeros: nothing to be started
        72  2 x (u32 u8 u8)  of what waits as /update.pwb and as /deploy.pwb (waiting.py): which bundle it is, tries
            that have begun and did not end, tries that power ended; zeros: nothing waits
        84  u32 CRC-32 of all before

    memory of the RTC, which every reset leaves alone and a power cut clears; shorter than this, all is 0
        0   u8  starts in a row that did not last; meter/upkeep/starts.py takes the count back
        1   u8  safe modes in a row
        2   u8  the bundle that is being tried: 1 /update.pwb, 2 /deploy.pwb, 0 none (waiting.py)
        3   u8  its tries
        4   u8  bundles given up, until the firmware has reported them: 1, 2 as above, 4 it cannot be removed
        5   u8  starts in a row that fell before they metered, u8 0, u16 seconds without metering, u32 since when: all
            of it the firmware's (starts.py)
        13      the last trouble as text

Numbers are little-endian. A number or a path costs the firmware no heap: the linker writes it where it is used.
"""

from micropython import const

A, B = const("/a"), const("/b")
SLOTS = ("", A, B)  # by the slot's number
# Where a bundle waits, and what confirms it: one sent needs five minutes of running, one put there by a person who
# stands beside it is confirmed when it has come up.
WAITING = ("/update.pwb", "/deploy.pwb")
STATE = const("/boot.bin")

# Positions in the boot state.
ON_TRIAL = const(5)
NEEDS = const(7)
CHECKED = const(84)  # bytes before its CRC-32
UP = const(1)  # of NEEDS: having come up is enough

# Positions in the memory of the RTC.
STARTS = const(0)
SAFES = const(1)
TRIED = const(2)
ITS_TRIES = const(3)
REPORT = const(4)
FELL = const(5)
TROUBLE = const(13)
REPORT_STAYS = const(4)  # a bit of REPORT: it cannot be removed
