# SPDX-License-Identifier: Apache-2.0
"""What came of a utility card, onto the card, for the office. Loaded for that."""

import struct
from binascii import crc32

from micropython import const

from meter.cards import supplier
from meter.core import codes
from meter.core.errors import CardError
from meter.drivers.desfire import card

_FILE = const(3)


async def write(u, result: int, more: bytes) -> bool:
    """False: there is no room for it."""
    books = u.books
    number = books.cfg.meter_number.encode()
    body = struct.pack("<12sIIBB6s", number, u.serial, books.utc_s or 0, u.kind, result, b"") + more
    body += struct.pack("<I", crc32(body, crc32(bytes((_FILE,)))))
    try:
        for at in range(0, len(body), card.WRITE_MAX):
            await u.card.write_record(_FILE, at, body[at : at + card.WRITE_MAX])
        await u.card.commit()
    except CardError as e:
        # After a change of keys the card cannot come again: it is not pulled too soon.
        if e.code != codes.CARD_MALFORMED and u.kind not in (supplier.KEYS, supplier.TRUST):
            raise
        return False
    return True
