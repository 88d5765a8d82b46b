# SPDX-License-Identifier: Apache-2.0
"""The card desk: owns the reader, serves one card at a time.

detect -> login -> identity -> purchase -> count rule -> books -> write-back -> say the result -> five figures ->
"remove card". What may follow what is in carddesk_states.py; here is what is done in each state.
Invariants: nothing is booked that has not passed the card's MAC, the record's CRC and account.judge(); books
before write-back, so a card pulled anywhere costs a second insertion and no money; no wait without an end.
"""

import asyncio
import time

from micropython import const

from meter.core import account, codes
from meter.core.errors import BusError, CardError, ChipError
from meter.core.state import NO_CARD
from meter.drivers import desfire

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

# desfire.key_check() of the key all virtual meters share. A provisioned meter must have one of its own.
DEMO_KEY_CHECK = b"\xd7\x4f\x9b\xc3\x14\x20\x07\x5e"


# States
_RESET = const(0)  # the reader is being started, or waits for its next try
_WAIT = const(1)  # no card; the reader looks by itself
_IDENTIFY = const(2)  # application, login, identity
_READ = const(3)  # the purchase, and what the count rule says about it
_ACCOUNT = const(4)  # into the books
_WRITE_BACK = const(5)  # the meter's answer onto the card
_RESULT = const(6)
_FIGURES = const(7)
_REFUSAL = const(8)
_UNFINISHED = const(9)  # booked, but the card has not taken the write-back
_REMOVE = const(10)

# Events
_READER_OK = const(0)
_READER_LOST = const(1)
_CARD_IN = const(2)
_GENUINE = const(3)  # a user card of this meter
_JUDGED = const(4)  # its purchase is new, or already booked
_BOOKED = const(5)
_WRITTEN = const(6)
_UNWRITTEN = const(7)
_REFUSED = const(8)
_PULLED = const(9)  # gone before anything was booked
_TIME_UP = const(10)  # shown long enough
_GONE = const(11)  # the card is out

# What may follow: state, event, next state. Bytes, because a dict of dicts costs ten times the heap.
_TABLE = bytes((
    _RESET, _READER_OK, _WAIT,
    _WAIT, _CARD_IN, _IDENTIFY,
    _IDENTIFY, _GENUINE, _READ,
    _IDENTIFY, _REFUSED, _REFUSAL,
    _IDENTIFY, _PULLED, _REFUSAL,
    _READ, _JUDGED, _ACCOUNT,
    _READ, _REFUSED, _REFUSAL,
    _READ, _PULLED, _REFUSAL,
    _ACCOUNT, _BOOKED, _WRITE_BACK,
    _ACCOUNT, _REFUSED, _REFUSAL,
    _WRITE_BACK, _WRITTEN, _RESULT,
    _WRITE_BACK, _UNWRITTEN, _UNFINISHED,
    _RESULT, _TIME_UP, _FIGURES,
    _FIGURES, _TIME_UP, _REMOVE,
    _REFUSAL, _TIME_UP, _REMOVE,
    _UNFINISHED, _TIME_UP, _REMOVE,
    _RESULT, _GONE, _WAIT,
    _FIGURES, _GONE, _WAIT,
    _REFUSAL, _GONE, _WAIT,
    _UNFINISHED, _GONE, _WAIT,
    _REMOVE, _GONE, _WAIT,
    _RESET, _READER_LOST, _RESET,
    _WAIT, _READER_LOST, _RESET,
    _IDENTIFY, _READER_LOST, _RESET,
    _READ, _READER_LOST, _RESET,
    _WRITE_BACK, _READER_LOST, _RESET,
    _RESULT, _READER_LOST, _RESET,
    _FIGURES, _READER_LOST, _RESET,
    _REFUSAL, _READER_LOST, _RESET,
    _UNFINISHED, _READER_LOST, _RESET,
    _REMOVE, _READER_LOST, _RESET,
))  # fmt: skip


def step(state: int, event: int) -> int:
    """The state that follows. ValueError when the event cannot happen in this state: a bug, never input."""
    for i in range(0, len(_TABLE), 3):
        if _TABLE[i] == state and _TABLE[i + 1] == event:
            return _TABLE[i + 2]
    raise ValueError("card desk: event %d in state %d" % (event, state))


