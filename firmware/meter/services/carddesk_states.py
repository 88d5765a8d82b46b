# SPDX-License-Identifier: Apache-2.0
"""The card desk's states, and what may follow what. Pure: a state and an event in, a state out.

Money changes in ACCOUNT only, and nothing that follows can undo it: from there on the worst that happens is
UNFINISHED, and the next insertion of the card (same count, nothing to credit) finishes the write-back.
"""

from micropython import const

# States
RESET = const(0)  # the reader is being started, or waits for its next try
WAIT = const(1)  # no card; the reader looks by itself
IDENTIFY = const(2)  # application, login, identity
READ = const(3)  # the purchase, and what the count rule says about it
ACCOUNT = const(4)  # into the books
WRITE_BACK = const(5)  # the meter's answer onto the card
RESULT = const(6)
FIGURES = const(7)
REFUSAL = const(8)
UNFINISHED = const(9)  # booked, but the card has not taken the write-back
REMOVE = const(10)
STATES = const(11)

# Events
READER_OK = const(0)
READER_LOST = const(1)
CARD_IN = const(2)
GENUINE = const(3)  # a user card of this meter
JUDGED = const(4)  # its purchase is new, or already booked
BOOKED = const(5)
WRITTEN = const(6)
UNWRITTEN = const(7)
REFUSED = const(8)
PULLED = const(9)  # gone before anything was booked
TIME_UP = const(10)  # shown long enough
GONE = const(11)  # the card is out
EVENTS = const(12)

_TABLE = {
    RESET: {READER_OK: WAIT, READER_LOST: RESET},
    WAIT: {CARD_IN: IDENTIFY, READER_LOST: RESET},
    IDENTIFY: {GENUINE: READ, REFUSED: REFUSAL, PULLED: REFUSAL, READER_LOST: RESET},
    READ: {JUDGED: ACCOUNT, REFUSED: REFUSAL, PULLED: REFUSAL, READER_LOST: RESET},
    ACCOUNT: {BOOKED: WRITE_BACK, REFUSED: REFUSAL},
    WRITE_BACK: {WRITTEN: RESULT, UNWRITTEN: UNFINISHED, READER_LOST: RESET},
    RESULT: {TIME_UP: FIGURES, GONE: WAIT, READER_LOST: RESET},
    FIGURES: {TIME_UP: REMOVE, GONE: WAIT, READER_LOST: RESET},
    REFUSAL: {TIME_UP: REMOVE, GONE: WAIT, READER_LOST: RESET},
    UNFINISHED: {TIME_UP: REMOVE, GONE: WAIT, READER_LOST: RESET},
    REMOVE: {GONE: WAIT, READER_LOST: RESET},
}


def step(state: int, event: int) -> int:
    """The state that follows. ValueError when the event cannot happen in this state: a bug, never input."""
    try:
        return _TABLE[state][event]
    except KeyError:
        raise ValueError("card desk: event %d in state %d" % (event, state)) from None
