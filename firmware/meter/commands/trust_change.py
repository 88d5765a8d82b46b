# SPDX-License-Identifier: Apache-2.0
"""The supplier's new public keys, which sign from now on: purchases, and orders. Loaded with the order.

The order is signed by the order key in force. The new order key signs, too, so that a slip of the pen locks nobody out.
The keys before are good for nothing at once.

    u8  sale key's number      u8  order key's number      2 zeros
    32 bytes  sale key      32 bytes  order key
    64 bytes  signature by the new order key
"""

import struct

from micropython import const

from meter import heap
from meter.commands import orders, results
from meter.core import codes
from meter.core.errors import StorageError
from meter.documents import keys_doc, keystore

_N = const(132)
_PROVEN = const(68)
_PREFIX = b"PW keys\0"


async def do(books, keeper, order) -> tuple:
    """Return (DONE, 0), ALREADY, UNSTORED, why the keys are none to take, or REFUSED and a CARD_ code."""
    record = order[orders.DOCUMENT]
    if len(record) != _N:
        return results.REFUSED, codes.CARD_MALFORMED
    sale_no, order_no, spare, sale, public, proof = struct.unpack("<BBH32s32s64s", record)
    if not sale_no or not order_no or spare:
        return results.REFUSED, codes.CARD_MALFORMED
    keys = keeper.keys
    signers = sale_no, sale, order_no, public
    if signers == keys[keys_doc.SALE_NO : keys_doc.MADE]:
        return results.ALREADY, 0
    new = keys[: keys_doc.SALE_NO] + signers + (order[orders.SERIAL],)
    why = _misfit(keys, new) or await _unsound(sale, public, proof, record)
    if not why and books.cfg.provisioned and not keystore.fit(new, books.cfg.meter_number):
        why = results.WELL_KNOWN
    if why:
        books.log(codes.LOG_CARD_REFUSED, codes.CARD_MALFORMED)
        return why, 0
    try:
        keystore.put(keeper.root, new)
    except StorageError:
        return results.UNSTORED, 0
    keeper.keys = new
    books.log(codes.LOG_TRUST_CHANGED, sale_no << 8 | order_no)
    return results.DONE, 0


def _misfit(keys, new):
    """0, or what is wrong with keys and numbers among themselves."""
    if new[keys_doc.SALE] == new[keys_doc.ORDER]:
        return results.SAME_KEYS
    for no, key in ((keys_doc.SALE_NO, keys_doc.SALE), (keys_doc.ORDER_NO, keys_doc.ORDER)):
        # An order names its key by the number.
        if (new[no] == keys[no]) != (new[key] == keys[key]):
            return results.MISNUMBERED
    return 0


async def _unsound(sale, order, proof, record):
    """0, or which key can sign nothing."""
    heap.borrow("signature")
    try:
        from meter.commands import signature

        if not await signature.usable(sale):
            return results.NO_KEY
        if not await signature.good(order, proof, _PREFIX + record[:_PROVEN]):
            return results.UNPROVEN
    finally:
        heap.give_back("signature")
    return 0
