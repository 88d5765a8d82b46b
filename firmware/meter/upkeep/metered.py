# SPDX-License-Identifier: Apache-2.0
"""Does this start meter? Loaded until it does."""

import asyncio

from micropython import const

from meter import heap

_LOOK_MS = const(10_000)
_MOST = const(8)  # of ten seconds: a start that falls again and again has a few ticks done, too


async def watch(supervisor) -> None:
    """Wait until this start meters, and say so (upkeep/starts.py)."""
    books = supervisor.books
    try:
        while True:
            before_s = books.uptime_s
            await asyncio.sleep_ms(_LOOK_MS)
            if books.uptime_s - before_s >= _MOST:
                break
        _say(books)
    except Exception as e:
        supervisor.fell("starts", e)
    finally:
        heap.give_back("metered")


def _say(books):
    from meter.upkeep import starts

    starts.metered(books)
