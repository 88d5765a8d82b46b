# SPDX-License-Identifier: Apache-2.0
"""What a card changes beside money: it is refused, or believed, or has changed something. Loaded with the card.

From the third card in a row on that could not prove what it is, no card is read for 2, 4 ... 1024 s.
"""

from micropython import const

from meter.core import codes

_FREE = const(2)  # failed logins in a row that cost nothing
_LOCK_MAX = const(12)


def refused(books, code: int) -> None:
    """A card was refused; code: why (codes.CARD_*)."""
    s = books.s
    s.refused_cards += 1
    if code in (codes.CARD_AUTH, codes.CARD_SIGNATURE):  # neither is a mistake of a household's
        s.failed_logins = min(s.failed_logins + 1, 0xFFFF)
        s.lock = min(s.lock + 1, _LOCK_MAX)
        books.locked_at_s = books.uptime_s
    books.log(codes.LOG_CARD_REFUSED, code)
    books.keep()


def believed(books) -> None:
    """A supplier's card has proved what it is: cards are read again without a wait. Committed with what it changes."""
    books.s.lock = 0


def next_writeback(books) -> int:
    """The number of the next write-back; 0 when it cannot be stored: a number must not be used twice."""
    s = books.s
    s.writeback_seq += 1
    if books.keep():
        return s.writeback_seq
    s.writeback_seq -= 1
    return 0


def test_relay(books, off: bool) -> None:
    """Supply goes off although nothing asks for it, or comes back; a start does not remember it."""
    books.testing = off
    books.changed.set()


def served(books, serial: int) -> None:
    """A supplier's card has changed something: no older one may change it back."""
    books.s.utility_serial = serial
    books.keep()


def locked_s(books) -> int:
    """How long no card is read, after bad ones in a row; 0: it is. A start begins that again."""
    lock = books.s.lock
    if lock <= _FREE:
        return 0
    return max(0, (1 << (lock - _FREE)) - books.uptime_s + books.locked_at_s)
