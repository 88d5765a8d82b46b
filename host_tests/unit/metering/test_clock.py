# SPDX-License-Identifier: Apache-2.0
"""The clock over a bus that errs: one wrong bit of one transfer moves no time, and costs nothing.

The service and its driver as they are, over the chip's model.
"""

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from meter.core import codes
from meter.core.errors import BusError
from meter.metering.clock import Clock
from meter.metering.metering import Metering

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.ds3231 import Ds3231Chip

pytestmark = pytest.mark.usefixtures("loaded")
NOON = datetime(2026, 11, 20, 12, 0, 0)
EPOCH = datetime(2000, 1, 1)
ADDR = 0x68
HOUR = 3600
REGISTERS = [*range(7), 0x0E, 0x0F]  # time, control, status


def utc_s(when):
    return int((when - EPOCH).total_seconds())


class Books:
    """What the clock tells."""

    waiting = SimpleNamespace(off_since=None)

    class s:
        utc_s = utc_s(NOON)

    def __init__(self):
        self.events = []
        self.faults = 0

    def log(self, code, value=0):
        self.events.append((code, value))

    def found(self, code, phase, value):
        self.events.append((code, value))

    def fault(self, bit, on):
        self.faults = self.faults | bit if on else self.faults & ~bit


class Bench:
    """A clock that runs. hit: transfer number (of all there are) -> (byte, bit) that is wrong; -1: the register
    number that is sent."""

    def __init__(self, when=NOON):
        self.vt = VirtualTime()
        self.chip = Ds3231Chip()
        self.chip.power_on(0)
        if when:
            self.chip.set_time(when, 0)
        self.i2c = DirectI2C(self.vt, [self.chip])
        self.i2c.bus.disturb[ADDR] = self._disturb
        self.books = Books()
        self.clock = Clock(self.i2c, self.books)
        self.hit = {}
        self.reads = 0
        self.writes = 0
        self.worst_s = 0
        self.lost = 0

    def _disturb(self, data, read):
        if not read:
            self.writes += len(data) > 1
            self.reads += 1
        byte, bit = self.hit.get(self.reads, (None, 0))
        if byte is None or (byte < 0) == read or len(data) <= max(byte, 0):
            return data
        data = bytearray(data)
        data[max(byte, 0)] ^= 1 << bit
        return bytes(data)

    def right_s(self):
        return utc_s(self.chip.time(self.vt.now_us))

    def live(self, seconds, quiet_s=0):
        """The service runs, and after quiet_s is asked each second, as by metering."""

        async def watch():
            task = asyncio.ensure_future(self.clock.run(lambda: None))
            await asyncio.wait_for(self.clock.known.wait(), 5)
            await asyncio.sleep(quiet_s)
            for _ in range(seconds):
                now = self.clock.tick()
                if now is None:
                    self.lost += 1
                else:
                    self.worst_s = max(self.worst_s, abs(now - self.right_s()))
                await asyncio.sleep(self.clock.to_next_second_ms() / 1000 + 0.02)
            task.cancel()

        self.vt.run(watch())
        return self


def every_bit(read):
    return [{read: (register, bit)} for register in REGISTERS for bit in range(8)]


def test_it_is_right_within_a_second_and_a_start_takes_no_longer_than_the_second_it_waits_for():
    bench = Bench().live(3)
    assert bench.worst_s == 0 and bench.lost == 0
    assert bench.vt.now_us < 1_100_000 + 3_100_000
    assert bench.books.events == [] and bench.books.faults == 0


class Silent:
    """A metering IC that does not answer: its ticks are ticks."""

    async def start(self):
        raise BusError(0, "silent")


@pytest.mark.parametrize("phase_ms", [0, 1, 5, 250, 600, 985, 992, 998])
def test_each_second_has_one_tick_from_the_first_reads_on(phase_ms):
    bench = Bench()
    bench.vt.advance(phase_ms * 1000)
    ticks = []
    bench.books.judge = lambda sample, utc: False
    bench.books.tick = lambda sample, utc, judged: ticks.append((utc, bench.right_s(), bench.vt.now_us))

    async def meter():
        tasks = [
            asyncio.ensure_future(bench.clock.run(lambda: None)),
            asyncio.ensure_future(Metering(Silent(), bench.clock, bench.books).run(lambda: None)),
        ]
        await asyncio.sleep(8)
        for task in tasks:
            task.cancel()

    bench.vt.run(meter())
    assert ticks[0][2] < 50_000 + phase_ms * 1000
    seconds = [utc for utc, _, _ in ticks]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds))) and len(seconds) >= 7
    assert seconds == [right for _, right, _ in ticks]
    assert ticks[-1][2] % 1_000_000 < 30_000


def test_a_look_that_puts_the_clock_back_by_a_few_ms_gives_no_second_a_second_tick():
    bench = Bench()
    says = [5, 6, 6, 7, 7, 8]
    booked = []
    bench.clock.tick = lambda: says.pop(0) if says else None
    bench.clock.to_next_second_ms = lambda: 10
    bench.books.judge = lambda sample, utc: False
    bench.books.tick = lambda sample, utc, judged: booked.append(utc)

    async def meter():
        bench.clock.known.set()
        task = asyncio.ensure_future(Metering(Silent(), bench.clock, bench.books).run(lambda: None))
        while says:
            await asyncio.sleep(0.01)
        task.cancel()

    bench.vt.run(meter())
    assert [utc for utc in booked if utc] == [5, 6, 7, 8]


