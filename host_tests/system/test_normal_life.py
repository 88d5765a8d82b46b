# SPDX-License-Identifier: Apache-2.0
"""Ordinary households: nothing of what they do is taken for theft, and a stolen fortnight is.

A sample of years/normal_life.py, which says what runs; `python -m host_tests.years.normal_life --days 365` is the year.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from meter.core import codes

from host_tests.years.household import Household, rows
from host_tests.years.normal_life import BEGIN, EPOCH, VARIANTS, life, quality, theft

ROOT = Path(__file__).resolve().parents[2]
DAY_S = 86_400
ZERO_S = int((BEGIN - EPOCH).total_seconds())
FORTNIGHT = range(58, 72)
SEEDS = range(1, 6)


@pytest.fixture(scope="module")
def recorded():
    return rows()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_week_of_cooking_motors_sun_and_dips_is_no_theft(recorded, name):
    household = Household(recorded, **VARIANTS[name])
    lived = life(7, household, exports=household.solar)
    assert theft(lived) == {}
    assert lived.books.s.import_counts > 7 * 5 * 320_000
    assert (lived.books.s.export_counts > 0) == household.solar


def test_without_leave_to_feed_in_the_sun_is_found(recorded):
    lived = life(2, Household(recorded, solar=True), exports=False)
    assert theft(lived)[codes.TAMPER_REVERSE] > 0


def test_only_disturbances_that_last_are_found_and_when_they_come(recorded):
    household = Household(recorded)
    lived = life(22, household)
    begun = [(utc_s - ZERO_S, code) for utc_s, code in quality(lived) if not code & 1]
    assert len(household.expected) == 1
    ((day, minute, code),) = household.expected
    ((at_s, found),) = begun
    assert found == code and 0 <= at_s - day * DAY_S - minute * 60 <= 180


def test_a_load_of_pulses_and_registers_that_lag_behind_them_is_no_theft(recorded):
    """Registers are read once a second: what they lack when the load is high and suddenly gone must not count."""
    household = Household(recorded, seed=7)
    high = {"p_mw": 13_000_000, "q_mvar": 0, "u_mv": 230_000, "i_ma": 56_500}
    household.rows = [row if n % 2 else replace(row, **high) for n, row in enumerate(recorded)]
    assert theft(life(2, household)) == {}


@pytest.mark.parametrize("away_days", (7, 14, 15, 18))
def test_holidays_are_no_theft(recorded, away_days):
    for seed in SEEDS:
        household = Household(recorded, seed=seed, holiday_days=away_days, step_min=30)
        assert theft(life(100, household)) == {}, seed


def test_a_fortnight_of_which_the_sensor_sees_a_tenth_is_found(recorded):
    for seed in SEEDS:
        household = Household(recorded, seed=seed, holidays=False, step_min=30)
        household.share, household.bypassed = 100, FORTNIGHT
        lived = life(FORTNIGHT.stop + 1, household)
        assert theft(lived) == {codes.TAMPER_PATTERN: 1}, seed
        (at_s,) = [utc_s - ZERO_S for utc_s, code, _ in lived.found if code == codes.LOG_PATTERN]
        assert FORTNIGHT.start + 10 <= at_s // DAY_S <= FORTNIGHT.stop, "two weeks are compared"


def test_half_of_what_was_usual_is_no_theft(recorded):
    for seed in SEEDS:
        household = Household(recorded, seed=seed, holidays=False, step_min=30)
        household.share, household.bypassed = 500, range(58, 80)
        assert theft(life(80, household)) == {}, seed


def test_the_long_run_prints_one_json_object():
    command = [sys.executable, "-m", "host_tests.years.normal_life", "--days", "1", "--only", "one phase", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["one phase"]
    assert result["days"] == 1 and result["theft"] == {} and result["theft_per_year"] == 0
