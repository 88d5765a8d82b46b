# SPDX-License-Identifier: Apache-2.0
"""The settings document: what is taken, what is refused, and with which words."""

import json

from meter.core import calendar
from meter.core import settings as config
from meter.core.errors import CardError, ConfigError, MeterError
from meter.documents import parse


def settings(**changes):
    doc = {"meter_number": "00012345"}
    doc.update(changes)
    return parse.settings(json.loads(json.dumps(doc)))


def refusal(doc):
    try:
        parse.settings(doc)
    except ConfigError as error:
        return str(error)
    raise AssertionError("accepted")


def refusal_of(**changes):
    changes["meter_number"] = changes.get("meter_number", "1")
    return refusal(changes)


def test_meter_number_alone_gives_the_defaults():
    s = settings()
    plain = config.Settings()
    assert s.meter_number == "00012345"
    for name in plain.__dict__:
        if name not in ("meter_number", "watch"):  # what is watched for: test_watch.py
            assert getattr(s, name) == getattr(plain, name), name
    assert (s.phases, s.currency, s.decimals, s.dst, s.provisioned) == (1, "EUR", 2, None, False)
    assert (s.alarm1_micro, s.alarm2_micro, s.overdraft_micro, s.hoard_micro) == (10_000_000, 5_000_000, 0, -1)
    assert (s.overload_w, s.overload_hold_s, s.overload_wait_s, s.relay_pulse_ms) == (0, 30, 0, 60)
    assert (s.utc_offset_min, s.pulse_constant, s.initial_credit_micro) == (0, 3200, 0)
    assert (s.emergency_micro, s.debt_day_micro, s.debt_percent, s.friendly) == (0, 0, 0, None)
    assert (s.three_wire, s.u_nominal_v, s.base_a, s.i_max_ma, s.current_scale) == (False, 230, 5, 60_000, 1)
    assert (s.exports, s.demand_min, s.billing_day, s.profile_min, s.tamper_trips) == (False, 15, 1, 15, 0)


def test_every_setting_can_be_set():
    s = settings(
        phases=3, currency="KES", decimals=0, utc_offset_min=180, dst="eu", alarm1="100", alarm2="50.5",
        overdraft="20.25", hoard="50000", initial_credit="0.000001", overload_w=11_000, overload_hold_s=60,
        overload_wait_s=180, relay_pulse_ms=100, pulse_constant=3200, provisioned=True, emergency="15",
        debt_per_day="0.75", debt_percent=40, three_wire=True, nominal_v=120, base_a=10, max_a=100, exports=True,
        demand_min=30, billing_day=15, profile_min=5, tamper_trips=["magnet"],
        friendly={"from": "18:00", "until": "08:30", "weekend": True, "holidays": ["2026-12-24", "*-01-01"]},
    )  # fmt: skip
    assert (s.phases, s.currency, s.decimals, s.utc_offset_min) == (3, "KES", 0, 180)
    assert s.dst == calendar.DST_EU
    assert (s.alarm1_micro, s.alarm2_micro) == (100_000_000, 50_500_000)
    assert (s.overdraft_micro, s.hoard_micro, s.initial_credit_micro) == (20_250_000, 50_000_000_000, 1)
    assert (s.overload_w, s.overload_hold_s, s.overload_wait_s) == (11_000, 60, 180)
    assert s.relay_pulse_ms == 100 and s.provisioned is True
    assert (s.emergency_micro, s.debt_day_micro, s.debt_percent) == (15_000_000, 750_000, 40)
    assert (s.three_wire, s.u_nominal_v, s.base_a, s.i_max_ma, s.current_scale) == (True, 120, 10, 100_000, 2)
    assert (s.exports, s.demand_min, s.billing_day, s.profile_min, s.tamper_trips) == (True, 30, 15, 5, 2)
    assert s.friendly == (1080, 510, True, bytes((26, 12, 24, calendar.EVERY_YEAR, 1, 1)))


def test_daylight_saving_rule_in_words():
    rule = {"start": [3, 2, "sun", "02:00"], "end": [11, 1, "sun", "02:00"], "shift_min": 60, "basis": "wall"}
    assert settings(dst=rule).dst == ((3, 2, 6, 120), (11, 1, 6, 120), 60, calendar.BASIS_WALL)
    rule["basis"] = "standard"
    assert settings(dst=rule).dst[3] == calendar.BASIS_STANDARD
    eu = {"start": [3, 5, "sun", "01:00"], "end": [10, 5, "sun", "01:00"], "basis": "utc"}
    assert settings(dst=eu).dst == calendar.DST_EU


