# SPDX-License-Identifier: Apache-2.0
"""Registers by rate, maximum demand, and what is frozen at midnights and month-ends: nothing left out, nothing twice,
whichever way the clock moves and wherever power fails.

Books as they are over models of FRAM and flash; what they have kept is read by FORMAT.md alone
(bench/views/registers.py, bench/views/rings.py).
"""

import random
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.books import opening
from meter.books.books import Books
from meter.core import codes
from meter.core.state import MeterState
from meter.documents import parse
from meter.drivers.fram import Fram
from meter.drivers.metering_ic.sample import Sample
from meter.storage.events import EventLog
from meter.storage.ledger import Ledger
from meter.storage.readings import DAYS_AT, MONTHS_AT, Readings

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.plant.flash import RINGS_AT
from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.views.registers import now_by_rate, read_registers
from host_tests.bench.views.rings import read_frozen
from host_tests.unit.conftest import Partition, new_rings
from scripts.chips.mb85rc256v import Mb85rc256vChip

VirtualTime()  # Books ask asyncio for what MicroPython has
pytestmark = pytest.mark.usefixtures("loaded")

Y2000 = datetime(2000, 1, 1)
KWH = 320_000
DAY = 86_400
TARIFF = {
    "name": "Three",
    "currency": "EUR",
    "rates": [{"name": "night", "price": "0.2"}, {"name": "day", "price": "0.3"}, {"name": "sun", "price": "0.1"}],
    "days": {"every": [["00:00", "night"], ["06:30", "day"], ["12:00", "sun"], ["15:00", "day"], ["22:00", "night"]]},
    "fallback": "day",
    "standing": "0.25",
}
NIGHT, DAYTIME, SUN = 0, 1, 2


def utc(text):
    return int((datetime.fromisoformat(text) - Y2000).total_seconds())


def day_number(text):
    return (date.fromisoformat(text) - Y2000.date()).days


def day_text(n):
    return (Y2000.date() + timedelta(n)).isoformat()


def month_number(text):
    return (int(text[:4]) - 2000) * 12 + int(text[5:7]) - 1


class _Chip:
    """The partition as the readers of the whole flash chip want it."""

    def __init__(self, dev):
        self._flash = dev.flash

    def read(self, offset, n):
        return self._flash.read(offset - RINGS_AT, n)


class Meter:
    """A meter and its parts; a tick now and then."""

    def __init__(self, **doc):
        self.cfg = parse.settings({"meter_number": "1", "initial_credit": "100000", **doc})
        self.tariff = parse.tariff(TARIFF)
        self.rings = new_rings()
        self.chip = Mb85rc256vChip(0x50)
        self.chip.power_on(0)
        self.boot()

    def boot(self):
        """Power comes; what was not committed is gone."""
        self.chip.cut_after_bytes = None
        self.chip.power_on(0)
        Partition.dev = self.rings
        self.fram = fram = Fram(DirectI2C(VirtualTime(), [self.chip]))
        self.log = EventLog(fram)
        self.s = MeterState()
        self.books = Books(self.s, (Ledger(fram), self.log, fram), self.cfg, self.tariff)
        opening.read_ledger(self.books)
        return self

    def copy(self):
        other = object.__new__(Meter)
        vars(other).update(vars(self))
        other.chip = Mb85rc256vChip(0x50)
        other.chip.data[:] = self.chip.data
        other.rings = new_rings()
        other.rings.flash.data[:] = self.rings.flash.data
        return other.boot()

    def tick(self, at, counts=0, others=(0, 0, 0, 0)):
        sample = Sample()
        sample.import_counts = counts
        sample.export_counts, sample.q_import_counts, sample.q_export_counts, sample.va_counts = others
        self.books.tick(sample, utc(at) if isinstance(at, str) else at)

    def ticks(self, start, end, every_s=3600, counts=0):
        """Ticks from one time to another, the last one included."""
        start, end = (utc(at) if isinstance(at, str) else at for at in (start, end))
        for at in range(start, end + 1, every_s):
            self.tick(at, counts)
        return self

    @property
    def totals(self):
        s = self.s
        return s.export_counts, s.q_import_counts, s.q_export_counts, s.va_counts

    @property
    def registers(self):
        return read_registers(self.chip)

    @property
    def by_rate(self):
        return now_by_rate(self.registers, self.totals)

    @property
    def days(self):
        return read_frozen(_Chip(self.rings))

    @property
    def months(self):
        return read_frozen(_Chip(self.rings), months=True)

    def told(self, code):
        records = [self.log.record(n) for n in range(1, self.log.next_number)]
        return [record[4] for record in records if record and record[2] == code]


