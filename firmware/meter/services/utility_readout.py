# SPDX-License-Identifier: Apache-2.0
"""Read-out: the supplier's reader card collects what this meter's user card would carry back. Loaded with the card."""

from meter import heap
from meter.core import codes, keys_doc
from meter.core.errors import CardError
from meter.drivers.hd44780 import CARD

from . import utility


async def work(u) -> tuple:
    """(four rows, result)."""
    heap.borrow("household")
    try:
        return await _work(u)
    finally:
        heap.give_back("household")


async def _work(u):
    from . import cardfile

    books = u.books
    number = books.next_writeback()
    if not number:
        raise CardError(codes.CARD_STORAGE, "ledger")
    version = u.desk.keys[keys_doc.VERSION]
    if await u.answer(utility.DONE, cardfile.pack_writeback(books, number, version, cardfile.months(books))):
        return (CARD + " Meter read", "The card has it.", "", ""), utility.DONE
    return (CARD + " Meter not read", "The card is full:", "empty it at the", "office."), utility.FAILED
