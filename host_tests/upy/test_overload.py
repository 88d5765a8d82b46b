# SPDX-License-Identifier: Apache-2.0
"""Overload: limit 3 kW, hold 30 s, and what the household can do about it."""

from meter.core import codes as c
from meter.core import supply
from meter.core.overload import Overload
from meter.core.settings import Settings
from meter.core.state import MeterState

OVER = 3_000_001
AT_LIMIT = 3_000_000


class Guard:
    """Ticks once a second and passes events on, as the firmware does."""

    def __init__(self, hold_s=30, wait_s=0, limit_w=3000):
        self.cfg = Settings()
        self.cfg.overload_w = limit_w
        self.cfg.overload_hold_s = hold_s
        self.cfg.overload_wait_s = wait_s
        self.s = MeterState()
        self.timer = Overload()
        self.now_s = 1000

    def tick(self, power_mw):
        self.now_s += 1
        event = self.timer.step(self.s, self.cfg, power_mw, self.now_s)
        if event:
            supply.step(self.s, event)
        return event

    def run(self, power_mw, seconds):
        """Events within this many seconds; no current flows while supply is off."""
        events = []
        for _ in range(seconds):
            event = self.tick(power_mw if self.on() else 0)
            if event:
                events.append(event)
        return events

    def on(self):
        return supply.closed(self.s)

    def card(self):
        supply.step(self.s, c.EV_USER_CARD)


def test_trips_at_the_tick_that_fills_the_hold():
    g = Guard()
    assert g.run(OVER, 29) == []
    assert g.on()
    assert g.tick(OVER) == c.EV_OVERLOAD
    assert not g.on()


def test_limit_itself_is_allowed_for_ever():
    assert Guard().run(AT_LIMIT, 500) == []


def test_one_tick_at_the_limit_starts_the_hold_anew():
    g = Guard()
    assert g.run(OVER, 29) == []
    assert g.run(AT_LIMIT, 1) == []
    assert g.run(OVER, 29) == []
    assert g.run(OVER, 1) == [c.EV_OVERLOAD]


def test_shortest_hold_trips_at_the_first_tick_over():
    assert Guard(hold_s=1).tick(OVER) == c.EV_OVERLOAD


def test_limit_of_0_is_no_supervision():
    assert Guard(limit_w=0).run(10**9, 500) == []


def test_exported_power_is_no_overload():
    assert Guard().run(-OVER, 500) == []


def test_missing_reading_neither_counts_nor_forgives():
    g = Guard()
    g.run(OVER, 20)
    assert g.run(None, 500) == []
    assert g.run(OVER, 9) == []
    assert g.run(OVER, 1) == [c.EV_OVERLOAD]


def test_without_a_wait_only_the_card_restores():
    g = Guard()
    g.run(OVER, 30)
    assert g.run(OVER, 10_000) == []
    assert not g.on() and g.timer.closes_at_s is None
    g.card()
    assert g.on()


def test_hold_is_full_length_again_after_the_card():
    g = Guard()
    g.run(OVER, 30)
    g.run(OVER, 5)
    g.card()
    assert g.run(OVER, 29) == []
    assert g.run(OVER, 1) == [c.EV_OVERLOAD]


def test_closes_by_itself_when_the_wait_is_over():
    g = Guard(wait_s=180)
    g.run(OVER, 30)
    tripped_s = g.now_s
    assert g.run(OVER, 179) == []
    assert g.timer.closes_at_s == tripped_s + 180
    assert g.tick(0) == c.EV_OVERLOAD_WAIT
    assert g.on() and g.timer.closes_at_s is None


def test_fifth_trip_in_half_an_hour_is_locked_to_the_card():
    g = Guard(wait_s=180)
    cycle = [c.EV_OVERLOAD, c.EV_OVERLOAD_WAIT]
    assert g.run(OVER, 3600) == cycle * 4 + [c.EV_OVERLOAD_LOCK]
    assert not g.on() and g.timer.closes_at_s is None
    g.card()
    assert g.on()
    assert g.run(OVER, 3600) == cycle * 4 + [c.EV_OVERLOAD_LOCK]


def test_trips_spread_over_hours_are_never_locked():
    g = Guard(wait_s=180)
    for _ in range(12):
        assert g.run(OVER, 30) == [c.EV_OVERLOAD]
        assert g.run(0, 180) == [c.EV_OVERLOAD_WAIT]
        assert g.run(0, 390) == []  # four closes take 40 minutes


def test_never_more_than_four_closes_in_any_half_hour():
    for pause_s in (0, 100, 237, 238, 239, 240, 241, 300):
        g = Guard(wait_s=180)
        closes = []
        for _ in range(20):
            g.run(OVER, 30)
            if c.EV_OVERLOAD_WAIT in g.run(0, 180):
                closes.append(g.now_s)
            g.run(0, pause_s)
        for i in range(len(closes) - 4):
            assert closes[i + 4] - closes[i] >= 1800, pause_s


def test_lock_asks_for_a_fourth_close_less_than_half_an_hour_ago():
    for age_s, event in ((1799, c.EV_OVERLOAD_LOCK), (1800, c.EV_OVERLOAD)):
        g = Guard(hold_s=1, wait_s=10)
        for _ in range(4):
            assert g.tick(OVER) == c.EV_OVERLOAD
            assert g.run(0, 10) == [c.EV_OVERLOAD_WAIT]
        first_close_s = g.now_s - 3 * 11
        assert g.run(0, first_close_s + age_s - 1 - g.now_s) == []
        assert g.tick(OVER) == event


def test_card_before_the_wait_is_over_forgets_earlier_closes():
    g = Guard(wait_s=180)
    g.run(OVER, 4 * 210 - 10)
    assert not g.on()
    g.card()
    cycle = [c.EV_OVERLOAD, c.EV_OVERLOAD_WAIT]
    assert g.run(OVER, 3600) == cycle * 4 + [c.EV_OVERLOAD_LOCK]


def test_power_cycle_starts_the_wait_anew():
    g = Guard(wait_s=180)
    g.run(OVER, 30)
    g.run(0, 100)
    g.timer = Overload()
    g.now_s = 0
    assert g.run(0, 180) == []
    assert g.run(0, 1) == [c.EV_OVERLOAD_WAIT]


def test_power_cycle_does_not_undo_card_only():
    g = Guard(wait_s=180)
    g.run(OVER, 3600)
    assert not g.on()
    g.timer = Overload()
    assert g.run(0, 3600) == []
    assert not g.on()
    g.card()
    assert g.on()


def test_other_reasons_stay_when_the_wait_ends():
    g = Guard(wait_s=180)
    g.run(OVER, 30)
    supply.step(g.s, c.EV_FAULT)
    assert g.run(0, 180) == [c.EV_OVERLOAD_WAIT]
    assert not g.on() and supply.reason(g.s) == c.CLAIM_FAULT
