# SPDX-License-Identifier: Apache-2.0
"""Relay test: supply goes off, is sensed to be off, and comes back. Loaded with the card.

The guard does it, as for any reason to be off; this only asks for it and looks. A cut in the middle leaves nothing
behind: the wish is not in the ledger.
"""

import asyncio

from micropython import const

from meter.cards import supplier
from meter.core import codes
from meter.drivers.hd44780.lcd import CARD

_OFF_MS = const(2000)
_LOOK_MS = const(100)
_PATIENCE_MS = const(5000)


async def work(u) -> tuple:
    """(four rows, result)."""
    books = u.books
    u.say((CARD + " Relay test", "Supply goes off for", "two seconds.", ""))
    try:
        books.test_relay(True)
        opened = await _becomes(books, 0)
        await asyncio.sleep_ms(_OFF_MS)
    finally:
        books.test_relay(False)
    closed = await _becomes(books, books.wants_closed())
    books.log(codes.LOG_RELAY_TEST, opened + 2 * closed)
    if opened and closed:
        return (CARD + " Relay test", "Passed.", "", ""), supplier.DONE
    what = "does not open" if not opened else "does not close"
    return (CARD + " Relay test", "Failed: the relay", what, "Call your supplier"), supplier.FAILED


async def _becomes(books, position) -> bool:
    for _ in range(_PATIENCE_MS // _LOOK_MS):
        if books.s.relay_closed == position:
            return True
        await asyncio.sleep_ms(_LOOK_MS)
    return False
