# SPDX-License-Identifier: Apache-2.0
"""The watch's task on Books and FRAM: what lasts over a power cut or another settings document, the cover's latch,
three wires."""

import asyncio

import pytest
from meter.core import codes
from meter.core.state import times
from meter.documents import parse
from meter.watch.watcher import Watcher

from host_tests.unit.books.test_findings import NOON, Meter

END = 1  # the code of an end is one more


class Pin:
    def __init__(self, value=0):
        self.value = value

    def __call__(self, *value):
        if value:
            (self.value,) = value
        return self.value


class Latch:
    """The cover's switch behind its latch."""

    def __init__(self):
        self.is_open = self.latched = 0

    def __call__(self):
        return self.latched | self.is_open

    def clear(self, level):
        if level:
            self.latched = self.is_open

    def move(self, is_open):
        self.is_open = is_open
        self.latched |= is_open


class Watched(Meter):
    """A meter with its watch; power comes with on()."""

    def __init__(self, rings, **doc):
        self.cover = Latch()
        self.magnet = Pin()
        super().__init__(rings, **doc)
        del self.sample

    def on(self):
        before = getattr(self, "sample", None)
        self.boot()
        if before:
            self.sample = before
        else:
            self.sample.urms_mv[:] = [230_000] * 3
            self.sample.freq_chz = 5000
        self.watcher = Watcher(self.books, self.cover, self.cover.clear, self.magnet, None)
        return self

    def seconds(self, n):
        """Seconds go by; the watch's task is started again at their beginning."""

        async def live():
            task = asyncio.ensure_future(self.watcher.run(lambda: None))
            for _ in range(n):
                self.tick(NOON)
                await asyncio.sleep(1)
            assert not task.done(), task.exception()
            task.cancel()

        self.vt.run(live())
        return self

    def codes(self):
        return [record[2] for record in self.told(*range(80, 112), *range(128, 160))]


@pytest.fixture
def home(rings):
    return Watched(rings).on()


def test_an_open_cover_is_one_opening_however_often_power_fails(home):
    home.seconds(10).cover.move(1)
    home.seconds(10)
    for _ in range(5):
        home.on().seconds(20)
    assert home.codes() == [codes.LOG_COVER_OPEN] and times(home.s, codes.TAMPER_COVER) == 1
    home.cover.move(0)
    home.seconds(10)
    assert home.codes() == [codes.LOG_COVER_OPEN, codes.LOG_COVER_CLOSED]
    home.cover.move(1)
    home.seconds(10)
    assert times(home.s, codes.TAMPER_COVER) == 2 and times(home.s, codes.TAMPER_COVER_UNPOWERED) == 0


def test_what_was_over_when_power_came_back_has_its_end(home):
    home.magnet(1)
    home.seconds(10)
    home.magnet(0)
    home.on().seconds(20)
    assert home.codes() == [codes.LOG_MAGNET_ON, codes.LOG_MAGNET_OFF]
    home.on().seconds(20)
    assert len(home.codes()) == 2


def test_a_cover_closed_while_the_meter_was_off_has_its_end_and_no_other_opening(home):
    home.cover.move(1)
    home.seconds(10)
    home.cover.move(0)
    home.on().seconds(20)
    assert home.codes() == [codes.LOG_COVER_OPEN, codes.LOG_COVER_CLOSED]


def test_only_the_phase_it_lasted_on_goes_on(rings):
    home = Watched(rings, phases=3).on()
    home.sample.p_mw[:] = [100_000, -900_000, 100_000]
    home.seconds(80)
    assert [(r[2], r[4] & 3) for r in home.told(codes.LOG_REVERSE)] == [(codes.LOG_REVERSE, 1)]
    home.on().seconds(80)
    assert times(home.s, codes.TAMPER_REVERSE) == 1 and home.codes() == [codes.LOG_REVERSE]
    home.sample.p_mw[:] = [100_000] * 3
    home.seconds(80)
    assert [(r[2], r[4] & 3) for r in home.told(codes.LOG_REVERSE + END)] == [(codes.LOG_REVERSE + END, 1)]


