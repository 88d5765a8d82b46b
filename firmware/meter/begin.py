# SPDX-License-Identifier: Apache-2.0
"""The start: one step after the other, each let go when it is done, for the heap is small. Loaded for that only."""

import asyncio
import time

from micropython import const

from meter import heap, tasks
from meter.cards import states

_TURN_MS = const(30)
_ON_TIME_MS = const(100)
_LOADED_TURNS = const(1)
_TEST_TURNS = const(16)  # by then the relay is where it should be, and every part has been tried
_TRIED_MS = const(700)  # a card reader that answers noise is found out in a second
_HELD_MS = const(8000)


async def started():
    """Start everything; return the supervisor, whose run() keeps it going."""
    supervisor, panel, i2c, guard, desk = await _wired()
    await _calm(supervisor.books, _LOADED_TURNS)
    tasks.start(supervisor, "guard", guard.run)
    supervisor.feed()
    await asyncio.sleep_ms(_TRIED_MS)
    await _calm(supervisor.books, _TEST_TURNS, desk)  # what comes of a card is told next, and once
    self_test(supervisor, panel, (i2c,))
    _watch_metering(supervisor)
    return supervisor


def self_test(supervisor, panel, parts) -> None:
    """Say what is there (upkeep/selftest.py). Whatever that finds, the meter meters."""
    try:
        _test(supervisor, panel, parts)
        _up()
    except Exception as e:
        supervisor.fell("selftest", e)


def _test(supervisor, panel, parts):
    heap.borrow("selftest")
    try:
        from meter.upkeep import selftest

        selftest.run(supervisor.books, panel, parts)
    finally:
        heap.give_back("selftest")


def _up():
    heap.borrow("starts")
    try:
        from meter.upkeep import starts

        starts.up()
    finally:
        heap.give_back("starts")


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
        if desk and states.WAIT < desk.state < states.RESULT:
            left = turns


def _watch_metering(supervisor):
    heap.borrow("metered")  # it gives itself back
    from meter.upkeep import metered

    asyncio.create_task(metered.watch(supervisor))


async def _wired():
    how, made_with = documents()
    heap.borrow("wiring")
    try:
        from meter import wiring

        return await wiring.start(self_test, made_with, how)
    finally:
        heap.give_back("wiring")


def documents():
    """(what starts.mode() gives, what made.read() gives)."""
    heap.borrow("made")
    heap.borrow("starts")
    try:
        from meter.documents import load
        from meter.upkeep import starts

        how = starts.mode()
        return how, load.read("", how[3])
    finally:
        heap.give_back("made")
        heap.give_back("starts")
