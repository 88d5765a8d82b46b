# SPDX-License-Identifier: Apache-2.0
"""One card's visit: what is done with it from IDENTIFY to WRITE_BACK (states.py). Loaded with the card.

login -> identity -> purchase -> count rule -> books -> write-back; what is said then: dialogue.py. Before a new
purchase is booked, its signature is looked at by proof.py: a Visit ends, and a second one returns to the card.
Money changes in ACCOUNT only, and only by what has passed the card's MAC, the record's CRC, account.judge() and the
supplier's signature; nothing later undoes it. The write-back comes after: a card pulled anywhere costs a second
insertion (equal count, nothing to credit) and no money. No wait is without an end.
"""

from micropython import const

from meter import heap
from meter.books import visits
from meter.cards import records, states
from meter.cards.visitor import Guest
from meter.core import account, cmac, codes
from meter.core.errors import CardError, StorageError
from meter.core.state import NO_CARD
from meter.documents import keys_doc
from meter.drivers.desfire.card import WRITE_MAX, Desfire

_SAK_ISO_DEP = const(0x20)
_DAY_S = const(86_400)


class Visit(Guest):
    def __init__(self, desk, uid, sak, cards, bought: tuple = ()):
        """uid, sak, cards: what the desk's reader found. bought: of the visit that this one goes on with."""
        super().__init__(desk, Desfire(desk.reader.exchange), uid, cards == 1)
        self._sak = sak
        self._renewed = False  # it has the card key in force
        self._months = b""
        self._number = self._generation = 0
        # Generation, months, number, amount and debt of a new purchase, its record or (proof.py) is it proven?
        self._bought = bought

    def do(self, state: int):
        """To await: what belongs to a state; return the event that ends it. CardError, BusError and ChipError go to
        the desk."""
        return self._DO[state - states.IDENTIFY](self)

    def about(self, event: int) -> tuple:
        """What the Utility, the Proof or the Dialogue that comes after this event needs to know."""
        if event == states.NO_HOUSEHOLDS:
            return self.card, self.uid
        return (self.uid, self._bought) if event == states.NEW else super().about(event)

    async def _identify(self):
        """Login and identity: is this a user card of this meter, and the right one?"""
        if not self.alone:
            raise CardError(codes.CARD_TWO, "two")
        if len(self.uid) != len(NO_CARD) or not self._sak & _SAK_ISO_DEP:
            raise CardError(codes.CARD_UNKNOWN, "kind")
        if self.desk.keys is None:
            raise CardError(0, "key")
        books = self.books
        if visits.locked_s(books):
            raise CardError(codes.CARD_LOCKED, "lock")
        self._months = records.months(books)  # now, for what reads them needs room that the session takes later
        card = self.card
        try:
            await card.select(records.AID)
        except CardError as e:
            if e.code != codes.CARD_UNKNOWN:
                raise
            return states.NO_HOUSEHOLDS
        try:
            await self._login(card)
        except CardError as e:
            if e.code == codes.CARD_AUTH:
                await self._whose(card)
            raise
        record = await card.read(records.F_IDENTITY, 0, records.IDENTITY_N)
        kind, generation, card_number, currency = records.unpack_identity(record)
        self._for_us(card_number, currency)
        if kind != records.KIND_USER:
            raise CardError(codes.CARD_UNKNOWN, "kind")
        bound = books.s.card_uid
        newest = books.s.card_generation
        if bound != NO_CARD and (generation < newest or (generation == newest and bound != self.uid)):
            raise CardError(codes.CARD_OLD_GENERATION, "generation")
        self._generation = generation
        return states.GENUINE

    def _for_us(self, number, currency):
        cfg = self.books.cfg
        self.other = number
        if number != cfg.meter_number:
            raise CardError(codes.CARD_FOREIGN, "number")
        self.other = currency
        if currency != cfg.currency:
            raise CardError(codes.CARD_CURRENCY, "currency")
        self.other = ""

    async def _login(self, card):
        """With the key in force; or the household's own card, once it has been the household's, with the one before:
        it is given the new one at its next purchase."""
        keys = self.desk.keys
        data = self.uid + records.AID
        try:
            await card.login(records.KEY_METER, cmac.derived(keys[keys_doc.CARD], data))
            self._renewed = True
        except CardError as e:
            if e.code != codes.CARD_AUTH or not self._may_be_old(keys):
                raise
            await card.select(records.AID)
            await card.login(records.KEY_METER, cmac.derived(keys[keys_doc.CARD_BEFORE], data))

    def _may_be_old(self, keys):
        until = keys[keys_doc.UNTIL_DAY]
        over = until and self.books.utc_s and self.books.utc_s // _DAY_S > until
        return keys[keys_doc.CARD_BEFORE] and self.uid == self.books.s.card_uid and not over

    async def _whose(self, card):
        """No key of ours opens it. Its label, though not to be trusted, gives the better word."""
        try:
            await card.select(records.AID)
            label = records.unpack_label(await card.read(records.F_LABEL, 0, records.LABEL_N))
        except CardError as e:
            if e.code == codes.CARD_PULLED:
                raise
            return
        self._for_us(label, self.books.cfg.currency)

    async def _read(self):
        record = await self.card.read(records.F_PURCHASE, 0, records.PURCHASE_N)
        count, amount_micro, debt_micro, key_no, number, currency, generation = records.unpack_purchase(record)
        self._for_us(number, currency)
        if generation != self._generation:
            raise CardError(codes.CARD_MALFORMED, "generation")
        verdict = account.judge(self.books.s.purchase_count, count)
        self._bought = self._generation, self._months, 0, 0, 0, True
        if verdict == account.EQUAL:
            return states.JUDGED
        if verdict != account.ACCEPT:
            raise CardError(verdict, "count")
        if key_no != self.desk.keys[keys_doc.SALE_NO]:
            raise CardError(codes.CARD_KEY_OLD, "key")
        for offset in (records.PURCHASE_N, records.PURCHASE_N + records.HALF_N):
            record += await self.card.read(records.F_PURCHASE, offset, records.HALF_N)
        self._bought = self._generation, self._months, count, amount_micro, debt_micro, record
        return states.NEW

    async def _return(self):
        if not self._bought[-1]:
            raise CardError(codes.CARD_SIGNATURE, "purchase")
        await self.card.select(records.AID)
        await self._login(self.card)
        return states.JUDGED

    async def _account(self):
        """The one place where a card changes anything. No await in here: the verdict stays true."""
        heap.borrow("cardbooks")
        try:
            self._book()
        finally:
            heap.give_back("cardbooks")
        return states.BOOKED

    def _book(self):
        from meter.books import purchases  # for this alone: login before it and write-back after it need the room

        books = self.books
        s = books.s
        generation, _, count, amount_micro, debt_micro, proven = self._bought
        new_card = s.card_uid != self.uid or s.card_generation != generation
        bought = None
        if amount_micro:
            verdict = account.judge(s.purchase_count, count)  # of now: READ was a second ago
            if verdict != account.ACCEPT or proven is not True:
                raise CardError(verdict or codes.CARD_SIGNATURE, "purchase")
            bought = purchases.purchase(books, amount_micro, debt_micro), count, debt_micro
        self._number = purchases.user_card(books, self.uid, generation, new_card, bought)
        if not self._number:
            raise CardError(codes.CARD_STORAGE, "ledger")
        self.added_micro = amount_micro

    async def _write_back(self):
        books = self.books
        number = self._number
        record = records.pack_writeback(books, number, self.desk.keys[keys_doc.VERSION], self._bought[1])
        for offset in range(0, len(record), WRITE_MAX):
            await self.card.write(records.F_WRITEBACK, offset, record[offset : offset + WRITE_MAX])
        await self.card.commit()
        if self._renewed and self.desk.keys[keys_doc.CARD_BEFORE]:
            self._forget()
        return states.WRITTEN

    def _forget(self):
        """The household's card has the key in force: the one before opens nothing any more."""
        keys = self.desk.keys
        keys = keys[: keys_doc.CARD_BEFORE] + (None, 0, 0) + keys[keys_doc.SALE_NO :]
        heap.borrow("keystore")
        try:
            from meter.documents import keystore

            keystore.put(self.desk.root, keys)
            self.desk.keys = keys
        except StorageError:
            pass  # the flash takes nothing: when this card comes next, it is asked again
        finally:
            heap.give_back("keystore")

    # What is done in each state, by its number.
    _DO = (_identify, _read, _return, _account, _write_back)
