# SPDX-License-Identifier: Apache-2.0
"""The tariff: which rate when, and every way to write the document wrongly."""

import json

from meter.core import calendar, rates
from meter.core.errors import ConfigError
from meter.documents import parse

HOME = """{
  "name": "Home 2026", "currency": "EUR",
  "rates": [{"name": "night", "price": "0.1825"}, {"name": "day", "price": "0.2940"},
            {"name": "peak", "price": "0.412345"}, {"name": "free", "price": "0"}],
  "days": {"weekday": [["00:00", "night"], ["06:30", "day"], ["17:00", "peak"], ["20:00", "day"],
                       ["22:00", "night"]],
           "saturday": [["00:00", "night"], ["08:00", "day"]],
           "sunday": [["00:00", "night"]],
           "holiday": [["00:00", "free"]]},
  "weeks": {"winter": ["weekday", "weekday", "weekday", "weekday", "weekday", "saturday", "sunday"],
            "summer": ["saturday", "saturday", "saturday", "saturday", "saturday", "sunday", "sunday"]},
  "seasons": [["04-01", "summer"], ["10-15", "winter"]],
  "special_days": [["*-12-25", "sunday"], ["2026-12-25", "holiday"], ["*-02-29", "holiday"],
                   ["2026-05-01", "sunday"]],
  "fallback": "day"}"""
NIGHT, DAY, PEAK, FREE = 0, 1, 2, 3


def home(**changes):
    doc = json.loads(HOME)
    doc.update(changes)
    return doc


def without(key):
    doc = json.loads(HOME)
    del doc[key]
    return doc


def refusal(doc):
    try:
        parse.tariff(doc)
    except ConfigError as error:
        return str(error)
    raise AssertionError("accepted")


def day(*entries):
    """The document with another weekday profile."""
    doc = json.loads(HOME)
    doc["days"]["weekday"] = list(entries)
    return doc


def hm(text):
    return int(text[:2]) * 60 + int(text[3:])


def test_rates_prices_and_fallback():
    t = parse.tariff(home())
    assert t.name == "Home 2026" and t.currency == "EUR"
    assert t.rate_names == ("night", "day", "peak", "free")
    assert t.prices_micro == (182_500, 294_000, 412_345, 0)
    assert t.fallback == DAY


def test_switches_at_the_minute_written():
    t = parse.tariff(home())
    for time, rate in (
        ("00:00", NIGHT), ("06:29", NIGHT), ("06:30", DAY), ("16:59", DAY), ("17:00", PEAK), ("19:59", PEAK),
        ("20:00", DAY), ("21:59", DAY), ("22:00", NIGHT), ("23:59", NIGHT),
    ):  # fmt: skip
        assert rates.rate_at(t, 2026, 1, 7, 2, hm(time)) == rate, time


def test_weekday_chooses_the_day():
    t = parse.tariff(home())
    noon = hm("12:00")
    assert [rates.rate_at(t, 2026, 1, 5 + i, i, noon) for i in range(7)] == [DAY] * 6 + [NIGHT]
    assert rates.rate_at(t, 2026, 1, 9, 4, hm("18:00")) == PEAK  # Friday
    assert rates.rate_at(t, 2026, 1, 10, 5, hm("18:00")) == DAY  # Saturday


def test_season_begins_on_its_date_and_the_last_wraps_over_new_year():
    t = parse.tariff(home())
    evening = hm("18:00")
    assert rates.rate_at(t, 2026, 3, 31, 1, evening) == PEAK  # winter of last year
    assert rates.rate_at(t, 2026, 4, 1, 2, evening) == DAY
    assert rates.rate_at(t, 2026, 10, 14, 2, evening) == DAY
    assert rates.rate_at(t, 2026, 10, 15, 3, evening) == PEAK
    assert rates.rate_at(t, 2026, 12, 31, 3, evening) == PEAK
    assert rates.rate_at(t, 2027, 1, 1, 4, evening) == PEAK


def test_special_day_goes_before_the_week():
    t = parse.tariff(home())
    noon = hm("12:00")
    assert rates.rate_at(t, 2026, 5, 1, 4, noon) == NIGHT
    assert rates.rate_at(t, 2027, 5, 1, 5, noon) == NIGHT  # no special day, but a summer Saturday
    assert rates.rate_at(t, 2027, 5, 3, 0, noon) == DAY
    assert rates.rate_at(t, 2025, 12, 25, 3, noon) == NIGHT
    assert rates.rate_at(t, 2027, 12, 25, 5, noon) == NIGHT
    assert rates.rate_at(t, 2028, 2, 29, 1, noon) == FREE


