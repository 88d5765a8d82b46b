# SPDX-License-Identifier: Apache-2.0
"""The guard in virtual time, with a relay whose sense line follows the mains' half waves."""

import asyncio

import pytest
from meter.core import codes
from meter.core.settings import Settings
from meter.drivers.relay import Relay
from meter.metering.guard import Guard

from host_tests.bench.plant.direct import DirectPin, DirectTimer
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.latching_relay import LatchingRelay


class State:
    relay_closed = 1


class FakeBooks:
    """What the guard asks of the books, and what it tells them."""

    def __init__(self):
        self.s, self.cfg, self.sample = State(), Settings(), None
        self.changed = asyncio.ThreadSafeFlag()
        self.wanted, self.told = 1, []

    def wants_closed(self):
        return self.wanted

    def want(self, closed):
        self.wanted = closed
        self.changed.set()

    def relay_is(self, closed):
        self.s.relay_closed = closed
        self.told.append(closed)

    def relay_moves(self):
        self.s.relay_closed = 2

    def relay_failed(self, wanted):
        self.told.append(("failed", wanted))

    def log(self, code, value):
        self.told.append((code, value))


class Bench:
    def __init__(self, closed=True, at_us=0):
        self.vt = VirtualTime(at_us)
        self.model = LatchingRelay(self.vt.at, closed=closed)
        self.books = FakeBooks()
        self.books.s.relay_closed = int(closed)
        pins = [DirectPin(0, lambda n, coil=coil: coil(n, self.vt.now_us)) for coil in (
            self.model.open_coil, self.model.close_coil)]  # fmt: skip
        relay = Relay(*pins, lambda: self.model.sense(self.vt.now_us), DirectTimer(self.vt))
        self.guard = Guard(relay, self.books)

    def run(self, script):
        async def main():
            task = asyncio.create_task(self.guard.run(lambda: None))
            try:
                await script()
            finally:
                while not task.done():
                    task.cancel()
                    await asyncio.sleep(0)

        self.vt.run(main())
        assert self.model.violations == []


@pytest.mark.parametrize("at_us", range(0, 20_000, 1_100))
def test_a_contact_that_is_closed_is_never_doubted_whatever_the_moment_of_the_period(at_us):
    bench = Bench(at_us=at_us)

    async def script():
        for n in range(40):
            await asyncio.sleep_ms(990 + n)
            bench.books.changed.set()

    bench.run(script)
    assert bench.model.pulses == [] and set(bench.books.told) == {1}


@pytest.mark.parametrize("at_us", range(0, 20_000, 1_100))
def test_each_move_is_proved_at_the_first_try_whatever_the_moment_of_the_period(at_us):
    bench = Bench(at_us=at_us)

    async def script():
        for closed in (0, 1) * 6:
            await asyncio.sleep_ms(1_003)
            bench.books.want(closed)
            await asyncio.sleep_ms(900)
            assert bench.model.closed == closed and bench.books.told[-1] == closed

    bench.run(script)
    assert len(bench.model.pulses) == 12 and set(bench.books.told) == {0, 1}


@pytest.mark.parametrize("at_us", range(0, 20_000, 1_100))
def test_a_contact_seen_closed_is_opened_at_once_and_sensed_afterwards(at_us):
    bench = Bench(at_us=at_us)

    async def script():
        await asyncio.sleep_ms(5_000)
        before_us = bench.vt.now_us
        bench.books.want(0)
        await asyncio.sleep_ms(200)
        ((_, began_us, _),) = bench.model.pulses
        assert began_us - before_us <= 1_000

    bench.run(script)


@pytest.mark.parametrize("at_us", range(0, 20_000, 1_100))
def test_the_first_move_of_a_start_waits_for_the_sense(at_us):
    bench = Bench(closed=False, at_us=at_us)
    bench.books.s.relay_closed = 1  # a cut came between the pulse and the ledger
    bench.books.want(0)

    async def script():
        await asyncio.sleep_ms(3_000)

    bench.run(script)
    assert bench.model.pulses == [] and bench.books.told[0] == 0


@pytest.mark.parametrize("at_us", range(0, 20_000, 1_100))
def test_a_generator_behind_an_open_contact_inhibits_closing_at_every_moment_of_the_period(at_us):
    bench = Bench(closed=False, at_us=at_us)
    bench.books.want(0)

    async def script():
        await asyncio.sleep_ms(1_000)
        bench.model.generator = True
        bench.books.want(1)
        await asyncio.sleep_ms(15_000)

    bench.run(script)
    assert not bench.model.closed and ("failed", 0) in bench.books.told


def test_a_welded_contact_is_tried_three_times_and_then_a_fault():
    bench = Bench()
    bench.model.welded = True

    async def script():
        await asyncio.sleep_ms(1_000)
        bench.books.want(0)
        await asyncio.sleep_ms(4_000)

    bench.run(script)
    assert [coil for coil, _, _ in bench.model.pulses] == ["open"] * 3
    assert bench.books.told[-1] == ("failed", 0) and codes.LOG_RELAY_FAULT not in dict(
        [t for t in bench.books.told if isinstance(t, tuple)]
    )