class CardDesk:
    def __init__(self, reader, books, panel, role_key):
        """role_key: the 16 bytes this meter's card keys are derived from, or None when it has none."""
        if role_key is not None and books.cfg.provisioned:
            if desfire.same(desfire.key_check(role_key), DEMO_KEY_CHECK):
                role_key = None
        if role_key is None:
            books.fault(codes.FAULT_KEYS, True)
        self._reader = reader
        self._books = books
        self._panel = panel
        self._role_key = role_key
        self._backoff_s = 0
        self.state = _RESET
        self._forget()
        self._lines = None
        self._do = (
            self._reset, self._wait, self._identify, self._read, self._account, self._write_back,
            self._result, self._figures, self._refusal, self._unfinished, self._remove,
        )  # fmt: skip

    def _forget(self):
        self._uid = NO_CARD
        self._sak = 0
        self._generation = 0
        self._card = None
        self._count = self._amount_micro = self._added_micro = 0

    async def run(self, beat):
        """The task. Card and reader errors are events; anything else is a bug and goes to the supervisor."""
        self.state = _RESET
        while True:
            beat()
            try:
                event = await self._do[self.state]()
            except CardError as e:
                event = self._card_failed(e)
            except (BusError, ChipError):
                event = self._reader_failed()
            self.state = step(self.state, event)

    # -- the reader -------------------------------------------------------------------------------

    async def _reset(self):
        await asyncio.sleep_ms(self._backoff_s * 1000)
        await self._reader.start()
        self._books.fault(codes.FAULT_CARD_READER, False)
        return _READER_OK

    def _reader_failed(self):
        # The back-off ends only when the reader has proved itself: a quiet half minute, or a card.
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S) or 1
        self._books.fault(codes.FAULT_CARD_READER, True)
        if _IDENTIFY <= self.state <= _WRITE_BACK:
            self._panel.say(card_refused(codes.CARD_READER), _REFUSAL_MS)
        elif self.state >= _RESULT:
            self._panel.unsay()
        return _READER_LOST

    async def _wait(self):
        self._forget()
        while True:
            found = await self._reader.wait_card(_HEALTH_MS)
            self._backoff_s = 0
            if found:
                self._uid, self._sak = found
                return _CARD_IN
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
        return _GENUINE

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
        return _JUDGED

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
        return _BOOKED

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
        return _WRITTEN

    def _card_failed(self, e):
        code = e.code
        if self.state == _WRITE_BACK:
            self._lines = cardpages.unfinished(self._books, self._added_micro)
            return _UNWRITTEN
        if code == codes.CARD_PULLED:
            self._lines = card_refused(code)
            return _PULLED
        if code:
            self._books.refuse_card(code)
            self._lines = card_refused(code)
        else:
            self._lines = cardpages.no_keys()
        return _REFUSED

    # -- what is said -----------------------------------------------------------------------------

    async def _result(self):
        self._panel.say(cardpages.result(self._books, self._added_micro), _RESULT_MS + _PRESENCE_MS)
        return await self._stay(_RESULT_MS)

    async def _figures(self):
        for n in range(cardpages.FIGURES):
            self._panel.say(cardpages.figure(self._books, n), _FIGURE_MS + _PRESENCE_MS)
            if await self._stay(_FIGURE_MS) == _GONE:
                self._panel.unsay()
                return _GONE
        return _TIME_UP

    async def _refusal(self):
        # Left standing when the card goes: who pulls it out still wants to know why.
        self._panel.say(self._lines, _REFUSAL_MS + _PRESENCE_MS)
        return await self._stay(_REFUSAL_MS)

    _unfinished = _refusal

    async def _remove(self):
        while True:
            self._panel.say(cardpages.remove(), _REMIND_MS + _PRESENCE_MS)
            if await self._stay(_REMIND_MS) == _GONE:
                self._panel.unsay()
                return _GONE

    async def _stay(self, limit_ms):
        """TIME_UP after limit_ms, or GONE once the card is out (or another one in)."""
        end = time.ticks_add(time.ticks_ms(), limit_ms)
        await self._reader.field_off()
        while True:
            left_ms = time.ticks_diff(end, time.ticks_ms())
            if left_ms <= 0:
                return _TIME_UP
            await asyncio.sleep_ms(min(_PRESENCE_MS, left_ms))
            # Looked for twice: one missed answer is no removal.
            if not await self._same_card() and not await self._same_card():
                return _GONE

    async def _same_card(self):
        found = await self._reader.look()
        return found is not None and found[0] == self._uid
