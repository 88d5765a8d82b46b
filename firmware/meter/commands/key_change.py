# SPDX-License-Identifier: Apache-2.0
"""New card and utility key for this meter, from the supplier. Loaded with the order.

They come enciphered with a key derived from the card key in force: nobody else can read them. The order key's
signature says that they are the supplier's. The card key before stays good for the household's card, to be renewed.

    u8  version      u8  version it replaces      2 zeros
    32 bytes  AES-128-CBC of the new card key and utility key, IV: serial, 12 zeros
"""

import struct

import cryptolib
from micropython import const

from meter.commands import orders, results
from meter.core import cmac, codes
from meter.core.errors import StorageError
from meter.documents import keys_doc, keystore

_N = const(36)
_DAY_S = const(86_400)
_LIVES_DAYS = const(400)  # the key before


def do(books, keeper, order) -> tuple:
    """Return (DONE, 0), ALREADY, WELL_KNOWN, UNSTORED, or REFUSED and a CARD_ code."""
    record = order[orders.DOCUMENT]
    serial = order[orders.SERIAL]
    keys = keeper.keys
    version = record[0] if len(record) == _N else 0
    if not version or any(record[2:4]):
        return results.REFUSED, codes.CARD_MALFORMED
    # A version has one set of masters, and they give this meter one key.
    if version == keys[keys_doc.VERSION]:
        return results.ALREADY, 0
    if record[1] != keys[keys_doc.VERSION]:
        return results.REFUSED, codes.CARD_KEY_OLD  # deciphered with another key they would be no keys
    number = books.cfg.meter_number.encode()
    wrap = cmac.derived(keys[keys_doc.CARD], b"WRAP" + number)
    both = cryptolib.aes(wrap, 2, struct.pack("<I12x", serial)).decrypt(record[4:])
    until = books.utc_s // _DAY_S + _LIVES_DAYS if books.utc_s else 0
    before = keys[keys_doc.CARD], keys[keys_doc.VERSION], until
    new = (version, both[:16], both[16:]) + before + keys[keys_doc.SALE_NO : keys_doc.MADE] + (serial,)
    if books.cfg.provisioned and not keystore.fit(new, books.cfg.meter_number):
        return results.WELL_KNOWN, 0
    try:
        keystore.put(keeper.root, new)
    except StorageError:
        return results.UNSTORED, 0
    keeper.keys = new
    books.log(codes.LOG_KEYS_CHANGED, version)
    return results.DONE, 0