def test_a_cover_opened_and_closed_without_power_is_found_once(home):
    home.cover.move(1)
    home.cover.move(0)
    home.on().seconds(10)
    home.on().seconds(10)
    assert home.codes() == [codes.LOG_COVER_UNPOWERED] and times(home.s, codes.TAMPER_COVER_UNPOWERED) == 1


def test_a_cut_right_after_the_latch_was_cleared_loses_nothing(home):
    home.cover.move(1)
    home.cover.move(0)

    def clear(level):
        Latch.clear(home.cover, level)
        home.chip.absent = True  # nothing more is stored

    home.cover.clear = clear
    home.on().seconds(10)
    home.chip.absent = False
    del home.cover.clear
    assert not home.cover(), "the latch was cleared"
    home.on().seconds(10)
    assert times(home.kept, codes.TAMPER_COVER_UNPOWERED) == 1


def test_a_latch_that_was_being_cleared_is_no_phase_on_which_it_lasts(rings):
    home = Watched(rings, phases=3).on()
    home.s.tampers[2 * codes.TAMPER_COVER + 1] |= 0x80
    home.books.commit()
    home.on().seconds(10)
    home.books.cfg = parse.settings({"meter_number": "1", "phases": 3})
    home.seconds(10)
    assert home.codes() == [codes.LOG_COVER_UNPOWERED]


def test_other_settings_end_what_lasted_and_begin_anew(home):
    home.magnet(1)
    home.seconds(10)
    home.books.cfg = parse.settings({"meter_number": "1", "events": {"magnet": None}})
    home.seconds(20)
    assert home.codes() == [codes.LOG_MAGNET_ON, codes.LOG_MAGNET_OFF]


def test_a_task_that_fell_goes_on_with_what_lasts(home):
    home.magnet(1)
    home.seconds(100)
    home.seconds(100)
    home.magnet(0)
    home.seconds(20)
    _, end = home.incidents
    assert 195 <= end.lasted_s <= 215 and home.codes() == [codes.LOG_MAGNET_ON, codes.LOG_MAGNET_OFF]


def test_the_quality_of_the_supply_begins_anew_with_the_power(home):
    home.sample.urms_mv[0] = 290_000
    home.seconds(70)
    home.on().seconds(50)
    assert home.codes() == [codes.LOG_OVER_VOLTAGE]
    home.seconds(20)
    assert home.codes() == [codes.LOG_OVER_VOLTAGE] * 2


@pytest.mark.parametrize("p_c_w", [2000, -200])
def test_an_ordinary_load_on_three_wires_is_nothing(rings, p_c_w):
    """400 V between phases; at a power factor below 0.5 one of the two powers is negative."""
    home = Watched(rings, phases=3, three_wire=True).on()
    sample = home.sample
    sample.urms_mv[:] = [398_000, 0, 398_000]
    sample.irms_ma[:] = [8_000, 0, 8_000]
    sample.p_mw[:] = [3_000_000, 0, p_c_w * 1000]
    sample.p_total_mw = sum(sample.p_mw)
    sample.freq_chz = 5000
    home.seconds(4000)
    assert home.codes() == []


def test_three_wires_that_feed_in_are_found_once(rings):
    home = Watched(rings, phases=3, three_wire=True).on()
    sample = home.sample
    sample.urms_mv[:] = [398_000, 0, 398_000]
    sample.irms_ma[:] = [8_000, 0, 8_000]
    sample.p_mw[:] = [-2_000_000, 0, 1_000_000]
    sample.p_total_mw = -1_000_000
    sample.freq_chz = 5000
    home.seconds(100)
    assert home.codes() == [codes.LOG_REVERSE]


def test_60_hz_is_no_event_where_mains_are_of_60_hz(rings):
    for hz, told in ((60, []), (50, [codes.LOG_HIGH_FREQUENCY])):
        home = Watched(rings, hz=hz).on()
        home.sample.urms_mv[0] = 230_000
        home.sample.freq_chz = 6000
        assert home.seconds(100).codes() == told