def spans(readings):
    return [(one.first, one.last) for one in readings]


def counting(readings, last):
    """Those that count (FORMAT.md): from the first day of a newer one on an older one does not, nor one of days to
    come. last: the newest there can be."""
    found, until = [], 1 << 16
    for one in reversed(readings):
        if one.last <= last and one.first <= until:
            found.insert(0, one._replace(last=min(one.last, until)))
            until = min(until, one.first - 1)
    return found


def summed(rates):
    return tuple(map(sum, zip(*rates, strict=True)))


# -- by rate ------------------------------------------------------------------------------------------


def test_each_energy_goes_to_the_rate_in_force():
    one = Meter()
    one.tick("2026-03-10 05:00", others=(1, 2, 3, 4))
    one.tick("2026-03-10 07:00", others=(10, 20, 30, 40))
    one.tick("2026-03-10 12:00", others=(100, 200, 300, 400))
    one.tick("2026-03-10 16:00", others=(1000, 2000, 3000, 4000))
    wanted = {NIGHT: (1, 2, 3, 4), DAYTIME: (1010, 2020, 3030, 4040), SUN: (100, 200, 300, 400)}
    assert dict(enumerate(one.by_rate[:3])) == wanted
    assert one.by_rate[3:] == [(0, 0, 0, 0)] * 5


def test_what_was_counted_before_any_register_was_written_is_the_first_rates():
    one = Meter()
    one.tick("2026-03-10 12:00", others=(1, 2, 3, 488))
    one.chip.data[0x5000:0x5800] = bytes(0x800)  # power went after the ledger's first commit
    one.boot().tick("2026-03-10 12:01", others=(0, 0, 0, 12))
    one.tick("2026-03-10 16:00", others=(10, 0, 0, 0))
    assert [sum(column) for column in zip(*one.by_rate, strict=True)] == list(one.totals)


def test_a_price_signal_is_not_in_force_again_in_the_hour_that_comes_twice():
    one = Meter(dst="eu", utc_offset_min=60)
    event = ["2026-10-25 01:00", "2026-10-25 02:30", "0.90", "Event"]
    one.tariff = parse.tariff({"name": "One", "currency": "EUR", "price": "0.25", "signals": [event]})
    one.boot()
    dear = []
    start = utc("2026-10-24 22:00")
    for minute in range(300):
        one.tick(start + 60 * minute)
        if one.books.terms.rate_micro == 900_000:
            dear.append(minute)
    assert dear == list(range(dear[0], dear[0] + 90)), "from 01:00 to 02:30 by the clock before it is put back"


def test_a_maximum_is_written_although_the_heap_was_too_small_for_the_rest(monkeypatch, loaded):
    from meter.books import minute

    one = Meter()
    one.ticks("2026-03-10 12:00", "2026-03-10 12:14", 60)
    before = one.registers.maxima

    def full(*args):
        raise MemoryError

    one.tick("2026-03-10 12:14", 100_000)
    monkeypatch.setattr(minute, "is_friendly", full)
    one.tick("2026-03-10 12:15")
    monkeypatch.undo()
    one.tick(utc("2026-03-10 12:15") + 1)
    assert one.registers.maxima != before


def test_the_tick_at_the_switch_is_the_new_rates():
    one = Meter()
    one.tick(utc("2026-03-10 06:30") - 1, others=(1, 0, 0, 0))
    one.tick("2026-03-10 06:30", others=(5, 0, 0, 0))
    assert [rate[0] for rate in one.by_rate[:2]] == [1, 5]


