# SPDX-License-Identifier: Apache-2.0
"""The answer to an order, as it goes onto the card for the office. Loaded for that."""

import struct
from binascii import crc32

from micropython import const

from meter import heap
from meter.commands import orders, results
from meter.core import codes
from meter.core.errors import CardError
from meter.documents import keys_doc
from meter.drivers.desfire import card

_FILE = const(3)


async def write(u, order, result: int, value) -> bool:
    """Return True when it is on the card, False when the card has no room for it. value: of a read-out, its number."""
    books = u.books
    number = books.cfg.meter_number.encode()
    kind = order[orders.KIND]
    outcome = result & results.OUTCOME
    body = struct.pack("<12sIIBB6s", number, order[orders.SERIAL], books.utc_s or 0, kind, outcome, b"")
    if kind == orders.READ_OUT:
        body += _report(books, value, u.desk.keys[keys_doc.VERSION])
    body += struct.pack("<I", crc32(body, crc32(bytes((_FILE,)))))
    try:
        for at in range(0, len(body), card.WRITE_MAX):
            await u.card.write_record(_FILE, at, body[at : at + card.WRITE_MAX])
        await u.card.commit()
    except CardError as e:
        # After a change of keys the card cannot come again: it is not pulled too soon.
        if e.code != codes.CARD_MALFORMED and kind not in (orders.KEYS, orders.TRUST):
            raise
        return False
    return True


def _report(books, number, key_version):
    """What the household's card would carry back."""
    heap.borrow("household")
    try:
        from meter.cards import records

        return records.pack_writeback(books, number, key_version, records.months(books))
    finally:
        heap.give_back("household")
