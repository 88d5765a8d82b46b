# SPDX-License-Identifier: Apache-2.0
"""Tariff and local time against datetime, decimal and zoneinfo.

zoneinfo gets its rules as POSIX text (IEEE 1003.1 TZ), so no time zone database is needed on the machine.
"""

import io
import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core import calendar, rates
from meter.core.errors import ConfigError
from meter.core.zone import Zone
from meter.documents import parse

from host_tests.stands.tariff_documents import documents, moments
from host_tests.years.year_oracle import Prices

Y2000 = datetime(2000, 1, 1, tzinfo=UTC)
seconds = st.integers(0, 2**32 - 366 * 86400)


def posix_zone(text):
    """A time zone from POSIX text, wrapped into the smallest TZif file (RFC 8536)."""
    block = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 1) + struct.pack(">lbb", 0, 0, 0) + b"\0"
    return ZoneInfo.from_file(io.BytesIO(block + block + b"\n" + text.encode() + b"\n"))


def hms(total_s):
    sign = "-" if total_s < 0 else ""
    total_s = abs(total_s)
    return f"{sign}{total_s // 3600}:{total_s % 3600 // 60:02d}:{total_s % 60:02d}"


def posix_text(offset_min, rule):
    """The same rule in POSIX terms, where both switches are given in wall time and offsets count westward."""
    (m1, w1, d1, t1), (m2, w2, d2, t2), shift_min, basis = rule
    if basis == calendar.BASIS_UTC:
        t1 += offset_min
        t2 += offset_min + shift_min
    elif basis == calendar.BASIS_STANDARD:
        t2 += shift_min
    std, dst = hms(-offset_min * 60), hms(-(offset_min + shift_min) * 60)
    on = f"M{m1}.{w1}.{(d1 + 1) % 7}/{hms(t1 * 60)}"
    off = f"M{m2}.{w2}.{(d2 + 1) % 7}/{hms(t2 * 60)}"
    return f"<AAA>{std}<BBB>{dst},{on},{off}"


def as_fields(moment):
    return (*moment.timetuple()[:3], moment.weekday(), *moment.timetuple()[3:6])


# February to November: a switch in the days around new year would be in another year by another clock.
edges = st.tuples(st.integers(2, 11), st.integers(1, 5), st.integers(0, 6), st.integers(0, 1439))
rules = st.tuples(edges, edges, st.sampled_from([30, 60, 120]), st.sampled_from([0, 1, 2])).filter(
    lambda rule: abs(rule[0][0] - rule[1][0]) >= 2
)
offsets = st.integers(-48, 56).map(lambda quarter: quarter * 15)


@given(seconds)
def test_civil_fields_are_those_of_datetime(utc_s):
    moment = Y2000 + timedelta(seconds=utc_s)
    assert calendar.fields(utc_s) == as_fields(moment)
    assert calendar.utc(*moment.timetuple()[:6]) == utc_s
    assert calendar.to_unix(utc_s) == moment.timestamp()
    assert calendar.from_unix(calendar.to_unix(utc_s)) == utc_s


@given(offsets, st.lists(seconds, min_size=1, max_size=20))
def test_fixed_offset_is_that_of_datetime(offset_min, moments):
    zone = Zone(offset_min)
    oracle = timezone(timedelta(minutes=offset_min))
    for utc_s in moments:
        assert zone.fields(utc_s) == as_fields((Y2000 + timedelta(seconds=utc_s)).astimezone(oracle))


@given(offsets, rules, st.lists(seconds, min_size=1, max_size=20))
def test_daylight_saving_is_that_of_zoneinfo(offset_min, rule, moments):
    zone = Zone(offset_min, rule)
    oracle = posix_zone(posix_text(offset_min, rule))
    for utc_s in moments:
        assert zone.fields(utc_s) == as_fields((Y2000 + timedelta(seconds=utc_s)).astimezone(oracle))


