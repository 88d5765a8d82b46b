# SPDX-License-Identifier: Apache-2.0
"""Calendar and local time. Switch dates are those published for the zones named."""

from meter.core import calendar
from meter.core.zone import Zone

EU = calendar.DST_EU
US = ((3, 2, 6, 120), (11, 1, 6, 120), 60, calendar.BASIS_WALL)
SYDNEY = ((10, 1, 6, 120), (4, 1, 6, 120), 60, calendar.BASIS_STANDARD)
LORD_HOWE = ((10, 1, 6, 120), (4, 1, 6, 120), 30, calendar.BASIS_WALL)


def wall(zone, utc_s):
    year, month, day, weekday, hour, minute, second = zone.fields(utc_s)
    return "%d-%02d-%02d %d %02d:%02d:%02d" % (year, month, day, weekday, hour, minute, second)


def test_every_day_from_1999_to_2135_walks_like_a_wall_calendar():
    lengths = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    n = -365
    weekday = 4  # 1999-01-01 was a Friday
    for year in range(1999, 2136):
        leap = year != 2100 and year in range(2000, 2136, 4)
        for month in range(1, 13):
            length = 29 if leap and month == 2 else lengths[month - 1]
            assert calendar.month_days(year, month) == length
            assert calendar.days(year, month, 1) == n
            for day in range(1, length + 1):
                assert calendar.date(n) == (year, month, day)
                assert calendar.weekday(n) == weekday
                n += 1
                weekday = (weekday + 1) % 7


def test_origin_is_2000_01_01_a_saturday():
    assert calendar.fields(0) == (2000, 1, 1, 5, 0, 0, 0)


def test_last_second_of_a_day():
    assert calendar.fields(calendar.utc(2024, 2, 29, 23, 59, 59)) == (2024, 2, 29, 3, 23, 59, 59)
    assert calendar.fields(calendar.utc(2024, 2, 29, 23, 59, 59) + 1) == (2024, 3, 1, 4, 0, 0, 0)


def test_hour_minute_and_second_turn_over():
    for hour, minute, second in ((0, 59, 59), (1, 0, 0), (12, 0, 59), (12, 1, 0), (23, 59, 0)):
        utc_s = calendar.utc(2026, 6, 1, hour, minute, second)
        assert calendar.fields(utc_s) == (2026, 6, 1, 0, hour, minute, second)
        assert Zone(0).fields(utc_s) == (2026, 6, 1, 0, hour, minute, second)


def test_first_second_of_all_in_a_fresh_zone():
    assert Zone(0).fields(0) == (2000, 1, 1, 5, 0, 0, 0)
    assert Zone(600, SYDNEY).fields(0) == (2000, 1, 1, 5, 11, 0, 0)
    assert Zone(-60).fields(0) == (1999, 12, 31, 4, 23, 0, 0)


def test_unix_seconds_of_known_instants():
    assert calendar.to_unix(0) == 946684800
    assert calendar.to_unix(calendar.utc(2001, 9, 9, 1, 46, 40)) == 1000000000
    assert calendar.from_unix(2000000000) == calendar.utc(2033, 5, 18, 3, 33, 20)


def test_fixed_offset_moves_date_and_weekday():
    assert wall(Zone(-300), calendar.utc(2026, 1, 1, 4, 59, 59)) == "2025-12-31 2 23:59:59"
    assert wall(Zone(345), calendar.utc(2025, 12, 31, 18, 15)) == "2026-01-01 3 00:00:00"


def test_eu_rule_switches_at_one_utc():
    zone = Zone(60, EU)
    spring = calendar.utc(2026, 3, 29, 1)
    assert wall(zone, spring - 1) == "2026-03-29 6 01:59:59"
    assert wall(zone, spring) == "2026-03-29 6 03:00:00"
    autumn = calendar.utc(2026, 10, 25, 1)
    assert wall(zone, autumn - 1) == "2026-10-25 6 02:59:59"
    assert wall(zone, autumn) == "2026-10-25 6 02:00:00"


def test_eu_rule_is_the_same_instant_in_every_zone():
    for offset_min in (0, 60, 120):
        zone = Zone(offset_min, EU)
        assert zone.offset_s(calendar.utc(2027, 3, 28, 1) - 1) == offset_min * 60
        assert zone.offset_s(calendar.utc(2027, 3, 28, 1)) == offset_min * 60 + 3600


def test_us_rule_switches_at_two_on_the_wall():
    zone = Zone(-300, US)
    spring = calendar.utc(2026, 3, 8, 7)
    assert wall(zone, spring - 1) == "2026-03-08 6 01:59:59"
    assert wall(zone, spring) == "2026-03-08 6 03:00:00"
    autumn = calendar.utc(2026, 11, 1, 6)
    assert wall(zone, autumn - 1) == "2026-11-01 6 01:59:59"
    assert wall(zone, autumn) == "2026-11-01 6 01:00:00"


