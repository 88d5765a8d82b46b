# SPDX-License-Identifier: Apache-2.0
"""One card's visit: what is done with it from IDENTIFY to WRITE_BACK (carddesk_states.py). Loaded with the card.

login -> identity -> purchase -> count rule -> books -> write-back; what is said then: carddialogue.py.
Money changes in ACCOUNT only, and only by what has passed the card's MAC, the record's CRC and
account.judge(); nothing later undoes it. The write-back comes after: a card pulled anywhere costs a second
insertion (equal count, nothing to credit) and no money. No wait is without an end.
"""

from micropython import const

from meter import unload
from meter.core import account, codes, keys_doc
from meter.core.errors import CardError
from meter.core.state import NO_CARD
from meter.drivers import desfire

from . import carddesk_states as at
from . import cardfile
from .cardguest import Guest

_SAK_ISO_DEP = const(0x20)


class Visit(Guest):
    def __init__(self, desk, uid, sak, cards):
        """uid, sak, cards: what the desk's reader found."""
        super().__init__(desk, desfire.Desfire(desk.reader.exchange), uid, cards == 1)
        self._sak = sak
        self._generation = 0
        self._months = b""
        self._count = self._amount_micro = self._debt_micro = self._number = 0

    def do(self, state: int):
        """To await: what belongs to a state. Gives the event that ends it. CardError, BusError and ChipError go to
        the desk."""
        return self._DO[state - at.IDENTIFY](self)

    async def _identify(self):
        """Login and identity: is this a user card of this meter, and the right one?"""
        if not self.alone:
            raise CardError(codes.CARD_TWO, "two")
        if len(self.uid) != len(NO_CARD) or not self._sak & _SAK_ISO_DEP:
            raise CardError(codes.CARD_UNKNOWN, "kind")
        if self.desk.keys is None:
            raise CardError(0, "key")
        books = self.books
        if books.locked_s():
            raise CardError(codes.CARD_LOCKED, "lock")
        self._months = cardfile.months(books)  # now, for what reads them needs room that the session takes later
        number = books.cfg.meter_number
        card = self.card
        try:
            await card.select(cardfile.AID)
        except CardError as e:
            if e.code != codes.CARD_UNKNOWN:
                raise
            return at.NO_HOUSEHOLDS
        try:
            await self._login(card)
        except CardError as e:
            if e.code == codes.CARD_AUTH:
                await self._whose(card, number)
            raise
        record = await card.read(cardfile.F_IDENTITY, 0, cardfile.IDENTITY_N)
        kind, generation, card_number, currency = cardfile.unpack_identity(record)
        if card_number != number:
            raise CardError(codes.CARD_FOREIGN, "number")
        if kind != cardfile.KIND_USER:
            raise CardError(codes.CARD_UNKNOWN, "kind")
        if currency != books.cfg.currency:
            raise CardError(codes.CARD_MALFORMED, "currency")
        bound = books.s.card_uid
        newest = books.s.card_generation
        if bound != NO_CARD and (generation < newest or (generation == newest and bound != self.uid)):
            raise CardError(codes.CARD_OLD_GENERATION, "generation")
        self._generation = generation
        return at.GENUINE

    async def _login(self, card):
        """With the key in force, or the one before it: a card is given the new one at its next purchase."""
        key = self.desk.keys[keys_doc.CARD]
        before = self.desk.keys[keys_doc.CARD_BEFORE]
        data = self.uid + cardfile.AID
        try:
            await card.login(cardfile.KEY_METER, desfire.derived(key, data))
        except CardError as e:
            if e.code != codes.CARD_AUTH or not before:
                raise
            await card.select(cardfile.AID)
            await card.login(cardfile.KEY_METER, desfire.derived(before, data))

    async def _whose(self, card, number):
        """No key of ours opens it. Its label, though not to be trusted, gives the better word."""
        try:
            await card.select(cardfile.AID)
            label = cardfile.unpack_label(await card.read(cardfile.F_LABEL, 0, cardfile.LABEL_N))
        except CardError as e:
            if e.code == codes.CARD_PULLED:
                raise
            return
        if label != number:
            raise CardError(codes.CARD_FOREIGN, "number")

    async def _read(self):
        record = await self.card.read(cardfile.F_PURCHASE, 0, cardfile.PURCHASE_N)
        self._count, amount_micro, self._debt_micro = cardfile.unpack_purchase(record)
        verdict = account.judge(self.books.s.purchase_count, self._count)
        if verdict == account.ACCEPT:
            self._amount_micro = amount_micro
        elif verdict != account.EQUAL:
            raise CardError(verdict, "count")
        return at.JUDGED

    async def _account(self):
        """The one place where a card changes anything. No await in here: the verdict stays true."""
        try:
            self._book()
        finally:
            unload("services.cardbooks")
        return at.BOOKED

    def _book(self):
        from . import cardbooks  # for this alone: login before it and write-back after it need the room

        books = self.books
        s = books.s
        new_card = s.card_uid != self.uid or s.card_generation != self._generation
        bought = None
        if self._amount_micro:
            before = cardbooks.purchase(books, self._amount_micro, self._debt_micro)
            bought = before, self._count, self._debt_micro
        self._number = cardbooks.user_card(books, self.uid, self._generation, new_card, bought)
        if not self._number:
            raise CardError(codes.CARD_STORAGE, "ledger")
        self.added_micro = self._amount_micro

    async def _write_back(self):
        books = self.books
        number = self._number
        record = cardfile.pack_writeback(books, number, self.desk.keys[keys_doc.VERSION], self._months)
        for offset in range(0, len(record), desfire.WRITE_MAX):
            await self.card.write(cardfile.F_WRITEBACK, offset, record[offset : offset + desfire.WRITE_MAX])
        await self.card.commit()
        return at.WRITTEN

    # What is done in each state, by its number.
    _DO = (_identify, _read, _account, _write_back)
