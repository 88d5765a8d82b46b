# SPDX-License-Identifier: Apache-2.0
# One step after the other, each let go when it is done: the heap is small.
import gc

# Loading leaves much to collect: collecting often keeps what stays close together, and the rest in one piece.
gc.threshold(4096)

import asyncio

import meter


async def main():
    from meter import made

    made_with = made.read()
    del made
    meter.unload("made", "storage.documents", "core.config")
    from meter import app

    supervisor = await app.start(made_with)
    del app, made_with
    meter.unload("app")
    gc.threshold(16384)  # three or four ticks of what they leave behind
    await supervisor.run()


asyncio.run(main())