def test_without_a_clock_it_is_the_fallbacks():
    one = Meter()
    for _ in range(3):
        one.tick(None, others=(1, 1, 1, 1))
    one.tick("2026-03-10 12:00", others=(9, 9, 9, 9))
    assert one.by_rate[DAYTIME] == (3, 3, 3, 3) and one.by_rate[SUN] == (9, 9, 9, 9)


@given(st.randoms(use_true_random=False))
def test_rates_add_up_to_the_totals_through_any_switches_and_restarts(rand):
    one = Meter()
    at = utc("2026-03-10 00:00")
    for _ in range(40):
        at += rand.choice((1, 60, 3600, 20_000, -7200))
        if rand.random() < 0.2:
            one.boot()
        one.tick(None if rand.random() < 0.1 else at, 7, [rand.randrange(10_000) for _ in range(4)])
        assert summed(one.by_rate) == one.totals


# -- maxima -------------------------------------------------------------------------------------------


def minutes(one, start, *counts):
    """A tick at each whole minute, with what was used in the minute before."""
    at = utc(start)
    one.tick(at)
    for used in counts:
        at += 60
        one.tick(at - 30, used)  # a tick counts for the minute it is read in
        one.tick(at)


def test_maxima_are_kept_with_the_end_of_their_interval():
    one = Meter()
    minutes(one, "2026-03-10 12:00", *[100] * 15, *[200] * 5, *[0] * 10)
    block, sliding = one.registers.maxima[SUN]
    assert block == (1500, utc("2026-03-10 12:15"))
    assert sliding == (2000, utc("2026-03-10 12:20"))


def test_maxima_go_on_over_a_restart():
    one = Meter()
    minutes(one, "2026-03-10 12:00", *[100] * 15)
    before = one.registers.maxima
    one.boot()
    minutes(one, "2026-03-10 13:00", *[99] * 15)
    assert one.registers.maxima == before
    minutes(one, "2026-03-10 14:00", *[101] * 15)
    assert one.registers.maxima[SUN].block == (1515, utc("2026-03-10 14:15"))


def test_maxima_begin_anew_with_the_month_and_its_last_interval_is_the_old_months():
    one = Meter()
    minutes(one, "2026-03-31 23:30", *[10] * 15, *[100] * 15, *[1] * 30)
    (march,) = one.months
    assert march.first == march.last == month_number("2026-03-31")
    assert march.maxima[NIGHT].block == (1500, utc("2026-04-01 00:00"))
    assert march.maxima[NIGHT].sliding == (1500, utc("2026-04-01 00:00"))
    assert one.registers.maxima[NIGHT].block == (15, utc("2026-04-01 00:15"))
    assert one.registers.month == month_number("2026-04-01")


def test_the_first_tick_with_a_failing_clock_behind_a_lost_write_is_booked():
    """Maxima wait to be written, and nobody knows the time."""
    one = Meter()
    minutes(one, "2026-03-10 12:00", *[100] * 15)
    one.chip.absent = True
    minutes(one, "2026-03-10 12:15", *[900] * 15)
    one.tick(None, 5)
    one.chip.absent = False
    one.tick(None, 5)
    minutes(one, "2026-03-10 13:30", *[0] * 2)
    assert one.registers.maxima[SUN].block.counts == 900 * 15


# -- midnights ----------------------------------------------------------------------------------------


def test_each_day_is_frozen_once_with_its_first_tick():
    one = Meter().ticks("2026-03-10 12:00", "2026-03-20 12:00", counts=100)
    first = day_number("2026-03-10")
    assert spans(one.days) == [(n, n) for n in range(first, first + 11)]
    assert [reading.utc_s for reading in one.days[1:]] == [n * DAY for n in range(first + 1, first + 11)]
    # The tick at midnight is the new day's.
    assert [reading.totals[0] for reading in one.days] == [0, *(1200 + 2400 * n for n in range(10))]


