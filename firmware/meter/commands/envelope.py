# SPDX-License-Identifier: Apache-2.0
"""The signed head of an order: what it asks for, for which meters, made when. Pure, but for the signature.

    u8  version     u8  kind     u16  bytes that come with it     u32  serial     u8  meters listed     u8  order key
    2 zeros     12 bytes  first meter     12 bytes  last meter     32 bytes  SHA-256 of what comes with it
    64 bytes  signature by the order key

With it come a list of meters, 12 bytes each, and the order's document. Its carrier reads both (a card:
cards/order.py), asks refusal(), genuine() and unfit() in this order, and believes nothing before genuine().
"""

import struct

from micropython import const

from meter import heap
from meter.commands import orders
from meter.core import codes, serials
from meter.documents import keys_doc

N = const(132)
_NUMBER_N = const(12)  # bytes of a meter number
_SIGNED = const(68)
_FORMAT = "<BBHIBBH12s12s32s"
_VERSION = const(3)
_MAX = const(3072)
_LISTED_MAX = const(100)
_PREFIX = b"PW order\0"

# Positions of a head.
_IS = const(0)  # its version
KIND = const(1)
LENGTH = const(2)  # bytes of list and document
SERIAL = const(3)
LISTED = const(4)
_KEY_NO = const(5)
_SPARE = const(6)
_FIRST = const(7)
_LAST = const(8)
DIGEST = const(9)


def parse(record) -> tuple:
    """Return the head, by the positions above, of its N bytes. Nothing is checked."""
    return struct.unpack(_FORMAT, record[:_SIGNED])


def padded(meter_number: str) -> bytes:
    """Return a meter number as it is in heads and lists."""
    number = meter_number.encode()
    return number + bytes(_NUMBER_N - len(number))


def refusal(head, keys, number: bytes) -> int:
    """Return 0 when it may be for this meter and signed with a key it knows, else a CARD_ code. number: padded()."""
    if head[_IS] != _VERSION or not orders.SETTINGS <= head[KIND] <= orders.TRUST:
        return codes.CARD_MALFORMED
    if head[_KEY_NO] != keys[keys_doc.ORDER_NO]:
        return codes.CARD_KEY_OLD
    return 0 if _within(number, head[_FIRST], head[_LAST]) else codes.CARD_FOREIGN


def _within(number, first, last):
    """Is the meter one of these? Both zeros: any. Of numbers that are not as long as each other none is between."""
    if not any(first) and not any(last):
        return True
    n = len(number.rstrip(b"\0"))
    return len(first.rstrip(b"\0")) == n == len(last.rstrip(b"\0")) and first <= number <= last


async def genuine(record, keys) -> bool:
    """Has the supplier signed these N bytes?"""
    heap.borrow("signature")
    try:
        from meter.commands import signature

        return await signature.good(keys[keys_doc.ORDER], record[_SIGNED:N], _PREFIX + bytes(record[:_SIGNED]))
    finally:
        heap.give_back("signature")


def is_work(head) -> bool:
    """Does it ask for work alone, with no document to come and no serial to leave?"""
    return orders.KEYS < head[KIND] < orders.TRUST


def list_n(head) -> int:
    """Return the bytes of the list of meters; the document comes after it."""
    return _NUMBER_N * head[LISTED]


def unfit(head, keys, number: bytes, newest: int, utc_s) -> int:
    """Return 0 when it holds together and its serial may be taken, else a CARD_ code.

    newest: serial in the ledger. utc_s: None without a valid clock.
    """
    kind = head[KIND]
    work = is_work(head)
    fits = head[LENGTH] == list_n(head) if work else list_n(head) <= head[LENGTH] <= _MAX
    if head[_SPARE] or head[LISTED] > _LISTED_MAX or not fits:
        return codes.CARD_MALFORMED
    if kind == orders.KEYS and not head[_FIRST] == number == head[_LAST]:
        return codes.CARD_MALFORMED
    if kind in (orders.KEYS, orders.TRUST):
        newest = max(newest, keys[keys_doc.MADE])  # the change before may have been cut off from the ledger
    return serials.judge(head[SERIAL], newest, keys[keys_doc.MADE], utc_s, work)


def is_listed(part: bytes, number: bytes) -> bool:
    """Is the meter in this part of the list, of whole numbers?"""
    for i in range(0, len(part), _NUMBER_N):
        if part[i : i + _NUMBER_N] == number:
            return True
    return False
