# SPDX-License-Identifier: Apache-2.0
"""The order on a utility card (commands/orders.py): read, and judged by commands/envelope.py. Loaded for that.

The fleet's utility key, which is in every meter, lets a card be read and no more. What is believed is what the
supplier's order key has signed: the head, and by its SHA-256 all of file 2, which may begin with a list of meters.
Nothing of the document is put in force before its last byte has been hashed.
"""

import hashlib
import struct
from binascii import crc32

from micropython import const

from meter import heap
from meter.books import visits
from meter.commands import envelope, orders
from meter.core import cmac, codes
from meter.core.errors import CardError
from meter.documents import keys_doc
from meter.drivers.desfire.card import READ_MAX
from meter.drivers.hd44780.lcd import CARD

_AID = b"\x02WP"
_KEY = const(1)
_HEAD = const(1)  # files
_DOCUMENT = const(2)
_N = const(136)  # an envelope and its CRC-32
_AT_ONCE = const(48)  # four numbers of the list


async def read(u) -> tuple:
    """Log in and return the order; its document is None when the flash does not take it. Raise CardError when the card
    is not to be served."""
    keys = u.desk.keys
    number = envelope.padded(u.books.cfg.meter_number)
    record = await _record(u)
    head = envelope.parse(record)
    _pass(envelope.refusal(head, keys, number))
    u.say((CARD + " Supplier's card", "", "Please wait ...", ""))
    if not await envelope.genuine(record, keys):
        raise CardError(codes.CARD_SIGNATURE, "head")
    _pass(envelope.unfit(head, keys, number, u.books.s.utility_serial, u.books.utc_s))
    sha = hashlib.sha256()
    if head[envelope.LISTED]:
        await _listed(u, sha, head, number)
    if envelope.is_work(head):
        _check(sha, head)
    visits.believed(u.books)
    return head[envelope.KIND], head[envelope.SERIAL], codes.BY_CARD, await _document(u, sha, head)


async def _record(u):
    card = u.card
    await card.select(_AID)
    await card.login(_KEY, cmac.derived(u.desk.keys[keys_doc.UTILITY], u.uid + _AID))
    record = bytearray()
    while len(record) < _N:
        record += await card.read(_HEAD, len(record), min(READ_MAX, _N - len(record)))
    seal = struct.unpack_from("<I", record, envelope.N)[0]
    if seal != crc32(record[: envelope.N], crc32(bytes((_HEAD,)))):
        raise CardError(codes.CARD_MALFORMED, "head")
    return record


def _pass(code):
    if code:
        raise CardError(code, "head")


def _check(sha, head):
    if sha.digest() != head[envelope.DIGEST]:
        raise CardError(codes.CARD_MALFORMED, "document")


async def _listed(u, sha, head, number):
    found = False
    end = envelope.list_n(head)
    for at in range(0, end, _AT_ONCE):
        part = await u.card.read(_DOCUMENT, at, min(_AT_ONCE, end - at))
        sha.update(part)
        found = found or envelope.is_listed(part, number)
    if not found:
        raise CardError(codes.CARD_FOREIGN, "list")


async def _document(u, sha, head):
    if envelope.is_work(head):
        return b""
    if head[envelope.KIND] <= orders.TARIFF:
        return await _staged(u, sha, head)
    parts = []
    await _read(u, sha, head, parts.append)
    return b"".join(parts)


async def _staged(u, sha, head):
    heap.borrow("staged")
    try:
        from meter.documents import files

        name = files.SETTINGS if head[envelope.KIND] == orders.SETTINGS else files.TARIFF
        f = files.stage(u.desk.root, name)
        try:
            return await _read(u, sha, head, f.write)
        finally:
            f.close()
    except OSError:
        return None
    finally:
        heap.give_back("staged")


async def _read(u, sha, head, take):
    """take(part) for each part of the document; return its CRC-32."""
    crc = 0
    end = head[envelope.LENGTH]
    for at in range(envelope.list_n(head), end, READ_MAX):
        part = await u.card.read(_DOCUMENT, at, min(READ_MAX, end - at))
        sha.update(part)
        crc = crc32(part, crc)
        take(part)
    _check(sha, head)
    return crc
