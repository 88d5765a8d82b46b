# SPDX-License-Identifier: Apache-2.0
"""A clock that was wrong, and is put right: month, steps, days and tariff follow it, on the whole meter."""

import json
from datetime import datetime, timedelta

import pytest
from meter.core import codes

from host_tests.bench.run.session import Bench

COUNTS_PER_KWH = 320_000
STEPS = {"name": "Steps", "currency": "EUR", "price": "0.10", "steps": [[1, "0.90"]]}


def meter(utc, tariff=STEPS, **more):
    terms = {"overload_w": 0, "initial_credit": "200.00", "utc_offset_min": 0, "hoard": "0", "load_w": 10}
    return Bench(utc=utc, tariff=tariff, **{**terms, **more})


def restart(b, when, seconds, watts=10):
    """The supplier's cable: the clock is set while the meter does not run."""
    b.plug(False)
    b.plant.rtc.set_time(when, b.plant.clock.now_us)
    b.load(watts)
    b.plug(True)
    b.run_s(seconds)


def price(b, seconds=120):
    """Per kWh, of what is used now."""
    before = b.state()
    b.load(24_000)
    b.run_s(seconds)
    after = b.state()
    cost = sum(after.rate_cost_micro) - sum(before.rate_cost_micro)
    return round(cost / 1e6 / ((after.import_counts - before.import_counts) / COUNTS_PER_KWH), 4)


def told(b, code):
    return [event.value for event in b.events() if event.code == code]


@pytest.mark.parametrize("billing_day", (1, 15))
@pytest.mark.parametrize("ahead", (31, 334))
def test_the_month_after_a_wrong_clock_begins_on_its_date(billing_day, ahead):
    begin = datetime(2026, 6, billing_day)
    with meter(begin - timedelta(days=22), billing_day=billing_day) as b:
        b.run_s(60)
        restart(b, begin - timedelta(days=22 - ahead), 60)
        restart(b, begin - timedelta(days=22), 60)
        assert told(b, codes.LOG_CLOCK_UNDONE) == [ahead]
        restart(b, begin - timedelta(minutes=10), 300, 24_000)
        assert price(b, 60) == 1.0
        restart(b, begin + timedelta(minutes=1), 120)
        assert price(b) == 0.1


def test_a_clock_three_days_ahead_over_a_months_begin_that_is_put_right_while_the_meter_runs():
    real = datetime(2026, 5, 30, 12, 0)
    with meter(real, load_w=24_000) as b:
        b.run_s(300)  # two kWh of May
        assert price(b, 30) == 1.0
        restart(b, real + timedelta(days=3), 60)
        assert b.state().month == (2026 - 2000) * 12 + 5
        now_us = b.plant.clock.now_us
        b.plant.rtc.set_time(real + timedelta(microseconds=now_us), now_us)
        b.run_s(2 * 3600 + 300)  # the next look, and an hour of looks that agree
        assert b.state().month == (2026 - 2000) * 12 + 4
        assert price(b, 30) == 1.0
        assert told(b, codes.LOG_CLOCK_UNDONE) == [3]
        assert [round(s / 86_400) for s in told(b, codes.LOG_CLOCK_SET)] == [-3]
        assert b.meter.restarts == 0


def test_a_wrong_bit_in_the_clock_itself_that_goes_again_costs_nothing():
    with meter(datetime(2026, 5, 10, 12, 0), {**STEPS, "standing": "0.25"}) as b:
        b.run_s(3500)
        before = b.state()
        b.plant.rtc._regs[5] ^= 0x10  # month 5 -> 15: no date
        b.run_s(3)
        b.plant.rtc._regs[5] ^= 0x10
        b.plant.rtc._regs[5] ^= 0x08  # month 5 -> 13: no date
        b.plant.rtc._regs[5] ^= 0x08
        b.plant.rtc._regs[5] ^= 0x02  # May -> July
        b.run_s(150)  # the hourly look, and the next ones
        assert len(told(b, codes.LOG_CLOCK_LOOK)) == 1
        b.plant.rtc._regs[5] ^= 0x02
        b.run_s(120)
        after = b.state()
        assert (after.charges_micro, after.day, after.month) == (before.charges_micro, before.day, before.month)
        assert told(b, codes.LOG_CLOCK_SET) == [] and after.relay_closed == 1
        assert after.utc_s - before.utc_s == pytest.approx(273, abs=2)


@pytest.mark.parametrize("restarts", (0, 2))
def test_days_without_power_are_charged_each_by_the_tariff_that_held(restarts):
    old = {"name": "Old", "currency": "EUR", "price": "0.10", "standing": "0.10"}
    new = {"name": "New", "currency": "EUR", "price": "0.10", "standing": "1.00", "from": "2027-01-01 00:00"}
    with meter(datetime(2026, 12, 20, 12, 0), old, files={"later.json": json.dumps(new).encode()}) as b:
        for _ in range(restarts + 1):
            b.run_s(20)
            b.plug(False)
            b.plug(True)
        restart(b, datetime(2027, 1, 10, 12, 0), 60)
        assert b.state().charges_micro == 11 * 100_000 + 10 * 1_000_000
        for _ in range(restarts):
            restart(b, datetime(2027, 1, 10, 12, 30), 60)
        # It was wrong: the days before are charged as before, and the tariff waits again.
        restart(b, datetime(2026, 12, 28, 12, 0), 60)
        assert b.state().charges_micro == 8 * 100_000
        restart(b, datetime(2027, 1, 2, 12, 0), 60)
        assert b.state().charges_micro == 11 * 100_000 + 2 * 1_000_000
