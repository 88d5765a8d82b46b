# SPDX-License-Identifier: Apache-2.0
"""Each rule of daylight saving in the time zone database, said in the settings' words, and kept to the second."""

import json
from datetime import timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from meter.core import calendar
from meter.core.zone import Zone
from meter.documents import parse
from typer.testing import CliRunner

from host_tests.unit.core.test_tariff_oracle import Y2000, posix_zone
from scripts.provision import cli, zones
from scripts.provision.errors import RefusedError

FROM, UNTIL = calendar.utc(2026, 1, 1), calendar.utc(2038, 1, 1)
# Rules that are in no zone today: the furthest POSIX allows, dates (Iran had these). zoneinfo keeps none whose edge
# falls into another year: host_tests/upy/test_calendar.py has those.
# Hours of two digits: zoneinfo of Python 3.11.2 (Debian 12) reads no more. Three: host_tests/upy/test_calendar.py.
OTHERS = [
    "<+0330>-3:30<+0430>,J79/24,J263/24",
    "AAA-1BBB,M3.2.1/99,M10.1.2/-99",
    "AAA12BBB11:30,M9.5.0/-24:30,M4.1.3/95",
    "AAA-2BBB,M11.5.0/90,M6.1.0/-20",
    "AAA3BBB,M5.5.6/26,M2.1.3/-95",
    "AAA-5BBB-7,J60/0,J365/23",
]


@cache
def rules() -> list:
    """Every rule by which a place goes."""
    names = available_timezones()
    assert len(names) > 400, "there is no time zone database here: pip's tzdata, which requirements.txt pins, is one"
    return sorted({zones.rule(name) for name in names})


def edges_of(zone):
    """(last second before, first second after) each change from 2026 to 2037, by bisection."""
    found = []
    before = FROM
    while before < UNTIL:
        after = min(before + 5 * 86_400, UNTIL)
        if zone(before) != zone(after):
            low, high = before, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if zone(middle) == zone(low) else (low, middle)
            found.append(high)
        before = after
    return found


def keeps(text):
    """The settings' words for a rule and zoneinfo agree at each second around each change, and in between."""
    oracle = posix_zone(text)

    def truth(utc_s):
        return int((Y2000 + timedelta(seconds=utc_s)).astimezone(oracle).utcoffset().total_seconds())

    said = zones.from_rule(text)
    cfg = parse.settings(json.loads(json.dumps({"meter_number": "1", **said})))
    changes = edges_of(truth)
    assert len(changes) in (23, 24, 25), "two a year, but for one that falls into the year before or after"
    walked = Zone(cfg.utc_offset_min, cfg.dst)
    for at in changes:
        for utc_s in (at - 86_400, at - 3601, *range(at - 3, at + 4), at + 3600, at + 86_400):
            assert walked.offset_s(utc_s) == truth(utc_s), (text, utc_s - at)
            assert Zone(cfg.utc_offset_min, cfg.dst).offset_s(utc_s) == truth(utc_s), (text, utc_s - at)
    for utc_s in range(FROM, UNTIL, 20 * 3600 + 7):
        assert walked.offset_s(utc_s) == truth(utc_s), (text, utc_s)


def test_the_settings_keep_every_rule_of_the_database_to_the_second_from_2026_to_2037():
    summer = [text for text in rules() if "," in text]
    assert len(summer) > 20
    for text in summer:
        keeps(text)


@pytest.mark.parametrize("text", OTHERS)
def test_the_settings_keep_what_posix_can_say_and_no_place_has_today(text):
    keeps(text)


@pytest.mark.parametrize(
    "name", ["Africa/Cairo", "Asia/Jerusalem", "America/Santiago", "America/Nuuk", "Europe/Dublin"]
)
def test_a_place_by_its_name_has_the_local_time_that_the_database_gives_it(name):
    cfg = parse.settings({"meter_number": "1", **zones.settings(name)})
    zone = Zone(cfg.utc_offset_min, cfg.dst)
    for utc_s in range(FROM, UNTIL, 1800):
        here = (Y2000 + timedelta(seconds=utc_s)).astimezone(ZoneInfo(name))
        assert zone.offset_s(utc_s) == here.utcoffset().total_seconds(), here


def test_every_place_there_is_can_be_said_in_the_settings():
    for text in rules():
        parse.settings({"meter_number": "1", **zones.from_rule(text)})


def test_the_times_of_egypt_israel_chile_gaza_and_greenland_are_said_as_posix_says_them():
    said = {name: zones.from_rule(rule)["dst"] for name, rule in {
        "Egypt": "EET-2EEST,M4.5.5/0,M10.5.4/24",
        "Israel": "IST-2IDT,M3.4.4/26,M10.5.0",
        "Chile": "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
        "Gaza": "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "Greenland": "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    }.items()}  # fmt: skip
    assert said["Egypt"]["end"] == [10, 5, "thu", "24:00"]
    assert said["Israel"]["start"] == [3, 4, "thu", "26:00"]
    assert said["Chile"]["start"] == [9, 1, "sat", "24:00"]
    assert said["Gaza"]["start"] == [3, 4, "thu", "50:00"]
    assert said["Greenland"]["start"] == [3, 5, "sun", "-01:00"]


def test_ireland_whose_winter_is_the_exception_has_the_rule_of_its_neighbours():
    assert zones.from_rule("IST-1GMT0,M10.5.0,M3.5.0/1") == zones.from_rule("GMT0BST,M3.5.0/1,M10.5.0")


def test_a_place_is_asked_for_by_its_name():
    done = CliRunner().invoke(cli.app, ["zone", "Asia/Jerusalem"])
    assert done.exit_code == 0 and json.loads(done.stdout) == zones.settings("Asia/Jerusalem")
    done = CliRunner().invoke(cli.app, ["zone", "Asia/Nowhere"])
    assert done.exit_code == 2 and "Asia/Nowhere" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "X", "AAA-1BBB", "AAA-1BBB,60/2,J300/2", "AAA-1BBB,M3.5.7,M10.5.0", "AAA-1:00:30", "AAA-1BBB,J366,J1"]
)
def test_what_the_settings_cannot_say_is_refused(text):
    with pytest.raises(RefusedError):
        zones.from_rule(text)
