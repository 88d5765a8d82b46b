# SPDX-License-Identifier: Apache-2.0
"""A card being served, as the desk sees it: the household's (household.py) or the supplier's (supplier.py)."""

from micropython import const

from meter import heap
from meter.books import visits
from meter.cards import states
from meter.core import codes

_REFUSAL_MS = const(5000)


class Guest:
    def __init__(self, desk, card, uid, alone=True):
        """desk: the CardDesk. card: a desfire.Desfire. uid, alone: what its reader found."""
        self.desk = desk
        self.books = desk.books
        self.card = card
        self.uid = uid
        self.alone = alone
        self.added_micro = 0
        self.rows = None  # to be shown of the supplier's card
        self.code = 0  # why it was refused; 0: no keys
        self.other = ""  # the meter or currency that the card is for, if that is why

    def card_failed(self, state: int, e) -> int:
        """The card would not do what the state needs. Return the event."""
        if state == states.WRITE_BACK:
            return states.UNWRITTEN
        self.code = e.code
        if e.code == codes.CARD_PULLED:
            return states.PULLED
        if e.code:
            visits.refused(self.books, e.code)
        return states.REFUSED

    def about(self, event: int) -> tuple:
        """What the code that comes after this event needs to know: as a rule, the dialogue."""
        return (self.uid, self.alone), self.added_micro, self.rows, (self.code, self.other)

    def reader_failed(self, state: int) -> None:
        """The reader broke down in the middle of this."""
        heap.borrow("dialogue")
        heap.borrow("refusals")
        try:
            if state == states.WRITE_BACK:
                from meter.cards import pages

                rows = pages.unfinished(self.books, self.added_micro)
            else:
                from meter.cards import refusals

                rows = refusals.refused(codes.CARD_READER)
        finally:
            heap.give_back("dialogue")
            heap.give_back("refusals")
        self.desk.panel.say(rows, _REFUSAL_MS)
