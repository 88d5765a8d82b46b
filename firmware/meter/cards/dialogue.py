# SPDX-License-Identifier: Apache-2.0
"""What people are told while a card is in: the result first, then five figures, then to take it out.

Loaded when the work with the card is over and its code has gone. Changes nothing; no wait is without an end.
"""

import asyncio
import time

from micropython import const

from meter import heap
from meter.cards import pages, states

_PRESENCE_MS = const(500)
_RESULT_MS = const(3000)
_FIGURE_MS = const(3000)
_REFUSAL_MS = const(5000)
_REMIND_MS = const(3000)
# Everything is said for _PRESENCE_MS longer than it is shown: no page of the rotation slips in between.


class Dialogue:
    def __init__(self, desk, found, added_micro, rows, why):
        """found: the card's uid, and whether it is the only one. added_micro: to the credit. rows: what there is to say
        of the supplier's card. Without them, why: a code (codes.CARD_*, 0: no keys), and the meter or currency that the
        card is for, if that is the reason."""
        self._desk = desk
        self._reader = desk.reader
        self._books = desk.books
        self._panel = desk.panel
        self._uid, self._alone = found
        self._added_micro = added_micro
        self._rows = rows
        self._code, self._other = why

    def do(self, state: int):
        """To await: what belongs to a state; return the event that ends it. BusError, ChipError go to the desk."""
        return self._DO[state - states.RESULT](self)

    async def _result(self):
        self._panel.say(pages.result(self._books, self._added_micro), _RESULT_MS + _PRESENCE_MS)
        return await self._stay(_RESULT_MS)

    async def _figures(self):
        for n in range(pages.FIGURES):
            self._panel.say(pages.figure(self._books, n), _FIGURE_MS + _PRESENCE_MS)
            if await self._stay(_FIGURE_MS) == states.GONE:
                self._panel.unsay()
                return states.GONE
        return states.TIME_UP

    async def _refusal(self):
        return await self._show(self._rows or self._why())

    def _why(self):
        heap.borrow("refusals")
        try:
            from meter.cards import refusals

            if not self._code:
                return refusals.no_keys()
            if self._other:
                return refusals.not_for(self._code, self._other, self._books.cfg)
            return refusals.refused(self._code)
        finally:
            heap.give_back("refusals")

    async def _unfinished(self):
        return await self._show(pages.unfinished(self._books, self._added_micro))

    async def _show(self, rows):
        # Left standing when the card goes: who pulls it out still wants to know why.
        self._panel.say(rows, _REFUSAL_MS + _PRESENCE_MS)
        return await self._stay(_REFUSAL_MS)

    async def _remove(self):
        while True:
            self._desk.beat()  # a card may be left in for days
            self._panel.say(pages.remove(self._books), _REMIND_MS + _PRESENCE_MS)
            if await self._stay(_REMIND_MS) == states.GONE:
                self._panel.unsay()
                return states.GONE

    async def _stay(self, limit_ms):
        """Return TIME_UP after limit_ms, or GONE once the card is out (or another one in)."""
        end = time.ticks_add(time.ticks_ms(), limit_ms)
        await self._reader.field_off()
        while True:
            left_ms = time.ticks_diff(end, time.ticks_ms())
            if left_ms <= 0:
                return states.TIME_UP
            await asyncio.sleep_ms(min(_PRESENCE_MS, left_ms))
            # Looked for twice: one missed answer is no removal.
            if not await self._same_card() and not await self._same_card():
                return states.GONE

    async def _same_card(self):
        found = await self._reader.look()
        return found is not None and (found[0] == self._uid or not self._alone)

    # What is done in each state, by its number.
    _DO = (_result, _figures, _refusal, _unfinished, _remove)
