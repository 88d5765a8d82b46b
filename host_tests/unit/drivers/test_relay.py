# SPDX-License-Identifier: Apache-2.0
"""The relay driver: one coil at a time, always off again, rested; and the model that would notice."""

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from meter.drivers.relay import Relay

from host_tests.bench.plant.direct import DirectPin, DirectTimer
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.latching_relay import LatchingRelay


class Bench:
    def __init__(self, closed=False, pulse_ms=60, at_us=0):
        self.vt = VirtualTime(at_us)
        self.contacts = []
        self.model = LatchingRelay(self.vt.at, lambda on, t: self.contacts.append((on, t)), None, closed)
        self.sense = lambda: self.model.sense(self.vt.now_us)
        self.open_pin = DirectPin(0, lambda level: self.model.open_coil(level, self.vt.now_us))
        self.close_pin = DirectPin(0, lambda level: self.model.close_coil(level, self.vt.now_us))
        self.timer = DirectTimer(self.vt)
        self.relay = Relay(self.open_pin, self.close_pin, self.sense, self.timer, pulse_ms)

    def sensed(self):
        return self.vt.run(self.relay.sensed())

    def check(self):
        assert self.model.violations == []
        assert self.open_pin() == 0 and self.close_pin() == 0


@pytest.fixture
def bench():
    return Bench()


def test_close_connects_the_load_and_open_disconnects_it(bench):
    bench.vt.run(bench.relay.move(1))
    assert bench.model.closed and bench.sensed() == 1
    bench.vt.run(bench.relay.move(0))
    assert not bench.model.closed and bench.sensed() == 0
    bench.check()


@pytest.mark.parametrize("pulse_ms", [50, 60, 100])
def test_a_pulse_is_as_long_as_set(pulse_ms):
    bench = Bench(pulse_ms=pulse_ms)
    bench.vt.run(bench.relay.move(1))
    (coil, _, length_us), *others = bench.model.pulses
    assert coil == "close" and abs(length_us - pulse_ms * 1000) <= 1000 and not others
    bench.check()


@pytest.mark.parametrize("pulse_ms", [0, 49, 1001])
def test_a_pulse_the_relay_cannot_use_or_stand_is_refused(pulse_ms):
    with pytest.raises(ValueError):
        Bench(pulse_ms=pulse_ms)


def test_the_longest_pulse_allowed_is_half_a_second_and_the_usual_one_60_ms():
    Bench(pulse_ms=500)
    bench = Bench()
    relay = Relay(bench.open_pin, bench.close_pin, bench.sense, bench.timer)
    bench.vt.run(relay.move(0))
    assert abs(bench.model.pulses[0][2] - 60_000) <= 1000


def test_the_driver_takes_over_with_both_coils_off():
    open_pin, close_pin = DirectPin(1), DirectPin(1)
    Relay(open_pin, close_pin, DirectPin(0), DirectTimer(VirtualTime()))
    assert open_pin() == 0 and close_pin() == 0


def test_two_callers_at_once_never_drive_both_coils(bench):
    async def both():
        await asyncio.gather(bench.relay.move(1), bench.relay.move(0), bench.relay.move(1))

    bench.vt.run(both())
    assert [coil for coil, _, _ in bench.model.pulses] == ["close", "open", "close"]
    bench.check()


def test_pulses_are_200_ms_apart(bench):
    async def three():
        await bench.relay.move(1)
        await bench.relay.move(0)
        await bench.relay.move(1)

    bench.vt.run(three())
    pulses = bench.model.pulses
    for (_, start, length), (_, following, _) in pairwise(pulses):
        assert following - (start + length) >= 200_000
    bench.check()


def test_a_rested_relay_is_pulsed_at_once(bench):
    bench.vt.advance(10_000_000)
    bench.vt.run(bench.relay.move(1))
    assert bench.model.pulses[0][1] - 10_000_000 < 2_000


@pytest.mark.parametrize("days", [7, 12, 13])
def test_a_long_rest_does_not_wrap_into_a_long_wait(bench, days):
    bench.vt.run(bench.relay.move(1))
    bench.vt.advance(days * 86_400_000_000)
    before = bench.vt.now_us
    bench.vt.run(bench.relay.move(0))
    assert bench.vt.now_us - before < 300_000


