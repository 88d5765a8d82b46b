# SPDX-License-Identifier: Apache-2.0
"""Relay test: supply goes off, is sensed to be off, and comes back. Loaded with the order.

The guard does it, as for any reason to be off; this only asks for it and looks. A cut in the middle leaves nothing
to mend: the wish is not in the ledger.
"""

import asyncio

from micropython import const

from meter.books import visits
from meter.commands import results
from meter.core import codes

_OFF_MS = const(2000)
_LOOK_MS = const(100)
_PATIENCE_MS = const(5000)


async def do(books) -> tuple:
    """Return (DONE, STUCK_CLOSED or STUCK_OPEN, 0)."""
    try:
        visits.test_relay(books, True)
        opened = await _becomes(books, 0)
        await asyncio.sleep_ms(_OFF_MS)
    finally:
        visits.test_relay(books, False)
    closed = await _becomes(books, books.wants_closed())
    books.log(codes.LOG_RELAY_TEST, opened + 2 * closed)
    if not opened:
        return results.STUCK_CLOSED, 0
    return results.DONE if closed else results.STUCK_OPEN, 0


async def _becomes(books, position) -> bool:
    for _ in range(_PATIENCE_MS // _LOOK_MS):
        if books.s.relay_closed == position:
            return True
        await asyncio.sleep_ms(_LOOK_MS)
    return False