def test_special_day_of_one_year_goes_before_that_of_every_year():
    t = parse.tariff(home())
    assert rates.rate_at(t, 2026, 12, 25, 4, hm("12:00")) == FREE


def test_rate_until_tells_how_long_the_answer_holds():
    t = parse.tariff(home())
    assert rates.rate_until(t, 2026, 1, 7, 2, 0) == (NIGHT, hm("06:30"))
    assert rates.rate_until(t, 2026, 1, 7, 2, hm("06:29")) == (NIGHT, hm("06:30"))
    assert rates.rate_until(t, 2026, 1, 7, 2, hm("06:30")) == (DAY, hm("17:00"))
    assert rates.rate_until(t, 2026, 1, 7, 2, hm("23:59")) == (NIGHT, 1440)
    assert rates.rate_until(t, 2026, 1, 11, 6, 0) == (NIGHT, 1440)


def test_rate_until_agrees_with_every_minute_of_a_day():
    t = parse.tariff(home())
    rate = until = 0
    for minute in range(1440):
        if minute >= until:
            rate, until = rates.rate_until(t, 2026, 1, 7, 2, minute)
        assert rates.rate_at(t, 2026, 1, 7, 2, minute) == rate


def test_flat_tariff_in_one_line():
    t = parse.tariff({"name": "Flat", "currency": "EUR", "price": "0.30"})
    assert t.rate_names == ("flat",) and t.prices_micro == (300_000,) and t.fallback == 0
    for month in range(1, 13):
        assert rates.rate_until(t, 2026, month, 1, month % 7, 700) == (0, 1440)


def test_flat_price_goes_with_nothing_else():
    assert refusal(home(price="0.3")).endswith(': does not go with a single "price"')


def test_week_and_seasons_may_be_left_out_when_there_is_one():
    doc = {
        "name": "Two", "currency": "EUR", "fallback": "lo",
        "rates": [{"name": "lo", "price": "0.1"}, {"name": "hi", "price": "0.2"}],
        "days": {"all": [["00:00", "lo"], ["07:00", "hi"]]},
    }  # fmt: skip
    t = parse.tariff(doc)
    for weekday in range(7):
        assert rates.rate_at(t, 2026, 6, 1 + weekday, weekday, 419) == 0
        assert rates.rate_at(t, 2026, 6, 1 + weekday, weekday, 420) == 1
    doc["weeks"] = {"only": ["all"] * 7}
    assert rates.rate_at(parse.tariff(doc), 2026, 6, 1, 0, 420) == 1


def test_one_rate_needs_no_fallback():
    doc = {
        "name": "One", "currency": "EUR",
        "rates": [{"name": "x", "price": "1"}], "days": {"d": [["00:00", "x"]]},
    }  # fmt: skip
    assert parse.tariff(doc).fallback == 0


def test_eight_rates_and_full_tables_fit():
    rows = [{"name": "r%d" % i, "price": "%d" % (i + 1)} for i in range(8)]
    days = {}
    for i in range(24):
        days["day-profile-%d" % i] = [["%02d:%02d" % (h, h), "r%d" % ((h + i) % 8)] for h in range(4)]
    days["day-profile-23"] += [["%02d:%02d" % (h, h), "r%d" % ((h + 23) % 8)] for h in range(4, 8)]
    weeks = {}
    for i in range(12):
        weeks["week %d" % i] = ["day-profile-%d" % (i * 2 + j % 2) for j in range(7)]
    t = parse.tariff({
        "name": "Full", "currency": "EUR", "rates": rows, "days": days, "weeks": weeks,
        "seasons": [["%02d-01" % (i + 1), "week %d" % i] for i in range(12)],
        "special_days": [["20%02d-06-15" % i, "day-profile-23"] for i in range(64)],
        "fallback": "r7",
    })  # fmt: skip
    assert t.fallback == 7
    for month in range(1, 13):
        for weekday in range(7):
            for hour in range(24):
                profile = (month - 1) * 2 + weekday % 2
                h = min(hour, 7 if profile == 23 else 3)
                assert rates.rate_at(t, 2099, month, 2, weekday, hour * 60 + 59) == (h + profile) % 8
    assert rates.rate_at(t, 2063, 6, 15, 4, 0) == 23 % 8


