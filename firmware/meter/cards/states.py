# SPDX-License-Identifier: Apache-2.0
"""The card desk's states, and what may follow what. Pure: a state and an event in, a state out.

Money changes in ACCOUNT only, and nothing that follows can undo it: from there on the worst that happens is
UNFINISHED, and the next insertion of the card (equal count, nothing to credit) finishes the write-back.
"""

from micropython import const

# States
RESET = const(0)  # the reader is being started, or waits for its next try
WAIT = const(1)  # no card; the reader looks by itself
IDENTIFY = const(2)  # application, login, identity
READ = const(3)  # the purchase, and what the count rule says about it
RETURN = const(4)  # to the card, after PROVE
ACCOUNT = const(5)  # into the books
WRITE_BACK = const(6)  # the meter's answer onto the card
PROVE = const(7)  # is a new purchase signed by the supplier?
SUPPLIER = const(8)  # what the supplier's card asks for
RESULT = const(9)
FIGURES = const(10)
REFUSAL = const(11)  # or whatever else there is to say
UNFINISHED = const(12)  # booked, but the card has not taken the write-back
REMOVE = const(13)

# Events
READER_OK = const(0)
READER_LOST = const(1)
CARD_IN = const(2)
GENUINE = const(3)  # a user card of this meter
JUDGED = const(4)  # its purchase is already booked, or new and proven
BOOKED = const(5)
WRITTEN = const(6)
UNWRITTEN = const(7)
REFUSED = const(8)
PULLED = const(9)  # gone before anything was booked
TIME_UP = const(10)  # shown long enough
GONE = const(11)  # the card is out
NO_HOUSEHOLDS = const(12)  # it has no application of a user card; the supplier's may
SERVED = const(13)  # the supplier's card: what it asked for is done, or refused
NEW = const(14)  # the next purchase, if its signature is right
LOOKED = const(15)  # at the signature

# What may follow: state, event, next state. Bytes, because a dict of dicts costs ten times the heap.
_TABLE = bytes((
    RESET, READER_OK, WAIT,
    WAIT, CARD_IN, IDENTIFY,
    IDENTIFY, GENUINE, READ,
    IDENTIFY, REFUSED, REFUSAL,
    IDENTIFY, PULLED, REFUSAL,
    IDENTIFY, NO_HOUSEHOLDS, SUPPLIER,
    READ, JUDGED, ACCOUNT,
    READ, NEW, PROVE,
    READ, REFUSED, REFUSAL,
    READ, PULLED, REFUSAL,
    PROVE, LOOKED, RETURN,
    RETURN, JUDGED, ACCOUNT,
    RETURN, REFUSED, REFUSAL,
    RETURN, PULLED, REFUSAL,
    ACCOUNT, BOOKED, WRITE_BACK,
    ACCOUNT, REFUSED, REFUSAL,
    WRITE_BACK, WRITTEN, RESULT,
    WRITE_BACK, UNWRITTEN, UNFINISHED,
    SUPPLIER, SERVED, REFUSAL,
    SUPPLIER, REFUSED, REFUSAL,
    SUPPLIER, PULLED, REFUSAL,
    RESULT, TIME_UP, FIGURES,
    FIGURES, TIME_UP, REMOVE,
    REFUSAL, TIME_UP, REMOVE,
    UNFINISHED, TIME_UP, REMOVE,
    RESULT, GONE, WAIT,
    FIGURES, GONE, WAIT,
    REFUSAL, GONE, WAIT,
    UNFINISHED, GONE, WAIT,
    REMOVE, GONE, WAIT,
    RESET, READER_LOST, RESET,
    WAIT, READER_LOST, RESET,
    IDENTIFY, READER_LOST, RESET,
    READ, READER_LOST, RESET,
    RETURN, READER_LOST, RESET,
    WRITE_BACK, READER_LOST, RESET,
    SUPPLIER, READER_LOST, RESET,
    RESULT, READER_LOST, RESET,
    FIGURES, READER_LOST, RESET,
    REFUSAL, READER_LOST, RESET,
    UNFINISHED, READER_LOST, RESET,
    REMOVE, READER_LOST, RESET,
))  # fmt: skip


def step(state: int, event: int) -> int:
    """The state that follows. ValueError when the event cannot happen in this state: a bug, never input."""
    for i in range(0, len(_TABLE), 3):
        if _TABLE[i] == state and _TABLE[i + 1] == event:
            return _TABLE[i + 2]
    raise ValueError("card desk: event %d in state %d" % (event, state))