@given(offsets, rules, st.integers(2001, 2134))
def test_daylight_saving_switches_at_the_second_of_zoneinfo(offset_min, rule, year):
    zone = Zone(offset_min, rule)
    oracle = posix_zone(posix_text(offset_min, rule))

    def truth(utc_s):
        return (Y2000 + timedelta(seconds=utc_s)).astimezone(oracle).utcoffset().total_seconds()

    # Bisect the oracle for its two switches of the year, from February to December.
    a = calendar.utc(year, 1, 20)
    switches = 0
    for month in range(2, 13):
        b = calendar.utc(year, month, 20)
        if truth(a) != truth(b):
            low, high = a, b
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if truth(middle) == truth(low) else (low, middle)
            assert (zone.offset_s(low), zone.offset_s(high)) == (truth(low), truth(high))
            switches += 1
        a = b
    assert switches in (0, 2)


@pytest.mark.parametrize(
    ("name", "offset_min", "rule"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 60, calendar.DST_EU),
        ("EST5EDT,M3.2.0,M11.1.0", -300, ((3, 2, 6, 120), (11, 1, 6, 120), 60, calendar.BASIS_WALL)),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 600, ((10, 1, 6, 120), (4, 1, 6, 120), 60, calendar.BASIS_STANDARD)),
    ],
)
def test_zones_people_live_in_hour_by_hour_for_30_years(name, offset_min, rule):
    zone = Zone(offset_min, rule)
    oracle = posix_zone(name)
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    utc_s = calendar.utc(2020, 1, 1)
    for _ in range(30 * 8766):
        offset = oracle.utcoffset(moment.astimezone(oracle))
        assert zone.offset_s(utc_s) == offset.total_seconds()
        moment += timedelta(hours=1)
        utc_s += 3600


@given(st.data())
def test_rate_price_and_signal_are_those_the_document_says(data):
    near = data.draw(moments())
    doc = data.draw(documents(near))
    t, said = parse.tariff(json.loads(json.dumps(doc))), Prices(doc)
    assert t.rate_names[t.fallback] == said.names[said.fallback]
    assert (list(t.rate_names), list(t.prices_micro)) == (said.names, said.prices)
    assert (t.standing_micro, list(zip(t.steps[::2], t.steps[1::2], strict=True))) == (said.standing, said.steps)
    assert t.from_minute == (said.begins - datetime(2000, 1, 1)) // timedelta(minutes=1)
    written = [datetime.fromisoformat(d) for d, _ in doc.get("special_days", []) if d[0] != "*"]
    anywhere = data.draw(st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31, 23, 59)), max_size=20))
    for moment in [near, near - timedelta(minutes=1), *anywhere, *written]:
        minute = moment.hour * 60 + moment.minute
        rate, until = rates.rate_until(t, moment.year, moment.month, moment.day, moment.weekday(), minute)
        assert rate == said.rate(moment)
        assert minute < until <= 1440
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for later in range(minute, until):
            assert rate == said.rate(midnight + timedelta(minutes=later))


@given(st.integers(0, 999), st.text("0123456789", max_size=6))
def test_price_is_exact(whole, part):
    text = f"{whole}.{part}" if part else str(whole)
    t = parse.tariff({"name": "x", "currency": "EUR", "price": text})
    assert t.prices_micro == (Fraction(Decimal(text)) * 1_000_000,)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.data())
def test_a_document_damaged_anywhere_is_refused_with_words_or_still_means_something(data):
    """Replace one value anywhere: the answer is a Tariff or a ConfigError, never another exception."""
    doc = json.loads(json.dumps(data.draw(documents())))
    place = doc
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    try:
        t = parse.tariff(doc)
    except ConfigError as error:
        assert error.path and error.args[1]
        return
    assert 0 <= rates.rate_at(t, 2026, 6, 15, 0, 720) < len(t.prices_micro)


@given(json_values)
def test_any_json_is_settings_or_is_refused_with_words(value):
    for doc in (value, {"meter_number": "1", "dst": value}, {"meter_number": "1", "alarm1": value}):
        try:
            parse.settings(doc)
        except ConfigError as error:
            assert error.path and error.args[1]