def test_days_with_gaps_overlaps_and_unknown_rates_are_refused():
    for doc, words in (
        (day(["06:30", "day"]), "days.weekday[0]: begins at 06:30; a day must begin at 00:00"),
        (day(["00:00", "day"], ["22:00", "night"], ["06:00", "day"]),
         "days.weekday[2]: 06:00 comes after 22:00; times must rise"),
        (day(["00:00", "day"], ["22:00", "night"], ["22:00", "day"]),
         "days.weekday[2]: 22:00 is there twice"),
        (day(["00:00", "day"], ["00:00", "night"]), "days.weekday[1]: 00:00 is there twice"),
        (day(["00:00", "dusk"]), 'days.weekday[0]: no rate is called "dusk"'),
        (day(["00:00", None]), "days.weekday[0]: needs the name of a rate"),
        (day(["24:00", "day"]), 'days.weekday[0]: must be a time from "00:00" to "23:59"'),
        (day(["0:00", "day"]), 'days.weekday[0]: must be a time from "00:00" to "23:59"'),
        (day(["00:60", "day"]), 'days.weekday[0]: must be a time from "00:00" to "23:59"'),
        (day([0, "day"]), 'days.weekday[0]: must be a time from "00:00" to "23:59"'),
        (day(["00:00"]), 'days.weekday[0]: must read ["06:30", "rate"]'),
        (day("00:00"), 'days.weekday[0]: must read ["06:30", "rate"]'),
        (day(), "days.weekday: has 0 entries; must be 1 to 16"),
        (day(*[["%02d:00" % h, "day"] for h in range(17)]), "days.weekday: has 17 entries; must be 1 to 16"),
    ):  # fmt: skip
        assert refusal(doc) == words, (refusal(doc), words)


def test_more_switches_than_the_heap_can_read_are_refused():
    doc = home()
    for i in range(6):
        doc["days"]["long%d" % i] = [["%02d:00" % h, "day"] for h in range(16)]
    assert refusal(doc) == "days: hold 105 switch times together; must be 1 to 100"


def rate(**changes):
    doc = json.loads(HOME)
    doc["rates"][1].update(changes)
    return doc


def test_bad_rates_are_refused():
    for doc, words in (
        (rate(price="-0.10"), 'rates[1].price: "-0.10" is below 0'),
        (rate(price="100000.000001"), 'rates[1].price: "100000.000001" is above 100000'),
        (rate(price="0.1234567"), 'rates[1].price: "0.1234567" has more than 6 decimals'),
        (rate(price=0.294), 'rates[1].price: must be an amount in quotes, such as "0.25"'),
        (rate(price=1), 'rates[1].price: must be an amount in quotes, such as "0.25"'),
        (rate(price=None), 'rates[1].price: must be an amount in quotes, such as "0.25"'),
        (rate(name="night"), 'rates[1].name: "night" is there twice'),
        (rate(name=""), "rates[1].name: must be 1 to 12 plain letters, digits or signs"),
        (rate(name="thirteen char"), "rates[1].name: must be 1 to 12 plain letters, digits or signs"),
        (rate(name="\u00e9t\u00e9"), "rates[1].name: must be 1 to 12 plain letters, digits or signs"),
        (rate(cost="1"), "rates[1].cost: is not known here"),
        (home(rates=[]), "rates: has 0 entries; must be 1 to 8"),
        (
            home(rates=[{"name": "r%d" % i, "price": "1"} for i in range(9)]),
            "rates: has 9 entries; must be 1 to 8",
        ),
        (home(rates={"day": "1"}), "rates: must be a JSON list"),
        (home(rates=["day"]), "rates[0]: must be a JSON object"),
        (home(fallback="dusk"), 'fallback: no rate is called "dusk"'),
        (home(fallback=1), 'fallback: no rate is called "1"'),
        (without("fallback"), "fallback: needs the name of a rate"),
    ):
        assert refusal(doc) == words, (refusal(doc), words)


def test_longest_rate_name_is_taken():
    for longest in ("12 chars  ~!", "x"):
        doc = {"name": "One", "currency": "EUR", "rates": [{"name": longest, "price": "1"}]}
        doc["days"] = {"d": [["00:00", longest]]}
        assert parse.tariff(doc).rate_names == (longest,)
    assert parse.tariff(home(name="twenty characters !!")).name == "twenty characters !!"
    assert refusal(home(name="twenty-one characters")).startswith("name: must be 1 to 20 ")


