# SPDX-License-Identifier: Apache-2.0
"""Utility cards: what the supplier's people carry from meter to meter. Loaded with the card.

A DESFire application of its own, so no user card is ever taken for one; its meter key comes of the fleet's utility
key. What each kind does is a workflow of its own:

    1 settings, 2 tariff   utility_document.py
    3 key change           utility_keys.py
    4 relay test           utility_relay.py
    5 read-out             utility_readout.py
    6 cover reset          utility_cover.py

Kinds 1 to 3 change what the meter is, so an old card must not bring back what was: the ledger keeps the serial
number of the newest one, and an older one is refused. What came of it goes onto the card, for the office; a card
without room for that has still done its work. Files, byte by byte: storage/FORMAT.md.
"""

import struct
from binascii import crc32

from micropython import const

from meter import unload
from meter.core import codes
from meter.core.errors import CardError
from meter.drivers import desfire
from meter.drivers.hd44780 import CARD

from . import carddesk_states
from .cardguest import Guest

AID = b"\x02WP"
_KEY = const(1)
_HEAD = const(1)
_DOCUMENT = const(2)
_ANSWERS = const(3)
_SERVING_MS = const(15_000)
_HEAD_N = const(32)
_HEAD_FORMAT = "<BBHII12sI"  # version, kind, document's length, serial, its CRC, meter number, 0
_VERSION = const(2)
DOCUMENT_MAX = const(3072)

SETTINGS = const(1)
TARIFF = const(2)
KEYS = const(3)
_RELAY = const(4)
_READ_OUT = const(5)
_COVER = const(6)

# What came of it.
DONE = const(0)
ALREADY = const(1)
WITH_START = const(2)
FAILED = const(3)
REFUSED = const(4)


class Utility(Guest):
    """One utility card being served. For its workflow: all without _."""

    kind = length = serial = crc = 0

    def do(self, state: int):
        """To await: do what the card asks for. Gives the event. CardError, BusError and ChipError go to the desk."""
        return self._serve()

    async def _serve(self):
        await self._login()
        record = await self.card.read(_HEAD, 0, _HEAD_N)
        version, self.kind, self.length, self.serial, self.crc, number, spare = struct.unpack(_HEAD_FORMAT, record[:28])
        sealed = struct.unpack("<I", record[28:])[0] == crc32(record[:28], crc32(bytes((_HEAD,))))
        if not sealed or version != _VERSION or spare or self.length > DOCUMENT_MAX:
            raise CardError(codes.CARD_MALFORMED, "head")
        number = number.rstrip(b"\0")
        if number and number != self.books.cfg.meter_number.encode():
            raise CardError(codes.CARD_FOREIGN, "number")
        if self.kind <= KEYS and self.serial < self.books.s.utility_serial:
            raise CardError(codes.CARD_OUTDATED, "serial")
        self.say((CARD + " Supplier's card", "", "Please wait ...", ""))
        self.books.s.lock = 0
        rows, result = await self._work()
        if self.kind <= KEYS and result <= WITH_START:
            self.books.utility_card(self.serial)
        if self.kind != _READ_OUT:
            await self.answer(result)
        self.rows = rows
        return carddesk_states.SERVED

    async def _login(self):
        card = self.card
        data = self.uid + AID
        await card.select(AID)
        try:
            await card.login(_KEY, desfire.derived(self.desk.keys[2], data))
        except CardError as e:
            if e.code != codes.CARD_AUTH or not self.desk.keys[4]:
                raise
            await card.select(AID)
            await card.login(_KEY, desfire.derived(self.desk.keys[4], data))

    async def _work(self):
        kind = self.kind
        if kind in (SETTINGS, TARIFF):
            from . import utility_document

            try:
                return await utility_document.work(self)
            finally:
                unload("services.utility_document", "services.change", "storage.documents", "core.config")
        if kind == KEYS:
            from . import utility_keys

            try:
                return await utility_keys.work(self)
            finally:
                unload("services.utility_keys", "storage.documents")
        if kind == _RELAY:
            from . import utility_relay

            try:
                return await utility_relay.work(self)
            finally:
                unload("services.utility_relay")
        if kind == _READ_OUT:
            from . import utility_readout

            try:
                return await utility_readout.work(self)
            finally:
                unload("services.utility_readout")
        if kind == _COVER:
            from . import utility_cover

            try:
                return await utility_cover.work(self)
            finally:
                unload("services.utility_cover")
        raise CardError(codes.CARD_MALFORMED, "kind")

    def say(self, rows) -> None:
        """Shown while the card is served."""
        self.desk.panel.say(rows, _SERVING_MS)

    async def document(self, take) -> None:
        """take(part) for each part of the document. Raises CardError when it is not what the head says."""
        got = 0
        for at in range(0, self.length, desfire.READ_MAX):
            part = await self.card.read(_DOCUMENT, at, min(desfire.READ_MAX, self.length - at))
            got = crc32(part, got)
            take(part)
        if got != self.crc:
            raise CardError(codes.CARD_MALFORMED, "document")

    async def answer(self, result: int, more: bytes = b"") -> bool:
        """Write what came of it onto the card. False: there is no room for it."""
        books = self.books
        number = books.cfg.meter_number.encode()
        body = struct.pack("<12sIIBB6s", number, self.serial, books.utc_s or 0, self.kind, result, b"") + more
        body += struct.pack("<I", crc32(body, crc32(bytes((_ANSWERS,)))))
        try:
            for at in range(0, len(body), desfire.WRITE_MAX):
                await self.card.write_record(_ANSWERS, at, body[at : at + desfire.WRITE_MAX])
            await self.card.commit()
        except CardError as e:
            if e.code != codes.CARD_MALFORMED:
                raise
            return False
        return True
