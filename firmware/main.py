# SPDX-License-Identifier: Apache-2.0
# One step after the other, each let go when it is done: the heap is small.
import asyncio
import gc

import meter


async def main():
    from meter import made
    from meter.services import starts

    how = starts.mode()
    made_with = made.read()
    del starts, made
    meter.unload("made", "storage.documents", "core.config", "services.starts")
    from meter import app

    supervisor = await app.start(made_with, how)
    app.settle(made_with[0])
    del app, made_with
    meter.unload("app")
    gc.threshold(16384)  # three or four ticks of what they leave behind; at 32 KB pieces go missing
    await supervisor.run()


try:
    asyncio.run(main())
except Exception as e:
    gc.collect()
    from meter.services import starts

    starts.failed(e)