# A look at a start: the first transfers, those around the change of the second, and some between.
START = Bench().live(0).reads
AT_START = sorted({1, 2, 3, 4, 5, START // 2, *range(START - 5, START + 1)})


@pytest.mark.parametrize("read", AT_START)
def test_at_a_start_no_wrong_bit_of_one_transfer_moves_the_time(read):
    for hit in every_bit(read):
        bench = Bench()
        bench.hit = hit
        bench.live(4)
        assert (bench.worst_s, bench.lost, bench.books.events, bench.books.faults) == (0, 0, [], 0), hit
        assert bench.writes == 0


@pytest.mark.parametrize("read", AT_START)
def test_nor_does_a_wrong_bit_of_the_register_number(read):
    for bit in range(8):
        bench = Bench()
        bench.hit = {read: (-1, bit)}
        bench.live(4)
        assert (bench.worst_s, bench.lost, bench.books.events, bench.books.faults) == (0, 0, [], 0), bit


HOURLY = Bench().live(HOUR + 10).reads - START
IN_AN_HOUR = sorted({1, 2, 3, HOURLY // 2, *range(HOURLY - 4, HOURLY + 1)})


@pytest.mark.parametrize("read", IN_AN_HOUR)
def test_in_the_hourly_look_no_wrong_bit_of_one_transfer_moves_the_time(read):
    for hit in every_bit(START + read):
        bench = Bench()
        bench.hit = hit
        bench.live(20, HOUR - 10)
        assert (bench.worst_s, bench.lost, bench.books.events, bench.books.faults) == (0, 0, [], 0), hit


# -- what is truly so is taken, in its time -----------------------------------------------------------


def moved(seconds, bench=None):
    bench = bench or Bench().live(HOUR - 60)
    now_us = bench.vt.now_us
    bench.chip.set_time(bench.chip.time(now_us) + timedelta(seconds=seconds), now_us)
    return bench


def told(bench, code):
    return [value for is_, value in bench.books.events if is_ == code]


@pytest.mark.parametrize("off_s", (-7200, -61, 61, 7200, 86_000))
def test_a_clock_that_was_set_by_hours_is_followed_within_two_minutes_and_told_once(off_s):
    bench = moved(off_s)
    bench.live(240)
    assert bench.clock.tick() == bench.right_s()
    assert told(bench, codes.LOG_CLOCK_LOOK) == [pytest.approx(off_s, abs=2)]
    assert told(bench, codes.LOG_CLOCK_SET) == [pytest.approx(off_s, abs=2)]
    assert len(told(bench, codes.LOG_CLOCK_BACK)) == (off_s < 0)


def test_a_bit_that_stays_wrong_for_a_look_is_told_and_heals():
    bench = moved(31 * 86_400)
    bench.live(90)
    bench = moved(-31 * 86_400, bench)
    bench.live(120)
    assert bench.clock.tick() == bench.right_s()
    assert len(told(bench, codes.LOG_CLOCK_LOOK)) == 1 and told(bench, codes.LOG_CLOCK_SET) == []


@pytest.mark.parametrize("days", (-31, 2, 334))
def test_days_are_taken_after_an_hour_only(days):
    bench = moved(days * 86_400)
    bench.live(HOUR - 60)
    assert told(bench, codes.LOG_CLOCK_SET) == []
    bench.live(300)
    assert bench.clock.tick() == bench.right_s()
    assert len(told(bench, codes.LOG_CLOCK_LOOK)) == 1 and len(told(bench, codes.LOG_CLOCK_SET)) == 1


def test_an_oscillator_stop_is_believed_when_three_reads_say_so():
    bench = Bench().live(5)
    bench.chip.stop_oscillator(bench.vt.now_us)
    bench.live(5)
    assert bench.clock.tick() is None and bench.books.faults == codes.FAULT_CLOCK


def test_a_clock_that_stands_still_is_no_time():
    bench = Bench()
    bench.chip._run = lambda now_us: None
    bench.live(5)  # three reads agree; the look two seconds later sees
    assert bench.clock.tick() is None and bench.books.faults == codes.FAULT_CLOCK


def test_silence_is_a_fault_and_the_seconds_go_on():
    bench = Bench().live(5)
    bench.chip.absent = True
    bench.live(30)
    assert bench.books.faults == codes.FAULT_CLOCK and bench.lost == 0
    bench.chip.absent = False
    bench.live(30)
    assert bench.books.faults == 0 and bench.clock.tick() == bench.right_s()


# -- the control register -----------------------------------------------------------------------------


def test_the_control_register_is_written_only_when_it_is_wrong():
    bench = Bench().live(HOUR + 10)
    assert bench.writes == 0
    bench.chip._regs[0x0E] = 0x9D
    bench.live(5)
    assert bench.chip._regs[0x0E] == 0x1C and bench.writes == 1
    assert bench.books.faults == 0


@pytest.mark.parametrize("bit", range(8))
def test_a_wrong_bit_of_that_write_is_seen_and_mended(bit):
    bench = Bench()
    bench.chip._regs[0x0E] = 0x9C
    genuine = bench._disturb

    def disturb(data, read):
        if not read and len(data) > 1 and not bench.writes:
            bench.writes += 1
            return bytes([data[0], data[1] ^ 1 << bit])
        return genuine(data, read)

    bench.i2c.bus.disturb[ADDR] = disturb
    bench.live(5)
    assert bench.chip._regs[0x0E] == 0x1C and bench.books.faults == 0 and bench.worst_s == 0