def test_southern_summer_spans_new_year():
    zone = Zone(600, SYDNEY)
    assert zone.offset_s(calendar.utc(2026, 1, 1)) == 39600
    assert zone.offset_s(calendar.utc(2026, 7, 1)) == 36000
    assert zone.offset_s(calendar.utc(2026, 12, 31, 13)) == 39600
    autumn = calendar.utc(2026, 4, 4, 16)
    assert wall(zone, autumn - 1) == "2026-04-05 6 02:59:59"
    assert wall(zone, autumn) == "2026-04-05 6 02:00:00"
    spring = calendar.utc(2026, 10, 3, 16)
    assert wall(zone, spring - 1) == "2026-10-04 6 01:59:59"
    assert wall(zone, spring) == "2026-10-04 6 03:00:00"


def test_half_hour_shift():
    zone = Zone(630, LORD_HOWE)
    autumn = calendar.utc(2026, 4, 4, 15)
    assert wall(zone, autumn - 1) == "2026-04-05 6 01:59:59"
    assert wall(zone, autumn) == "2026-04-05 6 01:30:00"


def test_summer_ends_in_egypt_when_a_thursday_is_24_hours_long():
    egypt = Zone(120, ((4, 5, 4, 0), (10, 5, 3, 1440), 60, calendar.BASIS_WALL))
    autumn = calendar.utc(2026, 10, 29, 21)
    assert wall(egypt, autumn - 1) == "2026-10-29 3 23:59:59"
    assert wall(egypt, autumn) == "2026-10-29 3 23:00:00"


def test_summer_begins_in_gaza_50_hours_into_a_thursday_and_in_greenland_an_hour_before_a_sunday():
    gaza = Zone(120, ((3, 4, 3, 3000), (10, 4, 3, 3000), 60, calendar.BASIS_WALL))
    spring = calendar.utc(2026, 3, 28, 0)
    assert wall(gaza, spring - 1) == "2026-03-28 5 01:59:59"
    assert wall(gaza, spring) == "2026-03-28 5 03:00:00"
    greenland = Zone(-120, ((3, 5, 6, -60), (10, 5, 6, 0), 60, calendar.BASIS_WALL))
    spring = calendar.utc(2026, 3, 29, 1)
    assert wall(greenland, spring - 1) == "2026-03-28 5 22:59:59"
    assert wall(greenland, spring) == "2026-03-29 6 00:00:00"


def test_an_edge_on_a_date_is_on_the_same_date_each_year():
    iran = Zone(210, ((3, 20, 7, 1440), (9, 20, 7, 1440), 60, calendar.BASIS_WALL))
    for year in (2026, 2028):
        spring = calendar.utc(year, 3, 20, 20, 30)
        assert iran.offset_s(spring - 1) == 210 * 60 and iran.offset_s(spring) == 270 * 60


def test_an_edge_may_fall_into_another_year_than_its_month():
    late = Zone(0, ((12, 5, 3, 6000), (6, 1, 6, 0), 60, calendar.BASIS_UTC))  # 100 hours after a Thursday
    new_year = calendar.utc(2027, 1, 4, 4)
    assert late.offset_s(new_year - 1) == 0 and late.offset_s(new_year) == 3600
    early = Zone(0, ((6, 1, 6, 0), (1, 1, 3, -6000), 60, calendar.BASIS_UTC))
    old_year = calendar.utc(2026, 1, 1) - 6000 * 60
    assert early.offset_s(old_year - 1) == 3600 and early.offset_s(old_year) == 0


def test_fourth_and_last_week_differ_in_a_month_of_five_sundays():
    fourth = Zone(0, ((3, 4, 6, 60), (10, 5, 6, 60), 60, calendar.BASIS_UTC))
    assert fourth.offset_s(calendar.utc(2026, 3, 22, 1)) == 3600  # Sundays: 1, 8, 15, 22, 29
    assert Zone(0, EU).offset_s(calendar.utc(2026, 3, 22, 1)) == 0


def test_remembered_stretch_does_not_show_when_the_clock_jumps():
    used = Zone(60, EU)
    step_s = 9 * 86400 + 12345
    for i in range(400):
        utc_s = (i * 7919 % 400) * 4 * step_s  # 40 years, in no order
        assert used.offset_s(utc_s) == Zone(60, EU).offset_s(utc_s)
        assert used.fields(utc_s) == Zone(60, EU).fields(utc_s)


def test_remembered_stretch_ends_at_the_switch():
    for offset_min, rule, switch in (
        (60, EU, calendar.utc(2026, 3, 29, 1)),
        (60, EU, calendar.utc(2026, 10, 25, 1)),
        (-300, US, calendar.utc(2026, 3, 8, 7)),
        (-300, US, calendar.utc(2026, 11, 1, 6)),
        (600, SYDNEY, calendar.utc(2026, 4, 4, 16)),
        (600, SYDNEY, calendar.utc(2026, 10, 3, 16)),
    ):
        zone = Zone(offset_min, rule)
        after = zone.offset_s(switch)
        before = zone.offset_s(switch - 1)
        assert before != after
        assert zone.offset_s(switch) == after and zone.offset_s(switch - 1) == before


def test_remembered_stretch_ends_with_the_year():
    for rule in (EU, US, SYDNEY):
        used = Zone(600, rule)
        for months in range(0, 600, 5):
            utc_s = calendar.utc(2000 + months // 12, 1 + months % 12, 15)
            assert used.offset_s(utc_s) == Zone(600, rule).offset_s(utc_s)
