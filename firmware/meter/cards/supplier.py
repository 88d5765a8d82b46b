# SPDX-License-Identifier: Apache-2.0
"""Utility cards: what the supplier's people carry from meter to meter. Loaded with the card.

A DESFire application of its own, so no user card is ever taken for one; its meter key comes of the fleet's utility
key. What is asked for is signed by the supplier: head.py. What each kind does is a workflow of its own, of
which a document needs all the room there is:

    1 settings, 2 tariff   commands/document.py
    3 key change           commands/key_change.py
    4 relay test           commands/relay_test.py
    5 read-out             commands/read_out.py
    6 cover reset          commands/cover_reset.py
    7 supplier's keys      commands/trust_change.py

Kinds 1 to 3 and 7 change what the meter is, so an old card must not bring back what was: the ledger keeps the serial
number of the newest one, and an older one is refused. What came of it goes onto the card, for the office; a card
without room for that has still done its work. Files, byte by byte: storage/FORMAT.md.
"""

import hashlib
from binascii import crc32

from micropython import const

from meter import heap
from meter.cards import states
from meter.cards.visitor import Guest
from meter.core import codes
from meter.core.errors import CardError
from meter.drivers.desfire import card

AID = b"\x02WP"
DOCUMENT = const(2)
_SERVING_MS = const(15_000)

SETTINGS = const(1)
TARIFF = const(2)
KEYS = const(3)
RELAY = const(4)
READ_OUT = const(5)
TRUST = const(7)

# What came of it.
DONE = const(0)
ALREADY = const(1)
WITH_START = const(2)
FAILED = const(3)
REFUSED = const(4)


class Utility(Guest):
    """One utility card being served. For its workflow: all without _."""

    # What the head says; utility_head.read() puts it here. begins: where the document is in file 2. crc: of it.
    kind = length = begins = serial = crc = 0
    digest = b""
    hash: hashlib.sha256 = None  # pyright: ignore[reportAssignmentType]

    def do(self, state: int):
        """To await: do what the card asks for. Gives the event. CardError, BusError and ChipError go to the desk."""
        return self._serve()

    async def _serve(self):
        await self._head()
        self.books.s.lock = 0
        rows, result = await self._work()
        if (self.kind <= KEYS or self.kind == TRUST) and result <= WITH_START:
            self.books.utility_card(self.serial)
        if self.kind != READ_OUT:
            await self.answer(result)
        self.rows = rows
        return states.SERVED

    async def _head(self):
        heap.borrow("head")
        try:
            from meter.cards import head

            await head.read(self)
        finally:
            heap.give_back("head")

    async def _work(self):
        if self.kind in (SETTINGS, TARIFF):
            heap.borrow("document")
            try:
                from meter.commands import document as utility_document

                return await utility_document.work(self)
            finally:
                heap.give_back("document")
        heap.borrow("other")
        try:
            from meter.commands import dispatch

            return await dispatch.work(self)
        finally:
            heap.give_back("other")

    def say(self, rows) -> None:
        """Shown while the card is served."""
        self.desk.panel.say(rows, _SERVING_MS)

    async def document(self, take) -> None:
        """take(part) for each part of the document. Raises CardError at its end when it is not what the head says."""
        for at in range(self.begins, self.length, card.READ_MAX):
            part = await self.card.read(DOCUMENT, at, min(card.READ_MAX, self.length - at))
            self.hash.update(part)
            self.crc = crc32(part, self.crc)
            take(part)
        right = self.hash.digest() == self.digest
        self.hash = None  # pyright: ignore[reportAttributeAccessIssue]  # the document needs the room
        if not right:
            raise CardError(codes.CARD_MALFORMED, "document")

    async def answer(self, result: int, more: bytes = b"") -> bool:
        """Write what came of it onto the card. False: there is no room for it."""
        heap.borrow("answer")
        try:
            from meter.cards import answer as utility_answer

            return await utility_answer.write(self, result, more)
        finally:
            heap.give_back("answer")
