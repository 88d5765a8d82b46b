# SPDX-License-Identifier: Apache-2.0
"""Read-out: the supplier's reader card collects what this meter's user card would carry back. Loaded with the card."""

from meter.cards import records, supplier
from meter.core import codes
from meter.core.errors import CardError
from meter.documents import keys_doc
from meter.drivers.hd44780.lcd import CARD


async def work(u) -> tuple:
    """(four rows, result)."""
    books = u.books
    number = books.next_writeback()
    if not number:
        raise CardError(codes.CARD_STORAGE, "ledger")
    version = u.desk.keys[keys_doc.VERSION]
    if await u.answer(supplier.DONE, records.pack_writeback(books, number, version, records.months(books))):
        return (CARD + " Meter read", "The card has it.", "", ""), supplier.DONE
    return (CARD + " Meter not read", "The card is full:", "empty it at the", "office."), supplier.FAILED
