# SPDX-License-Identifier: Apache-2.0
"""Which page the panel turns to: facts in, a turn out. Pure; first match wins.

    something is being said                              it
    the ledger is not read, or nothing has ticked yet    starting
    the reasons to be off are others than before         the front
    a key's page has stood long enough                   the front
    no key's page; supply off, or an alarm               the front
    a fault is new                                       the faults
    a page has stood long enough                         the next
    otherwise                                            the same

The front is the reason while supply is off, else the balance.
"""

from micropython import const

# Facts, as bits.
SAID = const(1)
UNKNOWN = const(2)
CHANGED = const(4)
KEY = const(8)  # the page is one that a key chose
OVER = const(16)  # its time is
PINNED = const(32)  # there is a claim or an alarm
WORSE = const(64)

# Turns.
SAY = const(0)
STAY = const(1)
START = const(2)
FRONT = const(3)
NEXT = const(4)
TROUBLE = const(5)

# Of these facts these hold: turn.
_TABLE = bytes((
    SAID, SAID, SAY,
    UNKNOWN, UNKNOWN, START,
    CHANGED, CHANGED, FRONT,
    KEY | OVER, KEY | OVER, FRONT,
    KEY | PINNED, PINNED, FRONT,
    WORSE, WORSE, TROUBLE,
    OVER, OVER, NEXT,
    0, 0, STAY,
))  # fmt: skip


def turn(facts: int) -> int:
    """Return the turn that these facts ask for."""
    i = 0
    while facts & _TABLE[i] != _TABLE[i + 1]:
        i += 3
    return _TABLE[i + 2]
