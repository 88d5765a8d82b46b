# SPDX-License-Identifier: Apache-2.0
"""New keys for this meter, from the supplier's key change card. Loaded with the card.

They come enciphered and sealed with keys derived from the card key this meter has: nobody else can read or make
them. The keys before stay good for cards that have not been to the shop since. keys.json is replaced whole.

    12 bytes  meter number      u8  version      3 zeros      u32  serial, as in the head
    32 bytes  AES-128-CBC of the new card key and utility key, IV 0
    16 bytes  CMAC over all before
"""

import json
import struct

import cryptolib
from micropython import const

from meter.core import codes
from meter.core.errors import CardError, StorageError
from meter.drivers import desfire
from meter.drivers.hd44780 import CARD
from meter.storage import documents

from . import utility

_N = const(68)
_SEALED = const(52)
_NAME = "keys.json"


async def work(u) -> tuple:
    """(four rows, result)."""
    parts = []
    await u.document(parts.append)
    record = b"".join(parts)
    number = u.books.cfg.meter_number.encode()
    keys = u.desk.keys
    if len(record) != _N:
        raise CardError(codes.CARD_MALFORMED, "keys")
    for key in (keys[1], keys[3]):
        seal = key and desfire.Cmac(desfire.derived(key, b"SEAL" + number)).mac(record[:_SEALED])
        if seal and desfire.same(seal, record[_SEALED:]):
            break
    else:
        raise CardError(codes.CARD_AUTH, "seal")
    owner, version, serial = struct.unpack("<12sB3xI", record[:20])
    if owner.rstrip(b"\0") != number or serial != u.serial or not version:
        raise CardError(codes.CARD_MALFORMED, "keys")
    both = cryptolib.aes(desfire.derived(key, b"WRAP" + number), 2, bytes(16)).decrypt(record[20:_SEALED])
    card_key, utility_key = both[:16], both[16:]
    if desfire.same(card_key + utility_key, keys[1] + keys[2]):
        return (CARD + " Keys", "Nothing to change:", "in force already.", ""), utility.ALREADY
    new = (version, card_key, utility_key, keys[1], keys[2])
    try:
        f = documents.stage(u.desk.root, _NAME)
        try:
            f.write(json.dumps(_document(new, keys[0])).encode())
        finally:
            f.close()
        documents.replace(u.desk.root, _NAME, True)
    except (OSError, StorageError):
        return (CARD + " Keys", "Memory fault:", "nothing was changed.", "Call your supplier"), utility.FAILED
    u.desk.keys = new
    u.books.log(codes.LOG_KEYS_CHANGED, version)
    return (CARD + " Keys changed", "", "", ""), utility.DONE


def _document(keys, version_before):
    version, card_key, utility_key, card_before, utility_before = keys
    return {
        "version": version,
        "card_key": card_key.hex(),
        "utility_key": utility_key.hex(),
        "previous": {"version": version_before, "card_key": card_before.hex(), "utility_key": utility_before.hex()},
    }