def test_a_reading_holds_all_registers_as_they_were_before_the_days_first_tick():
    one = Meter(phases=3)
    one.tick("2026-03-10 05:00", 11, (1, 2, 3, 4))
    one.tick("2026-03-10 13:00", 22, (10, 20, 30, 40))
    one.s.phase_counts[:] = range(12)
    s = one.s
    wanted = (
        (33, 11, 22, 33, 44), tuple(s.rate_counts), tuple(s.rate_cost_micro), s.charges_micro, s.credit_micro,
        s.debt_micro, tuple(range(12)), [(1, 2, 3, 4), (0, 0, 0, 0), (10, 20, 30, 40), *[(0, 0, 0, 0)] * 5],
    )  # fmt: skip
    one.tick("2026-03-11 00:00", 1000, (1000, 1000, 1000, 1000))
    assert s.charges_micro == 250_000
    assert one.days[-1][4:12] == wanted


def test_several_midnights_without_power_are_one_reading_that_stands_for_all():
    one = Meter().ticks("2026-03-10 12:00", "2026-03-11 12:00", counts=5)
    one.boot().tick("2026-03-16 07:00", 9)
    assert spans(one.days)[-1] == (day_number("2026-03-12"), day_number("2026-03-16"))
    assert one.days[-1].totals[0] == 25 * 5


def test_a_long_outage_stands_for_what_can_be_kept_and_no_more():
    one = Meter().ticks("2026-03-10 12:00", "2026-03-11 12:00")
    one.boot().tick("2026-11-16 07:00")
    last = day_number("2026-11-16")
    assert spans(one.days)[-1] == (last - 61, last)


def test_a_restart_freezes_nothing_again():
    one = Meter().ticks("2026-03-10 12:00", "2026-03-11 12:00")
    before = one.days
    for _ in range(4):
        one.boot().tick("2026-03-11 13:00", 99)
    assert one.days == before


def test_62_days_and_24_months_can_be_read_even_with_a_restart_each_day():
    one = Meter()
    at = utc("2023-01-01 12:00")
    while at < utc("2026-01-02 00:00"):
        one.boot().tick(at)
        at += DAY
    today = day_number("2026-01-01")
    assert [first for first, _ in spans(one.days)[-62:]] == list(range(today - 61, today + 1))
    months = [first for first, _ in spans(one.months)]
    assert months[-24:] == list(range(month_number("2024-01-01"), month_number("2026-01-01")))


def check_days(one, dates):
    """No date is frozen twice, and each of these is."""
    frozen = [n for first, last in spans(one.days) for n in range(first, last + 1)]
    assert len(frozen) == len(set(frozen)), [day_text(n) for n in frozen if frozen.count(n) > 1]
    assert set(dates) <= set(frozen)


@pytest.mark.parametrize("back", (60, 3600, DAY, 3 * DAY, 40 * DAY, 360 * DAY))
def test_a_clock_set_back_freezes_no_day_twice(back):
    one = Meter().ticks("2026-03-10 12:00", "2026-03-14 00:30", 1800, 5)
    at = utc("2026-03-14 00:30") - back
    one.ticks(at, utc("2026-03-16 01:00"), 6 * 3600, 5)
    first = day_number("2026-03-10")
    check_days(one, range(first, first + 6))


@pytest.mark.parametrize("wrong", ("2051-06-01 12:00", "2003-06-01 12:00"))
@pytest.mark.parametrize("flash_fails", (False, True))
def test_a_clock_that_was_wrong_for_a_moment_leaves_the_real_days_as_they_are(wrong, flash_fails):
    one = Meter().ticks("2026-03-10 12:00", "2026-03-12 12:00", counts=5)
    before = one.days
    one.tick(wrong)
    if flash_fails:
        one.rings.flash.bad_sectors.update(range(256))
        one.tick("2026-03-12 12:01")
        one.rings.flash.bad_sectors.clear()
    one.ticks("2026-03-12 12:02", "2026-04-02 01:00", 3600, 5)
    assert one.days[: len(before)] == before
    real = range(day_number("2026-03-10"), day_number("2026-04-02") + 1)
    count = {n: 0 for n in real}
    for first, last in spans(one.days):
        for n in real:
            count[n] += first <= n <= last
    assert all(count.values())
    # A second reading of the day it happened on is possible where the flash has failed as well: the newer one counts.
    assert sum(count.values()) <= len(count) + flash_fails
    assert month_number("2026-03-01") in [last for _, last in spans(one.months)]
    assert all(first <= last for first, last in spans(one.months))


