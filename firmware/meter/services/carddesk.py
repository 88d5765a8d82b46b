# SPDX-License-Identifier: Apache-2.0
"""The card desk: owns the reader, serves one card at a time.

detect -> login -> identity -> purchase -> count rule -> books -> write-back -> say the result -> five
figures -> "remove card". What may follow what is in carddesk_states.py; here is what is done in each state.
Invariants: money changes in ACCOUNT only, and only by what has passed the card's MAC, the record's CRC and
account.judge(); nothing later undoes it. The write-back comes after: a card pulled anywhere costs a second
insertion (equal count, nothing to credit) and no money. No wait is without an end.
"""

import asyncio
import time

from micropython import const

from meter.core import account, codes
from meter.core.errors import BusError, CardError, ChipError
from meter.core.state import NO_CARD
from meter.drivers import desfire

from . import carddesk_states as at
from . import cardfile, cardpages
from .texts import card_refused

_HEALTH_MS = const(30_000)
_PRESENCE_MS = const(500)
_RESULT_MS = const(3000)
_FIGURE_MS = const(3000)
_REFUSAL_MS = const(5000)
_REMIND_MS = const(30_000)
# Everything is said for _PRESENCE_MS longer than it is shown: no page of the rotation slips in between.
_BACKOFF_MAX_S = const(30)
_SAK_ISO_DEP = const(0x20)

# desfire.key_check() of the key all virtual meters share.
DEMO_KEY_CHECK = b"\xd7\x4f\x9b\xc3\x14\x20\x07\x5e"