def test_a_cancelled_pulse_leaves_no_coil_on(bench):
    async def cancelled():
        task = asyncio.create_task(bench.relay.move(1))
        await asyncio.sleep_ms(230)
        assert bench.close_pin() == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.close_pin() == 0
        await bench.relay.move(0)

    bench.vt.run(cancelled())
    assert [coil for coil, _, _ in bench.model.pulses] == ["close", "open"]
    assert bench.model.pulses[1][1] - sum(bench.model.pulses[0][1:]) >= 200_000


def test_a_pulse_ends_on_time_though_another_task_holds_the_loop_for_two_seconds(bench):
    async def held():
        pulse = asyncio.create_task(bench.relay.move(1))
        await asyncio.sleep_ms(220)
        assert bench.close_pin() == 1
        time.sleep_ms(2000)
        assert bench.close_pin() == 0
        await pulse

    bench.vt.run(held())
    (coil, _, length_us), *others = bench.model.pulses
    assert coil == "close" and abs(length_us - 60_000) <= 1000 and not others
    assert bench.model.closed and bench.relay.late_ms <= 0
    bench.check()


def test_a_pulse_whose_timer_is_lost_ends_with_the_loop_and_says_by_how_much_it_was_too_long(bench):
    async def held():
        pulse = asyncio.create_task(bench.relay.move(1))
        await asyncio.sleep_ms(220)
        bench.timer.deinit()
        time.sleep_ms(700)
        await pulse

    bench.vt.run(held())
    assert bench.model.pulses[0][2] > 700_000 and 600 < bench.relay.late_ms < 800
    bench.vt.run(bench.relay.move(0))
    assert abs(bench.model.pulses[1][2] - 60_000) <= 5000 and bench.relay.late_ms <= 5
    bench.check()


@pytest.mark.parametrize("error", [MemoryError, OSError(12), ValueError])
def test_no_coil_stays_on_when_the_timer_cannot_be_set(bench, error):
    def fails(**_):
        raise error

    bench.timer.init = fails
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        bench.vt.run(bench.relay.move(1))
    assert bench.close_pin() == 0 and bench.open_pin() == 0


def test_the_timer_of_a_cancelled_pulse_does_not_cut_the_next_one_short():
    bench = Bench(pulse_ms=500)

    async def cancelled():
        task = asyncio.create_task(bench.relay.move(1))
        await asyncio.sleep_ms(250)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await bench.relay.move(0)

    bench.vt.run(cancelled())
    assert abs(bench.model.pulses[1][2] - 500_000) <= 1000


def test_ending_a_pulse_makes_no_closure_each_time(bench):
    seen = []
    init = bench.timer.init

    def watched(**how):
        seen.append(how["callback"])
        init(**how)

    bench.timer.init = watched
    for _ in range(2):
        bench.vt.run(bench.relay.move(1))
    assert seen[0] is seen[1]


@pytest.mark.parametrize("period_us", [20_000, 16_667, 22_000])
@pytest.mark.parametrize("held_ms", [0, 1, 3, 5])
def test_voltage_is_sensed_at_every_moment_of_the_period_though_the_line_follows_half_waves(period_us, held_ms):
    bench = Bench(closed=True)
    bench.model.period_us = period_us
    line = bench.sense

    def held():  # by other tasks, before each look
        time.sleep_ms(held_ms)
        return line()

    bench.relay._sense = held
    for _ in range(100):
        assert bench.sensed() == 1
        bench.vt.now_us += 7_300
    bench.model.mains = False
    assert bench.sensed() == 0


# Between the looks of a start that a power cut ended: ms in which parts were loaded.
STARTS = (4, 9, 3, 3, 23, 16, 3, 76, 2, 1, 1)


@given(holds=st.lists(st.integers(0, 80), max_size=60), at_us=st.integers(0, 20_000))
@example(holds=list(STARTS), at_us=13_174)
def test_voltage_is_never_missed_because_the_loop_was_held_between_looks(holds, at_us):
    """Eleven of these twelve looks fall into the half waves that an optocoupler does not pass."""
    bench = Bench(closed=True)
    bench.vt.now_us += at_us
    line = bench.sense
    held = [*holds]

    def late():
        time.sleep_ms(held.pop(0) if held else 0)
        return line()

    bench.relay._sense = late
    assert bench.sensed() == 1