MOVES = st.lists(
    st.tuples(st.sampled_from((60, 3600, DAY, 10 * DAY, 100 * DAY)), st.integers(-3, 3), st.booleans()), max_size=20
)


@given(MOVES)
def test_whatever_the_clock_does_each_day_and_each_month_counts_once(story):
    """But for jumps of more than a year: above."""
    one = Meter()
    at = latest = utc("2026-03-10 12:00")
    one.tick(at)
    for unit, n, restart in story:
        if abs(at + unit * n - latest) > 365 * DAY:
            continue
        at += unit * n
        latest = max(latest, at)
        if restart:
            one.boot()
        one.tick(at, 9)
    days, months = counting(one.days, one.s.day), counting(one.months, one.s.month - 1)
    check_days_count(days, one.s.day)
    frozen = [n for first, last in spans(months) for n in range(first, last + 1)]
    assert frozen == list(range(month_number("2026-03-10"), one.s.month))
    assert one.registers.month == one.s.month or at // DAY < one.s.day
    for older, newer in pairwise(days):
        assert newer.totals >= older.totals


def check_days_count(days, today):
    dates = [n for first, last in spans(days) for n in range(first, last + 1)]
    assert dates == sorted(set(dates)) and dates[-1] == today
    assert set(dates) >= set(range(max(dates[0], today - 61), today + 1))


# -- a clock that was wrong, and is put right ---------------------------------------------------------


