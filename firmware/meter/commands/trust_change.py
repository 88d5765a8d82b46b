# SPDX-License-Identifier: Apache-2.0
"""The supplier's new public keys, which sign from now on: purchases, and utility cards. Loaded with the card.

The card is signed by the order key in force. The new order key signs, too, so that a slip of the pen locks nobody out.
The keys before are good for nothing at once.

    u8  sale key's number      u8  order key's number      2 zeros
    32 bytes  sale key      32 bytes  order key
    64 bytes  signature by the new order key
"""

import struct

from micropython import const

from meter import heap
from meter.cards import supplier
from meter.core import codes
from meter.core.errors import CardError, StorageError
from meter.documents import keys_doc, keystore
from meter.drivers.hd44780.lcd import CARD

_N = const(132)
_PROVEN = const(68)
_PREFIX = b"PW keys\0"


async def work(u) -> tuple:
    """(four rows, result)."""
    parts = []
    await u.document(parts.append)
    record = b"".join(parts)
    if len(record) != _N:
        raise CardError(codes.CARD_MALFORMED, "trust")
    sale_no, order_no, spare, sale, order, proof = struct.unpack("<BBH32s32s64s", record)
    if not sale_no or not order_no or spare:
        raise CardError(codes.CARD_MALFORMED, "trust")
    keys = u.desk.keys
    signers = sale_no, sale, order_no, order
    if signers == keys[keys_doc.SALE_NO : keys_doc.MADE]:
        return (CARD + " Supplier's keys", "Nothing to change:", "in force already.", ""), supplier.ALREADY
    new = keys[: keys_doc.SALE_NO] + signers + (u.serial,)
    why = _refusal(keys, new) or await _unsound(sale, order, proof, record)
    if not why and u.books.cfg.provisioned and not keystore.fit(new, u.books.cfg.meter_number):
        why = "They are well known."
    if why:
        u.books.log(codes.LOG_CARD_REFUSED, codes.CARD_MALFORMED)
        return (CARD + " Supplier's keys", why, "Nothing was changed.", "Make the card anew."), supplier.REFUSED
    try:
        keystore.put(u.desk.root, new)
    except StorageError:
        return (
            CARD + " Supplier's keys",
            "Memory fault:",
            "nothing was changed.",
            "Call your supplier",
        ), supplier.FAILED
    u.desk.keys = new
    u.books.log(codes.LOG_TRUST_CHANGED, sale_no << 8 | order_no)
    return (CARD + " Supplier's keys", "changed.", "Cards signed before", "are not valid now."), supplier.DONE


def _refusal(keys, new):
    if new[keys_doc.SALE] == new[keys_doc.ORDER]:
        return "Both are the same."
    for no, key in ((keys_doc.SALE_NO, keys_doc.SALE), (keys_doc.ORDER_NO, keys_doc.ORDER)):
        # Cards name a key by its number.
        if (new[no] == keys[no]) != (new[key] == keys[key]):
            return "Number does not fit."
    return ""


async def _unsound(sale, order, proof, record):
    heap.borrow("signature")
    try:
        from meter.commands import signature

        if not await signature.usable(sale):
            return "Sale key is no key."
        if not await signature.good(order, proof, _PREFIX + record[:_PROVEN]):
            return "Order key unproven."
    finally:
        heap.give_back("signature")
    return ""
