# SPDX-License-Identifier: Apache-2.0
"""Friendly hours: when the rule holds, and what it keeps from the supply meanwhile."""

from meter.core import calendar, supply
from meter.core import codes as c
from meter.core.friendly import is_friendly
from meter.core.state import MeterState

NIGHT = (18 * 60, 8 * 60, False, b"")
WEEKEND = (0, 0, True, b"")
ALARM2 = 5_000_000


def at(year, month, day, hour=12, minute=0):
    return calendar.fields(calendar.utc(year, month, day, hour, minute))


def friendly_minutes(rule, year, month, day):
    """The minutes of a day in which a rule holds, as [first, last + 1] stretches."""
    out = []
    for minute in range(1440):
        if is_friendly(rule, at(year, month, day, minute // 60, minute % 60)):
            if out and out[-1][1] == minute:
                out[-1][1] = minute + 1
            else:
                out.append([minute, minute + 1])
    return out


def test_no_rule_is_never_friendly():
    for hour in range(24):
        assert not is_friendly(None, at(2026, 12, 25, hour))


def test_an_empty_rule_is_never_friendly():
    for day in range(1, 8):
        assert friendly_minutes((0, 0, False, b""), 2026, 8, day) == []


def test_without_a_clock_no_hour_is_friendly():
    assert not is_friendly((0, 1439, True, bytes((calendar.EVERY_YEAR, 1, 1))), None)


def test_hours_within_a_day():
    assert friendly_minutes((10 * 60, 12 * 60 + 30, False, b""), 2026, 8, 3) == [[600, 750]]


def test_hours_through_midnight():
    assert friendly_minutes(NIGHT, 2026, 8, 3) == [[0, 480], [1080, 1440]]


def test_hours_from_midnight_and_until_midnight():
    assert friendly_minutes((0, 300, False, b""), 2026, 8, 3) == [[0, 300]]
    assert friendly_minutes((1200, 0, False, b""), 2026, 8, 3) == [[1200, 1440]]


def test_hours_to_the_last_minute_of_a_day():
    assert friendly_minutes((0, 1439, False, b""), 2026, 8, 3) == [[0, 1439]]


def test_from_equal_to_until_is_no_hours():
    for minute in (0, 480, 1439):
        assert friendly_minutes((minute, minute, False, b""), 2026, 8, 3) == []


def test_weekend_is_saturday_and_sunday_whole():
    for day in range(3, 10):  # Monday to Sunday
        assert friendly_minutes(WEEKEND, 2026, 8, day) == ([[0, 1440]] if day >= 8 else []), day


def test_weekend_and_hours_together():
    rule = (18 * 60, 8 * 60, True, b"")
    assert friendly_minutes(rule, 2026, 8, 7) == [[0, 480], [1080, 1440]]
    assert friendly_minutes(rule, 2026, 8, 8) == [[0, 1440]]
    assert friendly_minutes(rule, 2026, 8, 10) == [[0, 480], [1080, 1440]]


def test_holiday_of_one_year():
    rule = (0, 0, False, bytes((26, 12, 24)))
    assert friendly_minutes(rule, 2026, 12, 24) == [[0, 1440]]
    for date in ((2025, 12, 24), (2027, 12, 24), (2026, 12, 23), (2026, 12, 25), (2026, 11, 24)):
        assert friendly_minutes(rule, *date) == [], date


def test_holiday_of_every_year():
    rule = (0, 0, False, bytes((calendar.EVERY_YEAR, 1, 1)))
    for year in (2001, 2026, 2099, 2135):
        assert friendly_minutes(rule, year, 1, 1) == [[0, 1440]]
        assert friendly_minutes(rule, year, 1, 2) == []


def test_leap_day_as_a_holiday_comes_every_four_years():
    rule = (0, 0, False, bytes((calendar.EVERY_YEAR, 2, 29)))
    assert friendly_minutes(rule, 2028, 2, 29) == [[0, 1440]]
    assert friendly_minutes(rule, 2027, 3, 1) == friendly_minutes(rule, 2027, 2, 28) == []


def test_any_of_several_holidays_will_do():
    rule = (0, 0, False, bytes((26, 4, 3, calendar.EVERY_YEAR, 5, 1, 26, 12, 25)))
    for month, day in ((4, 3), (5, 1), (12, 25)):
        assert is_friendly(rule, at(2026, month, day))
    assert not is_friendly(rule, at(2026, 4, 5)) and is_friendly(rule, at(2027, 5, 1))
    assert not is_friendly(rule, at(2027, 12, 25))


# -- and the supply ---------------------------------------------------------------------------------


class Household:
    def __init__(self, credit, friendly):
        self.s = MeterState()
        self.friendly = friendly
        self.credit(credit)

    def credit(self, units):
        self.s.credit_micro = units * 1_000_000
        supply.after_credit(self.s, ALARM2, 0, self.friendly)
        return supply.closed(self.s)


def test_no_claim_begins_in_friendly_hours_and_what_was_owed_comes_with_their_end():
    for claims in range(64):
        for latches in range(16):
            for credit in (-1, 0, 1, ALARM2, ALARM2 + 1):
                s, at_once = MeterState(), MeterState()
                for one in (s, at_once):
                    one.claims, one.latches, one.credit_micro = claims, latches, credit
                supply.after_credit(s, ALARM2, 0, True)
                where = (claims, latches, credit)
                assert s.claims == (claims if credit <= 0 else claims & ~c.CLAIM_NO_CREDIT), where
                served = latches & c.LATCH_REMINDER_SERVED if credit <= ALARM2 else 0
                assert s.latches & c.LATCH_REMINDER_SERVED == served, where
                supply.after_credit(s, ALARM2, 0)
                supply.after_credit(at_once, ALARM2, 0)
                assert (s.claims, s.latches) == (at_once.claims, at_once.latches), where


def test_story_credit_runs_out_at_night():
    h = Household(20, True)
    assert h.credit(3) and h.credit(-4)
    h.friendly = False
    assert not h.credit(-4)
    assert h.s.claims == c.CLAIM_NO_CREDIT  # and no reminder afterwards
    assert h.credit(3)


def test_story_alarm_2_comes_at_night():
    h = Household(20, True)
    assert h.credit(3)
    h.friendly = False
    assert not h.credit(3)
    assert h.s.claims == c.CLAIM_REMINDER


def test_story_a_purchase_in_time_owes_nothing():
    h = Household(20, True)
    assert h.credit(-4) and h.credit(30)
    h.friendly = False
    assert h.credit(30)


def test_story_night_brings_nobody_back():
    h = Household(20, False)
    assert not h.credit(0)
    h.friendly = True
    assert not h.credit(0)
    assert h.credit(1)  # a purchase does