def test_highest_price_is_taken():
    assert parse.tariff(rate(price="100000")).prices_micro[1] == 100_000_000_000
    assert parse.tariff(rate(price="100000.000000")).prices_micro[1] == 100_000_000_000


def test_bad_weeks_are_refused():
    week = ["weekday"] * 7
    for weeks, words in (
        ({"winter": week}, 'seasons[0]: no week is called "summer"'),
        ({"winter": week[1:], "summer": week}, "weeks.winter: must list seven days, Monday first"),
        ({"winter": week + week, "summer": week}, "weeks.winter: must list seven days, Monday first"),
        ({"winter": "weekday", "summer": week}, "weeks.winter: must list seven days, Monday first"),
        ({"winter": week[1:] + ["friday"], "summer": week}, 'weeks.winter[6]: no day is called "friday"'),
        ({"winter": week[1:] + [None], "summer": week}, "weeks.winter[6]: needs the name of a day"),
        ({}, "weeks: has 0 entries; must be 1 to 12"),
        ([], "weeks: must be a JSON object"),
        (None, "weeks: is missing"),
    ):
        assert refusal(home(weeks=weeks)) == words, (refusal(home(weeks=weeks)), words)


def test_bad_seasons_are_refused():
    for seasons, words in (
        (
            [["04-01", "summer"], ["04-01", "winter"]],
            "seasons[1]: 04-01 does not come after 04-01; dates must rise",
        ),
        (
            [["04-01", "summer"], ["03-31", "winter"]],
            "seasons[1]: 03-31 does not come after 04-01; dates must rise",
        ),
        ([["02-29", "summer"]], "seasons[0]: 02-29 is not a day of the calendar"),
        ([["04-31", "summer"]], "seasons[0]: 04-31 is not a day of the calendar"),
        ([["00-01", "summer"]], "seasons[0]: 00-01 is not a day of the calendar"),
        ([["13-01", "summer"]], "seasons[0]: 13-01 is not a day of the calendar"),
        ([["4-1", "summer"]], "seasons[0]: is not a date"),
        ([["04/01", "summer"]], "seasons[0]: is not a date"),
        ([[401, "summer"]], "seasons[0]: is not a date"),
        ([["2026-04-01", "summer"]], "seasons[0]: is not a date"),
        ([["04-01", "spring"]], 'seasons[0]: no week is called "spring"'),
        ([["04-01"]], 'seasons[0]: must read ["04-01", "week"]'),
        ([], "seasons: has 0 entries; must be 1 to 12"),
        (None, "seasons: is missing"),
        ({}, "seasons: must be a JSON list"),
    ):
        assert refusal(home(seasons=seasons)) == words, (refusal(home(seasons=seasons)), words)


def test_bad_special_days_are_refused():
    for special, words in (
        ([["2026-02-29", "sunday"]], "special_days[0]: 02-29 is not a day of the calendar"),
        ([["*-02-30", "sunday"]], "special_days[0]: 02-30 is not a day of the calendar"),
        ([["2026-12-25", "sunday"], ["2026-12-25", "holiday"]], "special_days[1]: 2026-12-25 is there twice"),
        ([["*-12-25", "sunday"], ["*-12-25", "sunday"]], "special_days[1]: *-12-25 is there twice"),
        ([["12-25", "sunday"]], 'special_days[0]: must be a date such as "2026-12-25" or "*-12-25"'),
        ([["1999-12-25", "sunday"]], 'special_days[0]: must be a date such as "2026-12-25" or "*-12-25"'),
        ([[20261225, "sunday"]], 'special_days[0]: must be a date such as "2026-12-25" or "*-12-25"'),
        ([["2026-12-2x", "sunday"]], "special_days[0]: is not a date"),
        ([["2026-12-25", "christmas"]], 'special_days[0]: no day is called "christmas"'),
        ([["2026-12-25"]], 'special_days[0]: must read ["2026-12-25", "day"] or ["*-12-25", "day"]'),
        (
            [["20%02d-01-01" % i, "sunday"] for i in range(65)],
            "special_days: has 65 entries; must be 1 to 64",
        ),
        ({}, "special_days: must be a JSON list"),
        (None, "special_days: is missing"),
        (0, "special_days: must be a JSON list"),
    ):
        assert refusal(home(special_days=special)) == words, (refusal(home(special_days=special)), words)
    assert rates.rate_at(parse.tariff(home(special_days=[])), 2026, 12, 25, 4, 0) == NIGHT


