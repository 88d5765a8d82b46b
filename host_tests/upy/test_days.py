# SPDX-License-Identifier: Apache-2.0
"""Which days are charged, which are given back, and when a month begins: each line of the table in core/days.py."""

from meter.core import days
from meter.core.state import MeterState

DAY = 9565
COST = 250, 100
YEAR = days.YEAR


def cost(day):
    return COST


def meter(day=DAY, month=314):
    s = MeterState()
    s.day, s.month, s.month_counts, s.import_counts = day, month, 700, 1000
    s.credit_micro, s.debt_micro = 10**9, 10**9
    return s


def come(s, today, month=314, most=YEAR, each=cost):
    """(days charged, days undone) when the clock says this date."""
    undone = days.undo(s, today)
    return days.begin(s, today, month, most, each)[0], undone


def taken(s):
    """Days charged, by all four accounts."""
    n = s.charges_micro // COST[0]
    assert (s.charges_micro, s.debt_paid_micro) == (n * COST[0], n * COST[1])
    assert s.credit_micro == 10**9 - n * sum(COST) and s.debt_micro == 10**9 - n * COST[1]
    return n


def test_the_first_day_is_not_charged_and_begins_a_month():
    s = meter(0, 0)
    assert come(s, DAY) == (0, 0)
    assert (s.day, s.month, s.month_counts, taken(s)) == (DAY, 314, 1000, 0)
    assert not any(s.jump)


def test_the_same_day_and_up_to_a_year_earlier_nothing_is_done():
    for n in (0, 1, 2, 30, YEAR):
        s = meter()
        assert come(s, DAY - n, 300) == (None, 0)
        assert (s.day, s.month, s.month_counts, taken(s)) == (DAY, 314, 700, 0)


def test_the_next_day_is_charged_and_is_no_jump():
    s = meter()
    assert come(s, DAY + 1) == (1, 0)
    assert (s.day, taken(s)) == (DAY + 1, 1) and not any(s.jump)


def test_a_later_day_charges_each_between_up_to_a_year():
    for n in (2, 3, 31, YEAR):
        s = meter()
        assert come(s, DAY + n) == (n, 0)
        assert (s.day, taken(s)) == (DAY + n, n) and any(s.jump)


def test_no_more_days_are_charged_than_can_have_passed():
    s = meter()
    assert come(s, DAY + 30, 315, 2) == (2, 0)
    assert (s.day, taken(s), s.month) == (DAY + 30, 2, 315)


def test_more_than_a_year_off_charges_nothing_and_counts_from_there():
    for n in (YEAR + 1, 9000, -YEAR - 1, -9000):
        s = meter()
        assert come(s, DAY + n, 99) == (0, 0)
        assert (s.day, s.month, s.month_counts, taken(s)) == (DAY + n, 99, 1000, 0)


def test_a_jump_that_was_wrong_is_undone_to_the_last_millionth():
    for n in (2, 3, 30, YEAR, YEAR + 1, 9000):
        for real in (0, 1):
            s = meter()
            come(s, DAY + n, 330)
            s.import_counts += 50
            assert come(s, DAY + real) == (real or None, n)
            assert (s.day, s.month, s.month_counts, taken(s)) == (DAY + real, 314, 700, real)
            assert not any(s.jump)


def test_days_that_began_by_a_wrong_clock_are_given_back_with_its_jump():
    s = meter()
    for n in (30, 31, 32):
        come(s, DAY + n, 330)
    assert taken(s) == 32
    assert come(s, DAY + 3) == (3, 32)
    assert (s.day, s.month, taken(s)) == (DAY + 3, 314, 3)


def test_a_jump_back_of_more_than_a_year_is_undone_when_the_clock_is_right_again():
    s = meter()
    come(s, DAY - 1000, 280)
    come(s, DAY - 999, 280)
    assert taken(s) == 1
    assert come(s, DAY + 2)[1]
    assert (s.day, s.month, s.month_counts, taken(s)) == (DAY + 2, 314, 700, 2)


def test_a_clock_that_is_put_right_to_after_the_jump_leaves_it():
    s = meter()
    come(s, DAY + 10)
    for n in (11, 12, 13):
        come(s, DAY + n)
    assert come(s, DAY + 10) == (None, 0)
    assert (s.day, taken(s)) == (DAY + 13, 13)


def test_a_jump_that_left_days_out_is_undone_whenever_the_clock_goes_back_by_days():
    s = meter()
    come(s, DAY + 3, most=1)
    for n in (4, 5, 6, 7):
        come(s, DAY + n)
    assert taken(s) == 5
    assert come(s, DAY + 4)[1]
    assert (s.day, taken(s)) == (DAY + 4, 4)


def test_a_jump_is_forgotten_when_its_first_day_cannot_come_any_more():
    s = meter()
    come(s, DAY + 5)
    for n in range(6, 10):
        come(s, DAY + n)
        assert any(s.jump)
    come(s, DAY + 10)
    assert not any(s.jump)


def test_jumps_that_follow_each_other_are_undone_together():
    s = meter()
    come(s, DAY + 5, 315)
    come(s, DAY + 40, 316)
    assert come(s, DAY + 2)[1]
    assert (s.day, s.month, s.month_counts, taken(s)) == (DAY + 2, 314, 700, 2)


def test_each_day_costs_what_it_cost_then():
    s = meter()
    days.begin(s, DAY + 22, 314, YEAR, lambda day: (100 if day <= DAY + 12 else 1000, 10))
    assert (s.charges_micro, s.debt_paid_micro) == (12 * 100 + 10 * 1000, 220)


def test_of_days_left_out_the_last_ones_are_charged():
    s = meter()
    days.begin(s, DAY + 22, 314, 11, lambda day: (100 if day <= DAY + 12 else 1000, 0))
    assert s.charges_micro == 100 + 10 * 1000


def test_a_debt_is_not_recovered_beyond_what_is_owed_and_comes_back_whole():
    s = meter()
    s.debt_micro = 250
    come(s, DAY + 5)
    assert (s.debt_micro, s.debt_paid_micro) == (0, 250)
    days.undo(s, DAY + 1)
    assert (s.debt_micro, s.debt_paid_micro, s.credit_micro) == (250, 0, 10**9)
