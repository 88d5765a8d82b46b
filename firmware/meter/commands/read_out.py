# SPDX-License-Identifier: Apache-2.0
"""Read-out: the supplier's reader card collects what this meter's user card would carry back. Loaded with the card."""

from meter import heap
from meter.books import visits
from meter.cards import supplier
from meter.core import codes
from meter.core.errors import CardError
from meter.documents import keys_doc
from meter.drivers.hd44780.lcd import CARD


async def work(u) -> tuple:
    """(four rows, result)."""
    heap.borrow("household")
    try:
        return await _work(u)
    finally:
        heap.give_back("household")


async def _work(u):
    from meter.cards import records

    books = u.books
    number = visits.next_writeback(books)
    if not number:
        raise CardError(codes.CARD_STORAGE, "ledger")
    version = u.desk.keys[keys_doc.VERSION]
    if await u.answer(supplier.DONE, records.pack_writeback(books, number, version, records.months(books))):
        return (CARD + " Meter read", "The card has it.", "", ""), supplier.DONE
    return (CARD + " Meter not read", "The card is full:", "empty it at the", "office."), supplier.FAILED
