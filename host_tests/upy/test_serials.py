# SPDX-License-Identifier: Apache-2.0
"""Serials of utility cards: each rule at its edge."""

from meter.core import codes, serials

NOW = 821_000_000
DAY = 86_400
MADE = 820_000_000
TAKEN = 0


def judge(serial, newest=0, made=MADE, utc_s=NOW, order=False):
    return serials.judge(serial, newest, made, utc_s, order)


def test_one_below_the_newest_is_outdated_whatever_it_is_for():
    for order in (False, True):
        for utc_s in (NOW, None):
            assert judge(NOW - 1, NOW, MADE, utc_s, order) == codes.CARD_OUTDATED
            assert judge(NOW, NOW, MADE, utc_s, order) == TAKEN


def test_with_a_clock_two_days_ahead_are_taken_and_no_second_more():
    for order in (False, True):
        assert judge(NOW + 2 * DAY, order=order) == TAKEN
        assert judge(NOW + 2 * DAY + 1, order=order) == codes.CARD_AHEAD


def test_without_a_clock_400_days_above_the_newest_are_taken_and_no_second_more():
    last = MADE + 50 * DAY + 400 * DAY
    assert judge(last, MADE + 50 * DAY, utc_s=None) == TAKEN
    assert judge(last + 1, MADE + 50 * DAY, utc_s=None) == codes.CARD_AHEAD


def test_a_meter_that_has_seen_no_card_counts_from_when_it_was_made():
    assert judge(MADE + 400 * DAY, utc_s=None) == TAKEN
    assert judge(MADE + 400 * DAY + 1, utc_s=None) == codes.CARD_AHEAD


def test_the_greatest_serial_locks_nobody_out():
    for utc_s in (NOW, None):
        for order in (False, True):
            assert judge(0xFFFFFFFF, NOW, MADE, utc_s, order) == codes.CARD_AHEAD


def test_with_a_clock_what_was_seen_before_does_not_raise_the_bound():
    assert judge(NOW + 300 * DAY, NOW + 200 * DAY) == codes.CARD_AHEAD


def test_an_order_dies_after_90_days():
    assert judge(NOW - 90 * DAY, order=True) == TAKEN
    assert judge(NOW - 90 * DAY - 1, order=True) == codes.CARD_OUTDATED


def test_without_a_clock_an_order_cannot_be_told_to_be_old():
    assert judge(NOW - 1000 * DAY, utc_s=None, order=True) == TAKEN


def test_a_document_may_lie_for_longer():
    assert judge(NOW - 300 * DAY) == TAKEN
