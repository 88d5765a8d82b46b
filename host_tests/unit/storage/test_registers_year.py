# SPDX-License-Identifier: Apache-2.0
"""Registers, rates, freezes and demand of some weeks against the oracle of the year; and that a broken rule shows.

A part of what `python -m host_tests.years.year` runs for a whole year, with fewer ticks where nothing happens. On the
day in the middle of each run modules are let go as on a meter.
"""

from datetime import date
from importlib import import_module

import pytest

from host_tests.bench.plant.clock import VirtualTime
from host_tests.bench.run.cpython import install
from host_tests.years.year import Resident, Run

install(VirtualTime())  # Books ask asyncio for what MicroPython has

SPRING = date(2026, 3, 1)  # 40 days: summer time begins, a month ends, tariffs and signals come and go
AUTUMN = date(2026, 10, 23)  # 11 days: summer time ends in an outage, a month ends
FEW_S = 14_400


@pytest.fixture
def resident():
    import_module("meter.books.books")
    one = Resident()
    one.keep()
    yield one
    one.release()


@pytest.mark.parametrize("variant", ("one", "three"))
def test_forty_days_are_the_oracles(resident, variant):
    run = Run(variant, SPRING, 40, FEW_S, 1).go(resident)
    assert run.differences == []
    assert run.compared > 450
    assert set(run.happened) == {"off", "set", "lost", "deaf", "buy", "tariff", "interval"}
    oracle = run.oracle
    assert len(oracle.days) >= 38 and len(oracle.months) == 1
    assert all(oracle.totals.values()) and sum(counts > 0 for counts in oracle.rate_counts) == 4
    assert sum(block > (0, 0) and sliding > block for block, sliding in oracle.maxima) >= 2
    assert 0 < oracle.past_counts < oracle.totals["import_counts"]
    assert variant == "one" or sum(counts > 0 for counts in oracle.phases) >= 9


@pytest.mark.parametrize("variant", ("one", "three"))
def test_the_end_of_summer_time_is_the_oracles(resident, variant):
    run = Run(variant, AUTUMN, 11, FEW_S, 1).go(resident)
    assert run.differences == [] and run.happened["off"] == 1


# -- a broken rule shows ------------------------------------------------------------------------------


def instead(module, name, wrong):
    """Patch a function: wrong(genuine, *arguments) takes its place."""
    *owner, name = name.split(".")

    def put(monkeypatch):
        where = import_module("meter." + module)
        for part in owner:
            where = getattr(where, part)
        genuine = getattr(where, name)
        monkeypatch.setattr(where, name, lambda *args: wrong(genuine, *args))

    return put


def rate_a_tick_late(tick, books, sample, utc_s):
    before = books.terms.rate
    tick(books, sample, utc_s)
    if sample and books.terms.rate != before and books.s.rate_counts[before]:
        books.s.rate_counts[before] += sample.import_counts
        books.s.rate_counts[books.terms.rate] -= sample.import_counts


def rate_a_minute_late(rate_at, tariff, year, month, day, weekday, minute_of_day):
    return rate_at(tariff, year, month, day, weekday, max(0, minute_of_day - 1))


def maxima_kept(begin_maxima, record, *args):
    before = [record.peak(i) for i in range(16)]
    begin_maxima(record, *args)
    for i, (counts, utc_s) in enumerate(before):
        record.put_peak(i, counts, utc_s)


def window_a_minute_short(minute, state, counts, now, rate):
    demand = import_module("meter.core.demand")
    n = len(state) - demand.RING
    state[demand.RING + (state[demand._AT] + 1) % n] = 0
    return minute(state, counts, now, rate)


def window_over_a_gap(minute, state, counts, now, rate):
    demand = import_module("meter.core.demand")
    if 1 < now - state[demand._MINUTE] < 10:
        state[demand._MINUTE], state[demand._COUNTS] = now, counts & 0xFFFF_FFFF
        return False
    return minute(state, counts, now, rate)


