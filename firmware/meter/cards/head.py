# SPDX-License-Identifier: Apache-2.0
"""The head of a utility card: whose it is, for which meters, and whether it is to be served. Loaded with the card.

The fleet's utility key, which is in every meter, lets a card be read and no more. What is believed is what the
supplier's order key has signed: the head, and by its SHA-256 all of file 2. File 2 may begin with a list of meters.
"""

import hashlib
import struct
from binascii import crc32

from micropython import const

from meter import heap
from meter.cards import supplier
from meter.core import codes, serials
from meter.core.errors import CardError
from meter.documents import keys_doc
from meter.drivers.desfire import card as desfire
from meter.drivers.hd44780.lcd import CARD

_KEY = const(1)
_FILE = const(1)
_N = const(136)
_SIGNED = const(68)
_SEAL_AT = const(132)
_FORMAT = "<BBHIBBH12s12s32s"  # version, kind, bytes in file 2, serial, listed, order key, 0, first, last, SHA-256
_VERSION = const(3)
_MAX = const(3072)
_LISTED_MAX = const(100)
_NUMBER_N = const(12)
_AT_ONCE = const(48)  # four numbers of the list
_PREFIX = b"PW order\0"


async def read(u) -> None:
    """Log in, read the head, and say of u what it asks for. Raise CardError when it is not to be served."""
    card = u.card
    await card.select(supplier.AID)
    await card.login(_KEY, desfire.derived(u.desk.keys[keys_doc.UTILITY], u.uid + supplier.AID))
    record = bytearray()
    while len(record) < _N:
        record += await card.read(_FILE, len(record), min(desfire.READ_MAX, _N - len(record)))
    version, u.kind, u.length, u.serial, listed, key_no, spare, first, last, u.digest = struct.unpack(
        _FORMAT, record[:_SIGNED]
    )
    sealed = struct.unpack_from("<I", record, _SEAL_AT)[0] == crc32(record[:_SEAL_AT], crc32(bytes((_FILE,))))
    if not sealed or version != _VERSION or not supplier.SETTINGS <= u.kind <= supplier.TRUST:
        raise CardError(codes.CARD_MALFORMED, "head")
    if key_no != u.desk.keys[keys_doc.ORDER_NO]:
        raise CardError(codes.CARD_KEY_OLD, "key")
    number = u.books.cfg.meter_number.encode()
    number += bytes(_NUMBER_N - len(number))
    if not _within(number, first, last):
        raise CardError(codes.CARD_FOREIGN, "number")
    u.say((CARD + " Supplier's card", "", "Please wait ...", ""))
    await _signed(u, record)
    u.begins = _NUMBER_N * listed
    is_order = supplier.KEYS < u.kind < supplier.TRUST
    fits = u.length == u.begins if is_order else u.begins <= u.length <= _MAX
    if spare or listed > _LISTED_MAX or not fits or (u.kind == supplier.KEYS and (first != number or last != number)):
        raise CardError(codes.CARD_MALFORMED, "head")
    _timely(u, is_order)
    u.hash = hashlib.sha256()
    if listed:
        await _listed(u, number)
    if is_order and u.hash.digest() != u.digest:
        raise CardError(codes.CARD_MALFORMED, "list")


def _within(number, first, last):
    """Is the meter one of these? Both zeros: any. Of numbers that are not as long as each other none is between."""
    if not any(first) and not any(last):
        return True
    n = len(number.rstrip(b"\0"))
    return len(first.rstrip(b"\0")) == n == len(last.rstrip(b"\0")) and first <= number <= last


async def _signed(u, record):
    """Nothing else of the card is believed before this."""
    public = u.desk.keys[keys_doc.ORDER]
    heap.borrow("signature")
    try:
        from meter.commands import signature

        if not await signature.good(public, record[_SIGNED:_SEAL_AT], _PREFIX + bytes(record[:_SIGNED])):
            raise CardError(codes.CARD_SIGNATURE, "head")
    finally:
        heap.give_back("signature")


def _timely(u, is_order):
    keys = u.desk.keys
    newest = u.books.s.utility_serial
    if u.kind in (supplier.KEYS, supplier.TRUST):
        newest = max(newest, keys[keys_doc.MADE])  # the change before may have been cut off from the ledger
    code = serials.judge(u.serial, newest, keys[keys_doc.MADE], u.books.utc_s, is_order)
    if code:
        raise CardError(code, "serial")


async def _listed(u, number):
    found = False
    for at in range(0, u.begins, _AT_ONCE):
        part = await u.card.read(supplier.DOCUMENT, at, min(_AT_ONCE, u.begins - at))
        u.hash.update(part)
        for i in range(0, len(part), _NUMBER_N):
            found = found or part[i : i + _NUMBER_N] == number
    if not found:
        raise CardError(codes.CARD_FOREIGN, "list")
