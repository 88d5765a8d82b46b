# SPDX-License-Identifier: Apache-2.0
"""From main.py to the running tasks: one step after the other, each let go when it is done, for the heap is small."""

import asyncio
import gc
import time

from micropython import const

from meter import unload
from meter.cards import states as at

_TURN_MS = const(30)
_ON_TIME_MS = const(100)
_LOADED_TURNS = const(1)
_TEST_TURNS = const(16)  # by then the relay is where it should be, and every part has been tried
_TRIED_MS = const(700)  # a card reader that answers noise is found out in a second
_HELD_MS = const(8000)
_MOST = const(8)  # of ten seconds


def run() -> None:
    """Does not return, unless Ctrl-C is typed."""
    try:
        asyncio.run(_main())
    except KeyboardInterrupt:
        import machine

        machine.WDT(timeout=3_600_000)  # it cannot be stopped
        machine.RTC().memory(b"")  # nor is this a start that did not last
        print("Stopped. machine.reset() starts the meter again, or the watchdog in an hour.")
    except Exception as e:
        gc.collect()
        from meter.upkeep import starts

        starts.failed(e)


def self_test(supervisor, panel, parts) -> None:
    """Say what is there (upkeep/selftest.py). Whatever becomes of that, the meter meters."""
    try:
        _test(supervisor, panel, parts)
        _up()
    except Exception as e:
        unload("upkeep.selftest", "upkeep.starts", "upkeep.memory")  # a report needs room
        supervisor.fell("selftest", e)


def _test(supervisor, panel, parts):
    from meter.upkeep import selftest

    selftest.run(supervisor.books, panel, parts)
    unload("upkeep.selftest", "upkeep.status")


def _up():
    from meter.upkeep import starts

    starts.up()
    unload("upkeep.starts", "upkeep.memory")


async def _main():
    global _started, _calm, _wired, _documents, _metered, self_test, _test, _up
    supervisor = await _started()
    # Some of the heap.
    _started = _calm = _wired = _documents = _metered = self_test = _test = _up = None  # pyright: ignore[reportAssignmentType]
    gc.threshold(16384)  # three or four ticks of what they leave behind; at 32 KB a piece of heap goes missing
    await supervisor.run()


# What a name in a function has hold of stays loaded until the function is done: so one for each thing loaded.


async def _started():
    supervisor, panel, i2c, guard, desk = await _wired()
    await _calm(supervisor.books, _LOADED_TURNS)
    supervisor.start("guard", guard.run, silence_ms=25_000, critical=True)
    # As in app.settle().
    type(supervisor).start = None  # pyright: ignore[reportAttributeAccessIssue]
    supervisor.feed()
    await asyncio.sleep_ms(_TRIED_MS)
    await _calm(supervisor.books, _TEST_TURNS, desk)  # what comes of a card is told next, and once
    self_test(supervisor, panel, (i2c,))
    asyncio.create_task(_metered(supervisor))
    return supervisor


async def _calm(books, turns, desk=None):
    """Wait until a tick is booked and then a short sleep has ended on time so often in a row: while tasks load and
    start their parts, which takes seconds on the chip, it does not; before the first tick they wait for each other. A
    part that keeps the loop busy for good does not hold the start up for ever. desk: that serves no card meanwhile."""
    began = time.ticks_ms()
    now = began
    left = turns
    while left and time.ticks_diff(now, began) < _HELD_MS:
        await asyncio.sleep_ms(_TURN_MS)
        was, now = now, time.ticks_ms()
        left = left - 1 if books.uptime_s and time.ticks_diff(now, was) < _ON_TIME_MS else turns
        if desk and at.WAIT < desk.state < at.RESULT:
            left = turns


async def _metered(supervisor):
    """Wait until this start meters, and say so (upkeep/starts.py).

    One that falls again and again has a few ticks done, too."""
    global _say
    books = supervisor.books
    while True:
        before_s = books.uptime_s
        await asyncio.sleep_ms(10_000)
        if books.uptime_s - before_s >= _MOST:
            break
    try:
        _say(books)
    except Exception as e:
        supervisor.fell("starts", e)
    _say = None  # pyright: ignore[reportAssignmentType]


def _say(books):
    from meter.upkeep import starts

    try:
        starts.metered(books)
    finally:
        unload("upkeep.starts", "upkeep.memory", "documents.aside", "documents.files")
        unload("wiring", "books.opening", "drivers.buses", "storage.scratch", "storage.seal")


async def _wired():
    how, made_with = _documents()
    from meter import wiring

    parts = await wiring.start(made_with, how)
    wiring.settle(made_with[0])
    # By both calls: linked to be one part.
    unload("wiring", "books.opening", "drivers.buses", "storage.scratch", "storage.seal")
    return parts


def _documents():
    from meter.documents import load
    from meter.upkeep import starts

    how = starts.mode()
    made_with = load.read("", how[3])
    unload("documents.load", "documents.aside", "documents.files", "core.settings", "upkeep.starts", "upkeep.memory")
    unload("documents.checks")
    unload("documents.keys_doc")
    return how, made_with