def test_amounts_are_exact():
    for text, value in (
        ("0.1", 100_000),
        ("0.000001", 1),
        ("999999.999999", 999_999_999_999),
        ("7", 7_000_000),
    ):
        assert settings(overdraft=text).overdraft_micro == value


def test_alarm_2_may_lie_within_the_overdraft():
    assert settings(alarm1="0", alarm2="-3", overdraft="3").alarm2_micro == -3_000_000
    assert refusal_of(alarm2="-3.000001", overdraft="3").startswith("alarm2: ")


def test_refusals_name_the_place_and_the_remedy():
    for changes, words in (
        ({"alarm1": 10.5}, 'alarm1: must be an amount in quotes, such as "0.25"'),
        ({"alarm1": "1,5"}, 'alarm1: "1,5" is not an amount such as "0.25"'),
        ({"overdraft": "-1"}, 'overdraft: "-1" is below 0'),
        ({"overdraft": "1.0000001"}, 'overdraft: "1.0000001" has more than 6 decimals'),
        ({"phases": 2}, "phases: must be 1 or 3"),
        ({"phases": "3"}, "phases: must be a whole number"),
        ({"decimals": 5}, "decimals: 5 is not between 0 and 4"),
        ({"currency": "eur"}, 'currency: must be three capitals such as "EUR"'),
        ({"provisioned": 1}, "provisioned: must be true or false"),
        ({"alarm_1": "10"}, 'alarm_1: is not known here; did you mean "alarm1"?'),
        ({"overload": 3000}, 'overload: is not known here; did you mean "overload_w"?'),
        ({"zzz": 1}, "zzz: is not known here"),
        ({"": 1}, "document: is not known here"),
        ({"alarm1": "4", "alarm2": "5"}, "alarm2: is above alarm1, which must come first"),
        ({"hoard": "10"}, "hoard: would leave no room for credit above alarm1"),
        ({"pulse_constant": 1600}, "pulse_constant: must be 3200"),
        ({"emergency": 5}, 'emergency: must be an amount in quotes, such as "0.25"'),
        ({"emergency": "-1"}, 'emergency: "-1" is below 0'),
        ({"emergency": "1000000001"}, 'emergency: "1000000001" is above 1000000000'),
        ({"emergency": "50.01", "hoard": "50"}, "emergency: is above the hoarding cap"),
        ({"debt_per_day": "-0.01"}, 'debt_per_day: "-0.01" is below 0'),
        ({"debt_per_day": 1}, 'debt_per_day: must be an amount in quotes, such as "0.25"'),
        ({"debt_percent": "40"}, "debt_percent: must be a whole number"),
        ({"debt_day": "1"}, 'debt_day: is not known here; did you mean "debt_per_day"?'),
        ({"three_wire": True}, "three_wire: needs three phases"),
        ({"three_wire": 1, "phases": 3}, "three_wire: must be true or false"),
        ({"exports": None}, "exports: must be true or false"),
        ({"nominal_v": 49}, "nominal_v: 49 is not between 50 and 300"),
        ({"nominal_v": 301}, "nominal_v: 301 is not between 50 and 300"),
        ({"max_a": 0}, "max_a: 0 is not between 1 and 100"),
        ({"max_a": 101}, "max_a: 101 is not between 1 and 100"),
        ({"demand_min": 7}, "demand_min: must divide an hour"),
        ({"profile_min": 40}, "profile_min: must divide an hour"),
        ({"dst": "us"}, "dst: must be a JSON object"),
        (
            {"dst": {"start": [3, 5, "sunday", "02:00"]}},
            'dst.start: must read [month, week, "sun", "02:00"] or ["03-21", "02:00"]',
        ),
    ):
        assert refusal_of(**changes) == words, (refusal_of(**changes), words)


def test_what_is_no_amount():
    for text in (
        "", ".", "1.", ".5", "+1", "--1", "- 1", "1e3", " 1", "1 ", "0x1", "1_0", "\u0661", "1.2.3", "NaN",
        "12345678901", "1000000001", None, True, 5, [], {},
    ):  # fmt: skip
        assert refusal_of(overdraft=text).startswith("overdraft: "), text