def flat(**more):
    doc = {"name": "Flat", "currency": "EUR", "price": "0.30"}
    doc.update(more)
    return doc


MORE = {"standing": "0.25", "steps": [[100, "0.05"], [300, "0.100001"]], "from": "2027-01-01 00:00"}
KWH = 320_000


def test_standing_steps_and_from_go_with_any_tariff():
    for doc in (home(), flat()):
        plain = parse.tariff(doc)
        assert (plain.standing_micro, plain.steps, plain.from_minute) == (0, (), 0)
        doc.update(MORE)
        t = parse.tariff(doc)
        assert t.standing_micro == 250_000
        assert t.steps == (100 * KWH, 50_000, 300 * KWH, 100_001)
        assert t.from_minute == calendar.utc(2027, 1, 1) // 60
        assert t.prices_micro == plain.prices_micro


def test_from_is_a_minute_of_local_time():
    for text, minute in (
        ("2000-01-01 00:00", 0),
        ("2000-01-01 00:01", 1),
        ("2028-02-29 23:59", calendar.utc(2028, 2, 29, 23, 59) // 60),
        ("2099-12-31 06:30", calendar.utc(2099, 12, 31, 6, 30) // 60),
    ):
        assert parse.tariff(flat(**{"from": text})).from_minute == minute, text


def test_bad_times_to_begin_are_refused():
    when = 'from: must be a time such as "2027-01-01 00:00"'
    for text, words in (
        ("2027-01-01", when), ("2027-01-01T00:00", when), ("2027-01-01 00:00:00", when), ("", when), (None, when),
        (20270101, when), ("1999-12-31 00:00", when), ("2127-1-1 000:00", when), ("20x7-01-01 00:00", when),
        ("2027/01/01 00:00", when), (["2027-01-01 00:00"], when), ("2027-01-01-00:00", when),
        ("2027-02-29 00:00", "from: 02-29 is not a day of the calendar"),
        ("2027-13-01 00:00", "from: 13-01 is not a day of the calendar"),
        ("2027-00-01 00:00", "from: 00-01 is not a day of the calendar"),
        ("2027-01/01 00:00", "from: is not a date"),
        ("2027-01-01 24:00", 'from: must be a time from "00:00" to "23:59"'),
        ("2027-01-01 00-00", 'from: must be a time from "00:00" to "23:59"'),
    ):  # fmt: skip
        assert refusal(flat(**{"from": text})) == words, (text, refusal(flat(**{"from": text})), words)


def test_bad_standing_charges_are_refused():
    for value, words in (
        ("-0.01", 'standing: "-0.01" is below 0'),
        ("100000.000001", 'standing: "100000.000001" is above 100000'),
        ("0.1234567", 'standing: "0.1234567" has more than 6 decimals'),
        (0.25, 'standing: must be an amount in quotes, such as "0.25"'),
        (None, 'standing: must be an amount in quotes, such as "0.25"'),
    ):
        assert refusal(flat(standing=value)) == words, (refusal(flat(standing=value)), words)
    assert parse.tariff(flat(standing="100000")).standing_micro == 100_000_000_000


def test_bad_steps_are_refused():
    reads = 'steps[0]: must read [100, "0.05"]'
    for steps, words in (
        ([], "steps: has 0 entries; must be 1 to 6"),
        ([[i + 1, "0.01"] for i in range(7)], "steps: has 7 entries; must be 1 to 6"),
        ({}, "steps: must be a JSON list"),
        (None, "steps: is missing"),
        ([100, "0.05"], reads),
        ([[100]], reads),
        ([[100, "0.05", 1]], reads),
        ([["100", "0.05"]], "steps[0]: must be a whole number"),
        ([[100.5, "0.05"]], "steps[0]: must be a whole number"),
        ([[0, "0.05"]], "steps[0]: 0 is not between 1 and 1000000"),
        ([[1_000_001, "0.05"]], "steps[0]: 1000001 is not between 1 and 1000000"),
        ([[100, "0.05"], [100, "0.05"]], "steps[1]: 100 does not come after 100; steps must rise"),
        ([[100, "0.05"], [99, "0.05"]], "steps[1]: 99 does not come after 100; steps must rise"),
        ([[100, 0.05]], 'steps[0]: must be an amount in quotes, such as "0.25"'),
        ([[100, "100000.000001"]], 'steps[0]: "100000.000001" is above 100000'),
        ([[100, "-100000.000001"]], 'steps[0]: "-100000.000001" is below -100000'),
        ([[100, "-0.300001"]], "steps[0]: makes the cheapest rate cost less than nothing"),
        ([[1, "0.1"], [2, "-0.2"], [3, "-0.21"]], "steps[2]: makes the cheapest rate cost less than nothing"),
    ):
        assert refusal(flat(steps=steps)) == words, (refusal(flat(steps=steps)), words)
    assert refusal(home(steps=[[1, "-0.000001"]])) == "steps[0]: makes the cheapest rate cost less than nothing"


def test_steps_may_make_energy_free():
    assert parse.tariff(flat(steps=[[1, "-0.3"]])).steps == (KWH, -300_000)
    assert parse.tariff(flat(steps=[[1, "-0.2"], [1_000_000, "-0.1"]])).steps[2] == 1_000_000 * KWH
    assert len(parse.tariff(flat(steps=[[i + 1, "0"] for i in range(6)])).steps) == 12


def signal(begins="2027-01-15 17:00", ends="2027-01-15 20:00", price="0.90", name="Peak event"):
    return [begins, ends, price, name]


def test_price_signals_are_minutes_of_local_time_a_price_and_a_name():
    begins = calendar.days(2027, 1, 15) * 1440 + 17 * 60
    assert parse.tariff(flat(signals=[signal()])).signals == ((begins, begins + 180, 900_000, "Peak event"),)
    assert parse.tariff(flat(signals=[])).signals == parse.tariff(flat()).signals == ()
    follow = [signal(), signal("2027-01-15 20:00", "2027-01-16 01:00", "0", "Free")]
    assert [entry[2] for entry in parse.tariff(home(signals=follow)).signals] == [900_000, 0]


def test_bad_price_signals_are_refused():
    reads = 'signals[0]: must read ["2027-01-15 17:00", "2027-01-15 20:00", "0.90", "name"]'
    order = "signals[%d]: must begin after the one before, and before it ends"
    for entries, words in (
        ([[]], reads),
        (["x"], reads),
        ([signal()[:3]], reads),
        ([signal(ends="2027-01-15 17:00")], order % 0),
        ([signal(), signal("2027-01-15 19:59", "2027-01-15 21:00")], order % 1),
        ([signal("17:00")], 'signals[0]: must be a time such as "2027-01-01 00:00"'),
        ([signal(price="-0.01")], 'signals[0]: "-0.01" is below 0'),
        ([signal(name="")], "signals[0]: must be 1 to 12 plain letters, digits or signs"),
        ([signal(name="thirteen long")], "signals[0]: must be 1 to 12 plain letters, digits or signs"),
    ):
        assert refusal(flat(signals=entries)) == words, (refusal(flat(signals=entries)), words)
    many = [signal("2027-01-%02d 17:00" % (i + 1), "2027-01-%02d 18:00" % (i + 1)) for i in range(13)]
    assert refusal(flat(signals=many)) == "signals: has 13 entries; must be 1 to 12"


def test_a_price_signal_with_all_steps_must_not_cost_less_than_nothing():
    steps = [[1, "-0.2"], [2, "0.1"]]
    assert parse.tariff(flat(steps=steps, signals=[signal(price="0.2")])).signals
    words = "signals[0]: with the steps costs less than nothing"
    assert refusal(flat(steps=steps, signals=[signal(price="0.199999")])) == words


def test_missing_keys_are_named():
    for key in ("rates", "days", "weeks", "seasons"):
        assert refusal(without(key)) == key + ": is missing"
    for key in ("name", "currency"):
        assert refusal(without(key)).startswith(key + ": must be ")


def test_unknown_keys_are_named_with_the_nearest_known():
    doc = home()
    doc["special_day"] = []
    assert refusal(doc) == 'special_day: is not known here; did you mean "special_days"?'


def test_what_is_no_document():
    for doc in (None, 1, "x", []):
        assert refusal(doc) == "document: must be a JSON object"


def test_every_value_of_another_type_is_refused_and_never_crashes():
    for key in (
        "name", "currency", "rates", "days", "weeks", "seasons", "fallback", "standing", "steps", "from", "signals",
    ):  # fmt: skip
        for value in (None, True, 0, -1, 3.5, "", "?", [], {}, [None], {"x": None}, [[]], [{}], [[[], []]]):
            if (key, value) not in (("name", "?"), ("signals", [])):
                assert refusal(home(**{key: value})), (key, value)
