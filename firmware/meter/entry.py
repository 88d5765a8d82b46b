# SPDX-License-Identifier: Apache-2.0
"""From main.py to the running tasks, and what comes of a start that falls."""

import asyncio
import gc

from micropython import const

from meter import heap

_THRESHOLD = const(16384)  # three or four ticks of what they leave behind; at 32 KB a piece of heap goes missing


def run() -> None:
    """Does not return, unless Ctrl-C is typed."""
    try:
        asyncio.run(_main())
    except KeyboardInterrupt:
        from meter.upkeep import starts  # not borrowed: nothing runs any more

        starts.stopped()
    except Exception as e:
        gc.collect()
        from meter.upkeep import starts  # not borrowed: it ends with a reset

        starts.failed(e)


async def _main():
    supervisor = await _started()
    gc.threshold(_THRESHOLD)
    await supervisor.run()


async def _started():
    heap.borrow("start")
    try:
        from meter import begin

        return await begin.started()
    finally:
        heap.give_back("start")
