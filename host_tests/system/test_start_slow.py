# SPDX-License-Identifier: Apache-2.0
"""A start on a chip that needs its time: no part is called missing for that, and the relay moves when all is loaded."""

import re

import pytest

from host_tests.bench.run.session import Bench


class Slow:
    """A meter with the plug out whose every SPI frame takes longer, as computing between two frames does on a chip."""

    def __init__(self, frame_us, **how):
        self.bench = Bench(up=False, **how)
        self.frame_us = frame_us
        self.last_us = 0  # when the last slow frame was over
        chip, clock = self.bench.plant.meter_ic, self.bench.plant.clock
        transfer = chip.spi_transfer

        def slow(*args):
            clock.spend(self.frame_us)
            if self.frame_us:
                self.last_us = clock.now_us
            return transfer(*args)

        chip.spi_transfer = slow
        self.lines = []
        self.bench.meter.on_line = self.lines.append

    def said(self, pattern):
        """The first line that matches, waited for as long as a start may take."""
        limit_us = self.bench.plant.clock.now_us + 20_000_000
        while True:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            assert self.bench.plant.clock.now_us < limit_us, self.lines
            self.bench.run_s(0.1)


@pytest.fixture
def slow():
    made = []

    def make(frame_us, **how):
        it = Slow(frame_us, **how)
        made.append(it)
        return it

    yield make
    for it in made:
        it.bench.close()


def test_a_metering_ic_whose_start_takes_seconds_is_neither_missing_nor_a_fault(slow):
    it = slow(5000)
    b = it.bench
    b.plug(True)
    while len(b.tick_reads_us) < 2:  # the first read is of its start
        b.run_s(0.1)
        assert b.plant.clock.now_us < 10_000_000, it.lines
    assert b.tick_reads_us[0] > 1_500_000
    it.frame_us = 0
    b.run_s(3)
    assert " meter_ic=ok " in it.said("^SELFTEST ")
    assert not [line for line in it.lines if line.startswith("metering IC:")]


def test_a_start_that_takes_too_long_is_told_with_what_it_was_at_and_is_tried_again(slow):
    it = slow(25_000)
    b = it.bench
    b.plug(True)
    b.run_s(12)
    assert re.fullmatch(r"metering IC: [a-z -]+: not done in 5 s: the meter was busy", it.said("^metering IC:"))
    it.frame_us = 0
    b.run_s(40)
    assert len(b.tick_reads_us) > 20 and b.meter.restarts == 0 and not b.crashes()


def test_the_relay_moves_first_when_all_parts_are_loaded_and_the_self_test_knows_where_it_is(slow):
    it = slow(5000)
    b = it.bench
    b.plant.relay.closed = False
    b.plug(True)
    while not b.plant.relay.pulses:
        b.run_s(0.05)
        if b.tick_reads_us:
            it.frame_us = 0
        assert b.plant.clock.now_us < 12_000_000
    (coil, start_us, length_us), *_ = b.plant.relay.pulses
    assert coil == "close" and 60_000 <= length_us < 65_000
    assert start_us > it.last_us + 500_000
    b.run_s(2)
    assert " relay=closed " in it.said("^SELFTEST ") and b.plant.relay.violations == []


def test_on_a_meter_that_starts_fast_the_relay_is_where_it_should_be_within_three_seconds(slow):
    it = slow(0)
    b = it.bench
    b.plant.relay.closed = False
    b.plug(True)
    b.run_s(1)
    assert not b.plant.relay.pulses
    b.run_s(2)
    assert b.plant.relay.closed and b.state().relay_closed == 1
    assert " relay=closed " in it.said("^SELFTEST ")


def test_a_part_that_keeps_the_loop_busy_for_good_does_not_hold_the_relay_for_ever(slow):
    it = slow(30_000)
    b = it.bench
    b.plant.relay.closed = False
    b.plug(True)
    b.run_s(20)
    assert [coil for coil, _, _ in b.plant.relay.pulses] == ["close"] and b.plant.relay.violations == []
    assert b.plant.relay.pulses[0][2] < 100_000  # one frame late


def test_the_console_has_no_line_of_esp_idf_and_the_chip_runs_at_240_mhz(slow):
    it = slow(0)
    it.bench.plug(True)
    it.bench.run_s(3)
    it.said("^SELFTEST ")
    assert not [line for line in it.lines if re.match(r"[EWI] [(]", line)]
    assert it.bench.plant.cpu_mhz == 240


def test_the_heap_that_is_told_is_micropythons_own_and_esp_idfs_is_told_beside_it(slow):
    it = slow(0, heap="112k")
    it.bench.plug(True)
    it.bench.run_s(3)
    for line, name in ((it.said("^SELFTEST "), "heap"), (it.said("^STATUS "), "heap_free")):
        values = dict(word.split("=") for word in line.split()[1:])
        assert 20_000 < int(values[name]) < 60_000  # with ESP-IDF's largest piece it would be 90,000
        assert (values["idf_free"], values["idf_largest"]) == ("82016", "53248")


def test_a_coil_that_was_on_too_long_is_an_event_with_the_time(slow):
    """Should the timer be lost, the loop ends the pulse: here after it was held."""
    it = slow(0, initial_credit="50.00")
    b = it.bench
    b.plug(True)
    b.run_s(5)
    b.plant._set_timer = lambda *_: None
    coil = b.plant.on_output[b.board.RELAY_OPEN]

    def held(level):
        coil(level)
        b.plant.clock.spend(700_000 if level else 0)

    b.plant.on_output[b.board.RELAY_OPEN] = held
    b.load(10_000)
    b.run_s(40)
    (ms,) = [event.value for event in b.events() if event.code == 18]
    ((_, _, length_us),) = b.plant.relay.pulses
    assert 600 < ms < 760 and abs(ms - (length_us // 1000 - 60)) <= 2