def test_three_looks_within_microseconds_would_find_no_voltage_half_of_the_time():
    bench = Bench(closed=True)
    found = set()
    for _ in range(40):
        found.add(tuple(bench.sense() for _ in range(3)))
        bench.vt.now_us += 1_300
    assert found == {(0, 0, 0), (1, 1, 1)}


def test_no_voltage_is_said_after_a_whole_period_of_the_slowest_mains(bench):
    before = bench.vt.now_us
    assert bench.sensed() == 0
    assert bench.vt.now_us - before >= 22_300  # 45 Hz


def test_a_disturbance_on_the_sense_line_is_no_voltage(bench):
    looks = [0, 0, 0, 1] + [0] * 20
    bench.relay._sense = lambda: looks.pop(0)
    assert bench.sensed() == 0


def test_sensing_does_not_hold_the_loop(bench):
    async def both():
        task = asyncio.create_task(bench.relay.sensed())
        turns = 0
        while not task.done():
            await asyncio.sleep_ms(1)
            turns += 1
        return turns

    assert bench.vt.run(both()) >= 10


# --- the model ---


def test_model_contact_moves_15_ms_after_the_coil(bench):
    bench.vt.run(bench.relay.move(1))
    assert bench.contacts == [(True, bench.model.pulses[0][1] + 15_000)]


def test_model_short_pulse_falls_back_and_is_a_violation(bench):
    bench.model.close_coil(1, 0)
    bench.vt.advance(40_000)
    assert bench.model.closed
    bench.model.close_coil(0, bench.vt.now_us)
    assert not bench.model.closed and len(bench.model.violations) == 1


def test_model_both_coils_are_a_violation(bench):
    bench.model.close_coil(1, 0)
    bench.vt.advance(1000)
    bench.model.open_coil(1, bench.vt.now_us)
    assert "both coils" in bench.model.violations[0]


def test_model_a_coil_left_on_is_a_violation(bench):
    bench.model.close_coil(1, 0)
    bench.vt.advance(1_100_000)
    assert len(bench.model.violations) == 1


def test_model_pulses_without_rest_are_a_violation(bench):
    for coil in (bench.model.close_coil, bench.model.open_coil):
        coil(1, bench.vt.now_us)
        bench.vt.advance(60_000)
        coil(0, bench.vt.now_us)
    assert "rest" in bench.model.violations[0]


def test_model_keeps_its_contact_without_power():
    bench = Bench(closed=True)
    bench.model.power_off(0)
    bench.vt.advance(86_400_000_000)
    bench.model.power_on(bench.vt.now_us)
    assert bench.model.closed and bench.model.violations == []


def test_model_power_lost_in_a_pulse_ends_it(bench):
    bench.model.close_coil(1, 0)
    bench.vt.advance(5_000)
    bench.model.power_off(bench.vt.now_us)
    bench.vt.advance(2_000_000)
    assert not bench.model.closed and bench.contacts == []


def test_model_welded_contacts_do_not_part():
    bench = Bench(closed=True)
    bench.model.welded = True
    bench.vt.run(bench.relay.move(0))
    assert bench.model.closed and bench.sensed() == 1


def test_model_stuck_contacts_do_not_meet(bench):
    bench.model.stuck_open = True
    bench.vt.run(bench.relay.move(1))
    assert not bench.model.closed and bench.sensed() == 0


def test_model_senses_one_half_wave_of_two():
    bench = Bench(closed=True)
    levels = []
    for _ in range(40):
        levels.append(bench.sense())
        bench.vt.advance(500)
    assert 0.4 < sum(levels) / 40 < 0.5 and "".join(map(str, levels)).strip("0").count("01") == 0


def test_model_senses_mains_through_the_contact_or_a_generator():
    bench = Bench(closed=True)
    bench.model.mains = False
    assert bench.sensed() == 0
    bench.model.generator = True
    assert bench.sensed() == 1
    bench.vt.run(bench.relay.move(0))
    assert bench.sensed() == 1
    bench.model.generator = False
    bench.model.mains = True
    assert bench.sensed() == 0
