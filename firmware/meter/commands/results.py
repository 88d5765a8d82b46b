# SPDX-License-Identifier: Apache-2.0
"""What came of an order. Constants only: words are for those who show them (cards/answers.py).

A result is a number, and a value that says more where the line below has one. The low four bits (OUTCOME) are what
the office gets; they are on cards, and never renumbered.
"""

from micropython import const

OUTCOME = const(15)  # mask: one of the first five

DONE = const(0)
ALREADY = const(1)  # nothing to change, nothing to release
WITH_START = const(2)  # in force, but for what parts were started with
FAILED = const(3)
REFUSED = const(4)  # value: codes.CARD_*, why the order itself is no good

LATER = const(DONE | 16)  # a tariff that waits for its time

UNSTORED = const(FAILED | 16)  # the flash takes nothing
STUCK_CLOSED = const(FAILED | 32)
STUCK_OPEN = const(FAILED | 48)
NO_ROOM = const(FAILED | 64)  # the carrier has none for what was to be read

DOCUMENT = const(REFUSED | 16)  # settings or a tariff; value: (path, reason) of the ConfigError
WELL_KNOWN = const(REFUSED | 32)  # keys of the virtual meters
SAME_KEYS = const(REFUSED | 48)  # one for purchases and orders
MISNUMBERED = const(REFUSED | 64)  # a known key by another number, or another key by a known one
NO_KEY = const(REFUSED | 80)  # no key for purchases
UNPROVEN = const(REFUSED | 96)  # the key for orders has not signed