class CardDesk:
    def __init__(self, reader, books, panel, role_key):
        """role_key: the 16 bytes this meter's card keys are derived from, or None when it has none."""
        if not _fit(role_key, books.cfg.provisioned):
            role_key = None
            books.fault(codes.FAULT_KEYS, True)
        self._reader = reader
        self._books = books
        self._panel = panel
        self._role_key = role_key
        self._backoff_s = 0
        self.state = at.RESET
        self._forget()
        self._lines = None

    def _forget(self):
        self._uid = NO_CARD
        self._sak = 0
        self._generation = 0
        self._card = None
        self._count = self._amount_micro = self._added_micro = 0

    async def run(self, beat):
        """The task. Card and reader errors are events; anything else is a bug and goes to the supervisor."""
        self.state = at.RESET
        while True:
            beat()
            try:
                event = await self._DO[self.state](self)
            except CardError as e:
                event = self._card_failed(e)
            except (BusError, ChipError):
                event = self._reader_failed()
            self.state = at.step(self.state, event)

    # -- the reader -------------------------------------------------------------------------------

    async def _reset(self):
        await asyncio.sleep_ms(self._backoff_s * 1000)
        await self._reader.start()
        self._books.fault(codes.FAULT_CARD_READER, False)
        return at.READER_OK

    def _reader_failed(self):
        # The back-off ends only when the reader has proved itself: a quiet half minute, or a card.
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S) or 1
        self._books.fault(codes.FAULT_CARD_READER, True)
        if self.state == at.WRITE_BACK:
            self._panel.say(cardpages.unfinished(self._books, self._added_micro), _REFUSAL_MS)
        elif at.IDENTIFY <= self.state < at.WRITE_BACK:
            self._panel.say(card_refused(codes.CARD_READER), _REFUSAL_MS)
        elif self.state >= at.RESULT:
            self._panel.unsay()
        return at.READER_LOST

    async def _wait(self):
        self._forget()
        while True:
            found = await self._reader.wait_card(_HEALTH_MS)
            self._backoff_s = 0
            if found:
                self._uid, self._sak = found
                return at.CARD_IN
            await self._reader.check()

    # -- the card ---------------------------------------------------------------------------------

    async def _identify(self):
        """Login and identity: is this a user card of this meter, and the right one?"""
        if len(self._uid) != len(NO_CARD) or not self._sak & _SAK_ISO_DEP:
            raise CardError(codes.CARD_UNKNOWN, "kind")
        if self._role_key is None:
            raise CardError(0, "key")
        books = self._books
        number = books.cfg.meter_number
        self._card = card = desfire.Desfire(self._reader.exchange)
        await card.select(cardfile.AID)
        key = desfire.diversified(self._role_key, self._uid, cardfile.AID, number.encode())
        try:
            await card.login(cardfile.KEY_METER, key)
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
        if bound != NO_CARD and (generation < newest or (generation == newest and bound != self._uid)):
            raise CardError(codes.CARD_OLD_GENERATION, "generation")
        self._generation = generation
        return at.GENUINE

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
        record = await self._card.read(cardfile.F_PURCHASE, 0, cardfile.PURCHASE_N)
        self._count, amount_micro = cardfile.unpack_purchase(record)
        verdict = account.judge(self._books.s.purchase_count, self._count)
        if verdict == account.ACCEPT:
            self._amount_micro = amount_micro
        elif verdict != account.EQUAL:
            raise CardError(verdict, "count")
        return at.JUDGED

    async def _account(self):
        """The one place where a card changes anything. No await in here: the verdict stays true."""
        books = self._books
        s = books.s
        new_card = s.card_uid != self._uid or s.card_generation != self._generation
        if self._amount_micro:
            books.purchase(self._count, self._amount_micro, self._uid, self._generation)
            self._added_micro = self._amount_micro
        if new_card:
            books.bind_card(self._uid, self._generation)
        books.user_card()
        return at.BOOKED

    async def _write_back(self):
        books = self._books
        number = books.next_writeback()
        if books.faults & codes.FAULT_FRAM:
            raise CardError(codes.CARD_STORAGE, "ledger")
        status = cardfile.status_word(books.s, books.faults)
        record = cardfile.pack_writeback(books.s, number, books.utc_s or 0, status)
        for offset in range(0, len(record), desfire.WRITE_MAX):
            await self._card.write(cardfile.F_WRITEBACK, offset, record[offset : offset + desfire.WRITE_MAX])
        await self._card.commit()
        return at.WRITTEN

    def _card_failed(self, e):
        code = e.code
        if self.state == at.WRITE_BACK:
            self._lines = cardpages.unfinished(self._books, self._added_micro)
            return at.UNWRITTEN
        if code == codes.CARD_PULLED:
            self._lines = card_refused(code)
            return at.PULLED
        if code:
            self._books.refuse_card(code)
            self._lines = card_refused(code)
        else:
            self._lines = cardpages.no_keys()
        return at.REFUSED

    # -- what is said -----------------------------------------------------------------------------

    async def _result(self):
        self._panel.say(cardpages.result(self._books, self._added_micro), _RESULT_MS + _PRESENCE_MS)
        return await self._stay(_RESULT_MS)

    async def _figures(self):
        for n in range(cardpages.FIGURES):
            self._panel.say(cardpages.figure(self._books, n), _FIGURE_MS + _PRESENCE_MS)
            if await self._stay(_FIGURE_MS) == at.GONE:
                self._panel.unsay()
                return at.GONE
        return at.TIME_UP

    async def _refusal(self):
        # Left standing when the card goes: who pulls it out still wants to know why.
        self._panel.say(self._lines, _REFUSAL_MS + _PRESENCE_MS)
        return await self._stay(_REFUSAL_MS)

    async def _remove(self):
        while True:
            self._panel.say(cardpages.remove(), _REMIND_MS + _PRESENCE_MS)
            if await self._stay(_REMIND_MS) == at.GONE:
                self._panel.unsay()
                return at.GONE

    async def _stay(self, limit_ms):
        """TIME_UP after limit_ms, or GONE once the card is out (or another one in)."""
        end = time.ticks_add(time.ticks_ms(), limit_ms)
        await self._reader.field_off()
        while True:
            left_ms = time.ticks_diff(end, time.ticks_ms())
            if left_ms <= 0:
                return at.TIME_UP
            await asyncio.sleep_ms(min(_PRESENCE_MS, left_ms))
            # Looked for twice: one missed answer is no removal.
            if not await self._same_card() and not await self._same_card():
                return at.GONE

    async def _same_card(self):
        found = await self._reader.look()
        return found is not None and found[0] == self._uid

    # What is done in each state, by its number.
    _DO = (
        _reset, _wait, _identify, _read, _account, _write_back,
        _result, _figures, _refusal, _refusal, _remove,
    )  # fmt: skip


def _fit(role_key, provisioned):
    """Is this a key to read cards with? A provisioned meter must have one of its own."""
    if role_key is None or len(role_key) != 16:
        return False
    return not (provisioned and desfire.same(desfire.key_check(role_key), DEMO_KEY_CHECK))
