# SPDX-License-Identifier: Apache-2.0
"""New card and utility key for this meter, from the supplier's key change card. Loaded with the card.

They come enciphered with a key derived from the card key in force: nobody else can read them. The order key's
signature says that they are the supplier's. The card key before stays good for the household's card, to be renewed.

    u8  version      u8  version it replaces      2 zeros
    32 bytes  AES-128-CBC of the new card key and utility key, IV: serial, 12 zeros
"""

import struct

import cryptolib
from micropython import const

from meter.cards import supplier
from meter.core import codes
from meter.core.errors import CardError, StorageError
from meter.documents import keys_doc, keystore
from meter.drivers.desfire import card
from meter.drivers.hd44780.lcd import CARD

_N = const(36)
_DAY_S = const(86_400)
_LIVES_DAYS = const(400)  # the key before


async def work(u) -> tuple:
    """(four rows, result)."""
    parts = []
    await u.document(parts.append)
    record = b"".join(parts)
    keys = u.desk.keys
    version = record[0] if len(record) == _N else 0
    if not version or any(record[2:4]):
        raise CardError(codes.CARD_MALFORMED, "keys")
    # A version has one set of masters, and they give this meter one key.
    if version == keys[keys_doc.VERSION]:
        return (CARD + " Keys", "Nothing to change:", "in force already.", ""), supplier.ALREADY
    if record[1] != keys[keys_doc.VERSION]:
        raise CardError(codes.CARD_KEY_OLD, "keys")  # deciphered with another key they would be no keys
    number = u.books.cfg.meter_number.encode()
    wrap = card.derived(keys[keys_doc.CARD], b"WRAP" + number)
    both = cryptolib.aes(wrap, 2, struct.pack("<I12x", u.serial)).decrypt(record[4:])
    utc_s = u.books.utc_s
    until = utc_s // _DAY_S + _LIVES_DAYS if utc_s else 0
    before = keys[keys_doc.CARD], keys[keys_doc.VERSION], until
    new = (version, both[:16], both[16:]) + before + keys[keys_doc.SALE_NO : keys_doc.MADE] + (u.serial,)
    if u.books.cfg.provisioned and not keystore.fit(new, u.books.cfg.meter_number):
        return (
            CARD + " Keys refused:",
            "They are well known.",
            "Nothing was changed.",
            "Make the card anew.",
        ), supplier.REFUSED
    try:
        keystore.put(u.desk.root, new)
    except StorageError:
        return (CARD + " Keys", "Memory fault:", "nothing was changed.", "Call your supplier"), supplier.FAILED
    u.desk.keys = new
    u.books.log(codes.LOG_KEYS_CHANGED, version)
    return (CARD + " Keys changed", "", "", ""), supplier.DONE
