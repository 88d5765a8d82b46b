# SPDX-License-Identifier: Apache-2.0
"""Is a time taken over? Each state of doubt, and each thing a look may find."""

from meter.core.timekeeping import judge

NOW = 830_000_000
DAY = 86_400


def looks(off_s, every_s, until_s, start=NOW):
    """What looks that show the same time, so far off, lead to: [(seconds since the first, taken)]."""
    doubt, found = None, []
    for passed in range(0, until_s + 1, every_s):
        take, doubt = judge(doubt, start + passed, start + passed + off_s)
        found.append((passed, take))
        if take:
            break
    return found


def test_with_no_time_of_its_own_what_is_seen_is_taken():
    for seen in (0, 1, NOW, NOW + 10_000 * DAY):
        assert judge(None, None, seen) == (True, None)


def test_the_same_time_is_taken_and_ends_a_doubt():
    for off_s in range(-5, 6):
        assert judge(None, NOW, NOW + off_s) == (True, None)
        assert judge((900, NOW - 60, 2), NOW, NOW + off_s) == (True, None)


def test_another_time_is_not_taken_and_is_remembered():
    for off_s in (-6, 6, 61, -3600, DAY, -DAY, 40 * DAY, -9000 * DAY):
        assert judge(None, NOW, NOW + off_s) == (False, (off_s, NOW, 1))


def test_a_third_time_begins_another_doubt():
    for off_s in (-300, 7, 400, 500 * DAY):
        assert judge((300, NOW - 600, 9), NOW, NOW + off_s) == (False, (off_s, NOW, 1))


def test_up_to_a_day_off_is_taken_after_a_minute_and_three_looks():
    for off_s in (6, -6, 3600, -7200, DAY, -DAY):
        assert looks(off_s, 30, 4000) == [(0, False), (30, False), (60, True)]
        assert looks(off_s, 1, 4000)[-1] == (60, True)
        assert looks(off_s, 60, 4000) == [(0, False), (60, False), (120, True)]


def test_more_than_a_day_off_is_taken_after_an_hour():
    for off_s in (DAY + 1, -DAY - 1, 31 * DAY, -31 * DAY, 20_000 * DAY):
        found = looks(off_s, 30, 4000)
        assert found[-1] == (3600, True) and not any(take for _, take in found[:-1])
        assert looks(off_s, 1800, 9000) == [(0, False), (1800, False), (3600, True)]
        assert looks(off_s, 3600, 9000) == [(0, False), (3600, False), (7200, True)]


def test_a_doubt_drifts_no_further_than_the_seconds_it_may_be_wrong_by():
    """Each look compares with the first one: a clock that runs too fast does not take the time with it."""
    doubt = None
    for n in range(100):
        take, doubt = judge(doubt, NOW + 30 * n, NOW + 30 * n + 100 + 4 * n)
        assert not take


def test_one_wrong_look_between_good_ones_moves_nothing():
    for off_s in (-100_000_000, -7, 60, DAY, 400 * DAY):
        take, doubt = judge(None, NOW, NOW + off_s)
        assert not take
        assert judge(doubt, NOW + 30, NOW + 30) == (True, None)
