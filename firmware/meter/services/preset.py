# SPDX-License-Identifier: Apache-2.0
"""The supplier's preset card: a settings or tariff document for any meter it is shown to. Loaded with the card.

A DESFire application of its own, so no user card is ever taken for one. Key 1 is diversified from the meter's
role key as a user card's, with a byte no meter number has in place of the number. All reads are MACed.

    file 1, backup    u8 version 1, u8 kind (1 settings, 2 tariff), u16 length of the document, u32 CRC-32 of it,
                      u32 CRC-32 of the file's number and all before
    file 2, standard  the document, JSON, at most 3072 bytes
"""

import struct
from binascii import crc32

from micropython import const

from meter.core import codes
from meter.core.errors import CardError, ConfigError, StorageError
from meter.drivers import desfire
from meter.drivers.hd44780 import CARD
from meter.storage import documents

from . import change

AID = b"\x02WP"
ROLE = b"\x02"
_KEY = const(1)
_HEAD = const(1)
_DOCUMENT = const(2)
_HEAD_N = const(12)


async def serve(card, uid: bytes, role_key, books, say) -> tuple:
    """Read the card and do what it says; gives four rows for the display. say(rows): shown meanwhile.

    Raises CardError for a card that is none, or damaged, or gone; BusError.
    """
    await card.select(AID)
    await card.login(_KEY, desfire.diversified(role_key, uid, AID, ROLE))
    record = await card.read(_HEAD, 0, _HEAD_N)
    version, kind, n, crc, own = struct.unpack("<BBHII", record)
    if own != crc32(record[:8], crc32(bytes((_HEAD,)))) or version != 1 or not 1 <= kind <= 2 or n > change.MAX:
        raise CardError(codes.CARD_MALFORMED, "head")
    say((CARD + " Supplier's card", "", "Please wait ...", ""))
    what, name = ("Settings", change.SETTINGS) if kind == 1 else ("Tariff", change.TARIFF)
    try:
        got = 0
        f = documents.stage("", name)
        try:
            for at in range(0, n, desfire.READ_MAX):
                part = await card.read(_DOCUMENT, at, min(desfire.READ_MAX, n - at))
                got = crc32(part, got)
                f.write(part)
        finally:
            f.close()
        if got != crc:
            raise CardError(codes.CARD_MALFORMED, "document")
        done = change.change(books, name, crc, codes.BY_CARD)
    except ConfigError as e:
        return (CARD + " " + what + " refused", e.path[:20]) + _rows(e.args[1])
    except (OSError, StorageError):
        return CARD + " " + what, "Memory fault:", "nothing was changed.", "Call your supplier"
    if kind == 2 and done:
        return CARD + " Tariff changed", books.tariff.name, "is in force.", ""
    if not done:
        return CARD + " " + what, "Nothing to change:", "in force already.", ""
    if done == 1:
        return CARD + " Settings changed", "They are in force.", "", ""
    return CARD + " Settings changed", "Some need a restart:", "switch off and on.", ""


def _rows(text):
    """The beginning of a sentence, in two rows, broken between words."""
    rows = ["", ""]
    i = 0
    for word in text.split(" "):
        if len(rows[i]) + len(word) + 1 > 20 and rows[i]:
            i += 1
            if i == 2:
                break
        rows[i] += (" " if rows[i] else "") + word
    return rows[0], rows[1]