def test_whole_numbers_take_nothing_else():
    for value in (True, "30", 30.0, None, [30], 0, 3601, -1):
        assert refusal_of(overload_hold_s=value).startswith("overload_hold_s: "), value


def test_ranges_include_their_ends():
    for key, low, high in (
        ("utc_offset_min", -720, 840), ("decimals", 0, 4), ("overload_w", 0, 1_000_000), ("phases", 1, 3),
        ("overload_hold_s", 1, 3600), ("overload_wait_s", 0, 3600), ("relay_pulse_ms", 50, 500),
        ("debt_percent", 0, 100), ("base_a", 1, 100), ("billing_day", 1, 28), ("demand_min", 1, 60),
        ("profile_min", 1, 60),
    ):  # fmt: skip
        for value in (low, high):
            assert getattr(settings(**{key: value}), key) == value
        for value in (low - 1, high + 1):
            assert refusal_of(**{key: value}) == "%s: %d is not between %d and %d" % (key, value, low, high)


def test_limits_may_meet():
    assert settings(alarm1="5", alarm2="5").alarm2_micro == 5_000_000
    assert settings(overdraft="3", alarm2="-3").alarm2_micro == -3_000_000
    assert settings(hoard="11", initial_credit="11").initial_credit_micro == 11_000_000
    assert refusal_of(hoard="11", initial_credit="11.01").startswith("initial_credit: ")
    assert settings(hoard="50", emergency="50").emergency_micro == 50_000_000


def test_nearest_name_is_suggested_only_when_it_is_near():
    for key, name in (
        ("alarm3", "alarm1"), ("overload_hold", "overload_hold_s"), ("relay_puls_ms", "relay_pulse_ms"),
        ("meternumber", "meter_number"), ("utc_offset", "utc_offset_min"), ("currencies", "currency"),
    ):  # fmt: skip
        words = refusal_of(**{key: 1})
        assert words == '%s: is not known here; did you mean "%s"?' % (key, name), words
    for key in ("a", "limit", "power_w", "x" * 40):
        assert refusal_of(**{key: 1}) == key + ": is not known here"


def test_meter_numbers():
    for good in ("1", "A-1", "123456789012", "ZZ-0000-99"):
        assert settings(meter_number=good).meter_number == good
    for bad in ("", "1234567890123", "a1", "1 2", "1_2", 12, None, "\u00c4"):
        assert refusal({"meter_number": bad}).startswith("meter_number: "), bad
    assert refusal({}).startswith("meter_number: ")


def test_an_edge_of_summer_time_may_be_hours_away_from_its_day_or_on_a_date():
    for text, minute in (("24:00", 1440), ("50:00", 3000), ("-01:00", -60), ("167:00", 10020), ("-167:00", -10020)):
        rule = {"start": [3, 4, "thu", text], "end": [10, 5, "sun", "02:00"]}
        assert settings(dst=rule).dst[0] == (3, 4, 3, minute)
    rule = {"start": ["03-20", "24:00"], "end": ["09-20", "24:00"]}
    assert settings(dst=rule).dst[:2] == ((3, 20, 7, 1440), (9, 20, 7, 1440))


def test_bad_daylight_saving_rules():
    good = {"start": [3, 5, "sun", "02:00"], "end": [10, 5, "sun", "03:00"]}
    for change, place in (
        ({"start": None}, "dst.start"),
        ({"start": [3, 5, "sun"]}, "dst.start"),
        ({"start": [13, 5, "sun", "02:00"]}, "dst.start[0]"),
        ({"start": [0, 5, "sun", "02:00"]}, "dst.start[0]"),
        ({"end": [10, 6, "sun", "02:00"]}, "dst.end[1]"),
        ({"end": [10, 0, "sun", "02:00"]}, "dst.end[1]"),
        ({"end": [10, 1, 6, "02:00"]}, "dst.end"),
        ({"end": [10, 1, ["sun"], "02:00"]}, "dst.end"),
        ({"end": [10, 1, "sun", "2:00"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", "167:01"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", "-167:01"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", "24:60"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", "+24:00"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", "--1:00"]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", ""]}, "dst.end[3]"),
        ({"end": [10, 1, "sun", 24]}, "dst.end[3]"),
        ({"end": ["02-29", "24:00"]}, "dst.end[0]"),
        ({"end": ["10-31", "24"]}, "dst.end[1]"),
        ({"end": ["03-31", "24:00"]}, "dst.end"),
        ({"end": [3, 1, "sun", "02:00"]}, "dst.end"),
        ({"shift_min": 0}, "dst.shift_min"),
        ({"basis": "gmt"}, "dst.basis"),
        ({"begin": 1}, "dst.begin"),
    ):
        doc = dict(good)
        doc.update(change)
        assert refusal_of(dst=doc).startswith(place + ": "), (change, refusal_of(dst=doc))