@pytest.mark.parametrize("restart", (False, True))
@pytest.mark.parametrize("billing_day", (1, 15))
@pytest.mark.parametrize("ahead", (3, 31, 334, 400))
def test_maxima_costs_and_readings_follow_the_clock_back(billing_day, ahead, restart):
    one = Meter(billing_day=billing_day)
    one.ticks("2026-02-01 12:00", "2026-03-12 12:00", 3600, 100)
    minutes(one, "2026-03-12 12:30", *[1000] * 15, *[0] * 5)
    maxima, costs, month = one.registers.maxima, one.registers.month_costs_micro, one.registers.month
    days, months = counting(one.days, one.s.day), counting(one.months, month - 1)
    wrong = utc("2026-03-12 13:00") + ahead * DAY
    if restart:
        one.boot()
    minutes(one, day_text(wrong // DAY) + " 13:00", *[10] * 20)
    if restart:
        one.boot()
    one.tick("2026-03-12 13:30", 7)
    assert (one.registers.month, one.registers.month_costs_micro) == (month, costs)
    assert one.registers.maxima == maxima
    assert list(one.books.waiting.demand[:16]) == [peak.counts for rate in maxima for peak in rate]
    assert (counting(one.days, one.s.day), counting(one.months, month - 1)) == (days, months)
    one.ticks("2026-03-12 14:00", "2026-04-20 12:00", 3600, 100)
    assert counting(one.months, one.s.month - 1)[-1].utc_s == utc(f"2026-04-{billing_day:02d} 00:00")
    (ended,) = [reading for reading in counting(one.months, one.s.month - 1) if reading.last == month]
    assert ended.maxima == maxima
    check_days_count(counting(one.days, one.s.day), day_number("2026-04-20"))
    readings = [one.utc_s for one in counting(one.days, one.s.day)]
    assert readings[-39:] == [utc("2026-03-13 00:00") + n * DAY for n in range(39)]


def test_the_cards_months_that_a_wrong_clock_pushed_out_are_there_again():
    one = Meter().ticks("2025-02-01 12:00", "2026-03-12 12:00", 6 * 3600, 100)
    before = Readings(one.fram).buf[MONTHS_AT:DAYS_AT]
    one.boot().tick(utc("2026-03-12 12:00") + 334 * DAY)
    assert Readings(one.fram).buf[MONTHS_AT:DAYS_AT] != before
    one.tick("2026-03-12 13:00")
    assert Readings(one.fram).buf[MONTHS_AT:DAYS_AT] == before


# -- month-ends ---------------------------------------------------------------------------------------


def test_a_month_ends_where_the_next_begins():
    one = Meter().ticks("2026-01-20 12:00", "2026-04-02 12:00", counts=100)
    assert spans(one.months) == [(n, n) for n in range(month_number("2026-01-01"), month_number("2026-04-01"))]
    assert [reading.utc_s for reading in one.months] == [utc(f"2026-0{n}-01 00:00") for n in (2, 3, 4)]
    starts = [reading for reading in one.days if reading.utc_s in {month.utc_s for month in one.months}]
    assert [month[4:8] for month in one.months] == [day[4:8] for day in starts]


@pytest.mark.parametrize("day", (1, 2, 15, 28))
def test_a_month_begins_on_the_billing_day(day):
    one = Meter(billing_day=day).ticks("2026-01-28 12:00", "2026-04-29 12:00")
    begins = [utc(f"2026-0{n}-{day:02d} 00:00") for n in (2, 3, 4)]
    assert [reading.utc_s for reading in one.months] == begins
    january = month_number("2026-01-01")
    assert spans(one.months) == [(n, n) for n in range(january, january + 3)]
    assert one.registers.month == month_number("2026-04-01") and one.s.month == month_number("2026-04-01")


def test_months_without_power_are_one_reading():
    one = Meter().ticks("2026-01-20 12:00", "2026-02-02 12:00", counts=3)
    one.boot().tick("2026-06-02 12:00")
    assert spans(one.months)[-1] == (month_number("2026-02-01"), month_number("2026-05-01"))


def test_what_a_month_has_cost_is_known_after_a_restart():
    one = Meter().ticks("2026-03-31 12:00", "2026-04-01 12:00", counts=KWH)
    began = (*one.months[-1].rate_cost_micro, one.months[-1].charges_micro)
    assert tuple(one.books.spending.month_cost_micro) == began and all(began[i] for i in (0, 1, 2))
    one.boot()
    assert tuple(one.books.spending.month_cost_micro) == began


# -- failures -----------------------------------------------------------------------------------------


def test_flash_that_takes_nothing_is_tried_again_and_told_once():
    one = Meter().ticks("2026-03-30 12:00", "2026-03-31 22:00", counts=7)
    one.rings.flash.bad_sectors.update(range(256))
    midnight = utc("2026-04-01 00:00")
    one.ticks(midnight, midnight + 300, 60, 7)
    assert one.s.import_counts == 35 * 7 + 6 * 7, "the ticks are booked"
    assert one.s.charges_micro == 2 * 250_000
    assert one.books.faults & codes.FAULT_FLASH
    assert one.told(codes.LOG_FAULT) == [codes.FAULT_FLASH]
    assert one.months == []
    one.rings.flash.bad_sectors.clear()
    one.tick(midnight + 360, 7)
    assert not one.books.faults & codes.FAULT_FLASH
    assert spans(one.months) == [(month_number("2026-03-01"),) * 2]
    assert spans(one.days)[-1] == (day_number("2026-04-01"),) * 2
    assert one.days[-1].totals[0] == one.months[-1].totals[0] == 35 * 7


def test_a_bad_block_is_told_of():
    one = Meter()
    one.rings.flash.bad_sectors.add(157)
    one.tick("2026-03-10 12:00")
    assert spans(one.days) == [(day_number("2026-03-10"),) * 2]
    assert one.told(codes.LOG_FLASH_BLOCK) == [1]


def check_cut(one, whole, at, keep):
    assert summed(one.by_rate) == one.totals, keep
    assert spans(one.days) == spans(whole.days), keep
    assert spans(one.months) == spans(whole.months), keep
    assert one.registers.month == whole.registers.month, keep
    # No more than the tick that was cut is missing in what came after it.
    assert all(0 <= a.totals[0] - b.totals[0] <= 100 for a, b in zip(one.days, whole.days, strict=True)), keep


@pytest.mark.parametrize("at", ("2026-03-11 06:30", "2026-03-11 00:00", "2026-04-01 00:00"))
def test_power_cut_at_any_byte_written_to_the_fram(at):
    before = Meter()
    minutes(before, "2026-03-10 12:00", *[100] * 16)
    before.tick(utc(at) - 60 if at.endswith("06:30") else "2026-03-10 23:59", 5, (1, 2, 3, 4))
    whole = before.copy()
    whole.chip.cut_after_bytes = 1 << 20
    whole.tick(at, 100, (5, 6, 7, 8))
    written = (1 << 20) - whole.chip.cut_after_bytes
    whole.tick(utc(at) + 60, 100, (5, 6, 7, 8))
    assert summed(whole.by_rate) == whole.totals
    for keep in (0, written - 1, *random.Random(at).sample(range(written), min(written, 400))):
        cut = before.copy()
        cut.chip.cut_after_bytes = keep
        cut.tick(at, 100, (5, 6, 7, 8))
        cut.boot()
        assert summed(cut.by_rate) == cut.totals, keep
        cut.tick(utc(at) + 60, 100, (5, 6, 7, 8))
        check_cut(cut, whole, at, keep)
        assert cut.registers.maxima[SUN] == whole.registers.maxima[SUN], keep


# -- odd consumption ----------------------------------------------------------------------------------


def lived(usual, *recent, days=70):
    """A household that used the same on each of some days, and then these."""
    one = Meter()
    start = day_number("2026-01-01")
    for n, used in enumerate([usual] * (days - len(recent)) + list(recent)):
        one.tick((start + n) * DAY + 43_200, used)
    one.tick((start + days) * DAY)
    return one


def uneven(mean):
    """Two weeks of people at home."""
    return [mean * (n % 2 * 100 + 50) // 100 for n in range(14)]


@pytest.mark.parametrize("percent, is_odd", [(5, 1), (19, 1), (20, 1), (21, 0), (50, 0), (100, 0), (499, 0), (500, 1)])
def test_consumption_is_odd_at_a_fifth_and_at_five_times_of_what_was_usual(percent, is_odd):
    one = lived(200 * KWH, *uneven(2 * KWH * percent))
    told = one.told(codes.LOG_PATTERN)
    assert len(told) == is_odd
    if percent in (20, 500):
        assert told == [percent * 4 + 3]


def test_who_uses_less_than_a_kwh_a_day_is_never_odd():
    assert lived(KWH - 1, *uneven(KWH // 10)).told(codes.LOG_PATTERN) == []
    assert len(lived(KWH, *uneven(KWH // 10)).told(codes.LOG_PATTERN)) == 1


@pytest.mark.parametrize("used", (0, KWH))
def test_a_house_that_stands_empty_is_not_odd(used):
    assert lived(20 * KWH, *[used] * 14).told(codes.LOG_PATTERN) == []
    assert lived(20 * KWH, *[8 * KWH] * 2, *[used] * 12).told(codes.LOG_PATTERN) == [], "they left on a day in between"


def test_eight_weeks_must_be_known():
    for days in range(20, 57):
        assert lived(2 * KWH, *uneven(KWH // 10), days=days).told(codes.LOG_PATTERN) == [], days
    assert len(lived(2 * KWH, *uneven(KWH // 10), days=60).told(codes.LOG_PATTERN)) == 1


def test_odd_consumption_is_told_once_in_two_weeks():
    one = lived(40 * KWH, *uneven(KWH) * 3, days=100)
    told = [one.log.record(n) for n in range(1, one.log.next_number)]
    found = [record[1] // DAY for record in told if record and record[2] == codes.LOG_PATTERN]
    assert len(found) > 1
    assert all(later - earlier == 14 for earlier, later in pairwise(found))