def window_without_a_clock(minute, state, counts, now, rate):
    return minute(state, counts, now, rate) if now else False


def block_a_minute_late(minute, state, counts, now, rate):
    return minute(state, counts, max(0, now - 1), rate)


def rate_not_closed(begin_rate, record, *args):
    before = record.buf[48:304]
    begin_rate(record, *args)
    record.buf[48:304] = before


def no_freeze_after_an_outage(keep, frozen, *args):
    if args[-2] == args[-1]:
        keep(frozen, *args)


def freeze_after_the_first_tick(store, books):
    if books.waiting.due_day:
        books.waiting.snapshot = import_module("meter.storage.snapshot").snapshot(books.s)
    store(books)


def month_by_the_calendar(work, books, local, undone):
    genuine = books.cfg.billing_day
    books.cfg.billing_day = 1
    try:
        return work(books, local, undone)
    finally:
        books.cfg.billing_day = genuine


def signal_a_minute_late(is_past, books, minute, utc_s=None):
    return is_past(books, minute + 1, utc_s)


def remainder_dropped(book, s, *args):
    cost = book(s, *args)
    s.cost_acc = 0
    return cost


def no_summer_time(stretch, rule, standard_s, utc_s):
    first, last, _ = stretch(rule, standard_s, utc_s)
    return first, last, standard_s


def standing_charge_once_for_days(charge_days, s, days, *args):
    charge_days(s, min(days, 1), *args)


def yesterday_with_todays_charge(day_began, readings, day, spent_micro):
    day_began(readings, day, spent_micro + 213_000)


MARCH, MONTH_END, MIDMONTH = date(2026, 3, 17), date(2026, 3, 27), date(2026, 3, 21)
BROKEN = (
    ("one", MARCH, instead("books.books", "Books.tick", rate_a_tick_late)),
    ("one", MARCH, instead("books.minute", "rate_at", rate_a_minute_late)),
    ("one", MONTH_END, instead("storage.registers", "Registers.begin_maxima", maxima_kept)),
    ("one", MARCH, instead("core.demand", "minute", window_a_minute_short)),
    ("three", MARCH, instead("core.demand", "minute", window_a_minute_short)),
    ("one", MONTH_END, instead("core.demand", "minute", window_over_a_gap)),
    ("three", MARCH, instead("core.demand", "minute", window_without_a_clock)),
    ("one", MARCH, instead("core.demand", "minute", block_a_minute_late)),
    ("one", MARCH, instead("storage.registers", "Registers.begin_rate", rate_not_closed)),
    ("one", date(2026, 3, 10), instead("storage.freezes", "Frozen.keep", no_freeze_after_an_outage)),
    ("one", MARCH, instead("books.billing", "store", freeze_after_the_first_tick)),
    ("three", MIDMONTH, instead("books.day", "work", month_by_the_calendar)),
    ("one", MARCH, instead("books.books", "Books.is_past", signal_a_minute_late)),
    ("one", MARCH, instead("core.account", "book", remainder_dropped)),
    ("one", MONTH_END, instead("core.dst", "stretch", no_summer_time)),
    ("one", date(2026, 3, 10), instead("core.account", "charge_days", standing_charge_once_for_days)),
    ("one", MARCH, instead("storage.readings", "Readings.day_began", yesterday_with_todays_charge)),
)


@pytest.mark.parametrize(
    ("variant", "begin", "put"), BROKEN, ids=[row[2].__closure__[-1].cell_contents.__name__ for row in BROKEN]
)
def test_a_broken_rule_shows(resident, monkeypatch, variant, begin, put):
    put(monkeypatch)
    assert Run(variant, begin, 6, FEW_S, 1).go().differences


def test_before_anything_is_broken_those_days_are_the_oracles(resident):
    for variant, begin in {row[:2] for row in BROKEN}:
        assert Run(variant, begin, 6, FEW_S, 1).go().differences == []