def test_friendly_hours_in_parts():
    for doc, rule in (
        (None, None),
        ({}, (0, 0, False, b"")),
        ({"weekend": True}, (0, 0, True, b"")),
        ({"from": "00:00", "until": "00:00", "holidays": []}, (0, 0, False, b"")),
        ({"from": "22:00", "until": "06:00", "weekend": False}, (1320, 360, False, b"")),
        ({"holidays": ["*-02-29", "2000-01-01"]}, (0, 0, False, bytes((calendar.EVERY_YEAR, 2, 29, 0, 1, 1)))),
    ):
        assert settings(friendly=doc).friendly == rule, doc


def test_bad_friendly_hours():
    date = 'must be a date such as "2026-12-25" or "*-12-25"'
    for doc, words in (
        ("18:00", "friendly: must be a JSON object"),
        ([], "friendly: must be a JSON object"),
        (False, "friendly: must be a JSON object"),
        ({"from": "18:00"}, "friendly: needs both from and until, or neither"),
        ({"until": "08:00", "weekend": True}, "friendly: needs both from and until, or neither"),
        ({"from": "18", "until": "08:00"}, 'friendly.from: must be a time from "00:00" to "23:59"'),
        ({"from": "18:00", "until": "24:00"}, 'friendly.until: must be a time from "00:00" to "23:59"'),
        ({"from": None, "until": None}, 'friendly.from: must be a time from "00:00" to "23:59"'),
        ({"weekend": 1}, "friendly.weekend: must be true or false"),
        ({"weekend": None}, "friendly.weekend: must be true or false"),
        ({"weekends": True}, 'friendly.weekends: is not known here; did you mean "weekend"?'),
        ({"holidays": "2026-12-25"}, "friendly.holidays: must be a list of at most 32 days"),
        ({"holidays": ["*-01-01"] * 33}, "friendly.holidays: must be a list of at most 32 days"),
        ({"holidays": ["*-01-01", "12-25"]}, "friendly.holidays[1]: " + date),
        ({"holidays": [20261225]}, "friendly.holidays[0]: " + date),
        ({"holidays": ["1999-12-25"]}, "friendly.holidays[0]: " + date),
        ({"holidays": ["2026-02-29"]}, "friendly.holidays[0]: 02-29 is not a day of the calendar"),
        ({"holidays": ["*-02-30"]}, "friendly.holidays[0]: 02-30 is not a day of the calendar"),
        ({"holidays": ["*-2-3"]}, "friendly.holidays[0]: is not a date"),
    ):
        assert refusal_of(friendly=doc) == words, (refusal_of(friendly=doc), words)
    assert len(settings(friendly={"holidays": ["*-01-01"] * 32}).friendly[3]) == 96


def test_what_is_no_document():
    for doc in (None, 5, "text", [], [{}], True):
        assert refusal(doc) == "document: must be a JSON object"


def test_a_refused_document_leaves_the_parser_usable():
    refusal({})
    assert settings().phases == 1


def test_parser_is_not_kept_in_memory():
    import sys

    settings()
    refusal({})
    assert "meter.documents.settings_doc" not in sys.modules and "meter.documents.watch_doc" not in sys.modules
    assert "meter.documents.checks" not in sys.modules
    assert not hasattr(sys.modules["meter.documents"], "checks")


def test_errors_tell_code_and_text():
    error = CardError(3, "This purchase was used already")
    assert error.code == 3 and error.text == str(error) == "This purchase was used already"
    assert error.args == (3, "This purchase was used already")
    assert isinstance(error, MeterError) and isinstance(ConfigError("a", "b"), MeterError)
    place = ConfigError("days.sunday[1]", "is wrong")
    assert place.code == 0 and place.path == "days.sunday[1]" and place.text == "days.sunday[1]: is wrong"
