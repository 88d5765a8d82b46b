# SPDX-License-Identifier: Apache-2.0
"""The card desk: owns the reader, waits for a card, serves one at a time.

What may follow what is in states.py. What is done with a household's card is in household.py, and with a new
purchase on it in proof.py; with the supplier's in supplier.py; what is said then, in dialogue.py. Each is loaded
when it is wanted and let go: most of the time there is no card, and the code is large.
"""

import asyncio

from micropython import const

from meter import heap
from meter.cards import states
from meter.core import codes
from meter.core.errors import BusError, CardError, ChipError

_HEALTH_MS = const(30_000)
_BACKOFF_MAX_S = const(30)
_PAUSE_MS = const(5)  # other tasks run, and the interpreter's stack forgets the code that goes: else it stays


class CardDesk:
    root = ""  # where the documents are

    def __init__(self, reader, books, panel, keys):
        """keys: of made.read(), or None when this meter has none. All attributes without _ are for the visit."""
        if keys and books.cfg.provisioned and not self.fit(keys, books.cfg.meter_number):
            keys = None
        if not keys:
            books.fault(codes.FAULT_KEYS, True)
        self.reader = reader
        self.books = books
        self.panel = panel
        self.keys = keys
        self._backoff_s = 0
        self._visit = self._dialogue = None
        self._loan = None  # the code of the visit, or of the dialogue
        self.state = states.RESET

    def fit(self, keys, meter_number):
        """Once, at the start."""
        heap.borrow("keystore")
        try:
            from meter.documents.keystore import fit

            return fit(keys, meter_number)
        finally:
            heap.give_back("keystore")

    async def run(self, beat):
        """The task. Card and reader errors are events; anything else is a bug and goes to the supervisor."""
        self.state = states.RESET
        self._leave()
        self.beat = beat
        while True:
            beat()
            try:
                if self._visit is not None:
                    event = await self._visit.do(self.state)
                elif self._dialogue is not None:
                    event = await self._dialogue.do(self.state)
                elif self.state == states.WAIT:
                    event = await self._wait()
                else:
                    event = await self._reset()
            except CardError as e:
                if self._visit is None:
                    raise
                # A Proof asks neither card nor reader.
                event = self._visit.card_failed(self.state, e)  # pyright: ignore[reportAttributeAccessIssue]
            except (BusError, ChipError):
                event = self._reader_failed()
            self.state = states.step(self.state, event)
            if self.state <= states.WAIT:
                self._leave()
            elif self._visit is not None and (event >= states.NO_HOUSEHOLDS or self.state >= states.RESULT):
                about = self._visit.about(event)
                self._visit = None
                await self._go_on(event, about)

    async def _reset(self):
        await asyncio.sleep_ms(self._backoff_s * 1000)
        await self.reader.start()
        self.books.fault(codes.FAULT_CARD_READER, False)
        return states.READER_OK

    def _reader_failed(self):
        # The back-off ends only when the reader has proved itself: a quiet half minute, or a card.
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S) or 1
        self.books.fault(codes.FAULT_CARD_READER, True)
        if self._visit is not None:
            self._visit.reader_failed(self.state)  # pyright: ignore[reportAttributeAccessIssue]
        elif self._dialogue is not None:
            self.panel.unsay()
        return states.READER_LOST

    async def _wait(self):
        while True:
            self.beat()
            found = await self.reader.wait_card(_HEALTH_MS)
            self._backoff_s = 0
            if found:
                self._lend(heap.borrow("household"))
                from meter.cards.household import Visit

                self._visit = Visit(self, *found)
                return states.CARD_IN
            await self.reader.check()

    async def _go_on(self, event, about):
        """The code for one part of the work goes before that for the next comes, which needs its room. about: what the
        one has told for the other."""
        if event == states.NO_HOUSEHOLDS:
            await self._swap(heap.borrow("supplier"))
            from meter.cards.supplier import Utility

            self._visit = Utility(self, *about)
        elif event == states.NEW:
            await self._swap(heap.borrow("signature"))
            from meter.cards.proof import Proof

            self._visit = Proof(self, *about)
        elif event == states.LOOKED:
            await self._swap(heap.borrow("household"))
            from meter.cards.household import Visit

            self._visit = Visit(self, *about)
        else:
            await self._swap(heap.borrow("dialogue"))
            from meter.cards.dialogue import Dialogue

            self._dialogue = Dialogue(self, *about)

    async def _swap(self, loan):
        self._lend(loan)
        await asyncio.sleep_ms(_PAUSE_MS)

    def _leave(self):
        """The visit is over: all its code goes."""
        self._visit = self._dialogue = None
        self._lend(None)

    def _lend(self, loan):
        """What has been borrowed for the next part of the visit, or None, in place of what the last one had."""
        before = self._loan
        self._loan = loan
        if before is not None:
            heap.give_back(before)
