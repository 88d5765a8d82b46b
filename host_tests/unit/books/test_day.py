# SPDX-License-Identifier: Apache-2.0
"""What is done once a day and once a month: never twice, never skipped, whichever way the clock moves.

Books, ledger, event log and readings as they are, over a memory that fails or loses power on order.
"""

import struct
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.books import opening
from meter.books.books import Books
from meter.core import account, codes
from meter.core.errors import BusError
from meter.core.state import MeterState
from meter.documents import parse
from meter.drivers.metering_ic.sample import Sample
from meter.storage import readings
from meter.storage.events import EventLog
from meter.storage.ledger import Ledger

from host_tests.bench.run.cpython import VirtualTime
from host_tests.unit.conftest import Partition, new_rings

VirtualTime()  # Books ask asyncio for what MicroPython has
pytestmark = pytest.mark.usefixtures("loaded")

Y2000 = datetime(2000, 1, 1)
STANDING, DEBT = 250_000, 100_000
INITIAL = 500_000_000
KWH = 320_000
CENT = 3_200  # counts that cost a cent at one unit per kWh


def utc(text, offset_h=0):
    """utc_s of "2026-03-05 12:00" as a clock this many hours ahead shows it."""
    return int((datetime.fromisoformat(text) - Y2000).total_seconds()) - offset_h * 3600


def day_number(text):
    return (date.fromisoformat(text) - Y2000.date()).days


def month_number(text):
    return (int(text[:4]) - 2000) * 12 + int(text[5:7]) - 1


class Memory:
    """A FRAM. budget: this many bytes are written, then power fails. broken: writes that begin there are not taken."""

    def __init__(self):
        self.data = bytearray(32_768)
        self.budget = None
        self.broken = ()
        self.written = 0

    def read_into(self, offset, buf):
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, offset, buf):
        if offset in self.broken:
            raise BusError(0, "not taken")
        n = len(buf) if self.budget is None else min(len(buf), self.budget)
        self.data[offset : offset + n] = buf[:n]
        self.written += n
        if self.budget is not None:
            self.budget -= n
            if n < len(buf):
                raise BusError(0, "power has failed")

    keep = write


class Meter:
    """A meter with a standing charge and a debt; now and then a tick of some counts."""

    def __init__(self, debt=10**9, offset_min=0, dst=None, **settings):
        amounts = {"initial_credit": str(INITIAL // 10**6), "debt_per_day": "0.1"}
        place = {"utc_offset_min": offset_min, "dst": dst}
        self.cfg = parse.settings({"meter_number": "1", **amounts, **place, **settings})
        self.tariff = parse.tariff({"name": "One", "currency": "EUR", "price": "1", "standing": "0.25"})
        self.fram = Memory()
        self.rings = new_rings()
        self.boot()
        self.s.debt_micro = debt

    def boot(self, later=None):
        """Power comes; what was not committed is gone. later: a tariff that is in a file of its own."""
        self.fram.budget = None
        self.at = None  # of the last tick
        Partition.dev = self.rings
        self.log = EventLog(self.fram)
        state = MeterState()
        self.books = Books(state, (Ledger(self.fram), self.log, self.fram), self.cfg, self.tariff, later)
        opening.read_ledger(self.books)
        self.s = state
        return self

    def copy(self):
        other = object.__new__(Meter)
        vars(other).update(vars(self))
        other.fram = Memory()
        other.fram.data[:] = self.fram.data
        other.rings = new_rings()
        other.rings.flash.data[:] = self.rings.flash.data
        return other.boot()

    def tick(self, at, counts=0, passed_s=None):
        """passed_s: time that has passed since the last tick; else what the clock says."""
        sample = Sample()
        sample.import_counts = counts
        at = utc(at) if isinstance(at, str) else at
        if passed_s is None:
            passed_s = at - self.at if at and self.at and at > self.at else 0
        self.at = at or self.at
        self.books.uptime_s += passed_s
        self.books.tick(sample, at)

    def clock_set(self, at, counts=0):
        """No time has passed, but the clock says something else."""
        self.tick(at, counts, 0)

    def ticks(self, start, end, every_s=600, counts=0):
        """Ticks from one time to another, the last one included."""
        for at in range(start, end + 1, every_s):
            self.tick(at, counts)

    @property
    def days(self):
        """Charged so far, by both accounts."""
        n, rest = divmod(self.s.charges_micro, STANDING)
        assert rest == 0 and self.s.debt_paid_micro == n * DEBT
        assert self.s.credit_micro == INITIAL - n * (STANDING + DEBT) - sum(self.s.rate_cost_micro)
        return n

    def told(self, code=codes.LOG_DAYS):
        records = [self.log.record(n) for n in range(1, self.log.next_number)]
        return [record[4] for record in records if record and record[2] == code]

    def months(self):
        record = readings.Readings(self.fram).buf[readings.MONTHS_AT : readings.DAYS_AT]
        return [(m, low | high << 32) for m, low, high in struct.iter_unpack("<HIH", record) if m]


@pytest.fixture
def meter():
    """A meter that has run since noon of 10 March 2026."""
    one = Meter()
    one.tick("2026-03-10 12:00")
    assert one.days == 0
    return one


# -- the first start --------------------------------------------------------------------------------


def test_the_day_of_the_first_start_costs_nothing(meter):
    assert (meter.s.day, meter.s.month) == (day_number("2026-03-10"), month_number("2026-03-10"))
    meter.tick("2026-03-10 23:59")
    assert meter.days == 0 and meter.told() == []


def test_before_the_first_clock_nothing_is_charged():
    one = Meter()
    for _ in range(200):
        one.tick(None, KWH)
    assert (one.days, one.s.day, one.s.month) == (0, 0, 0)
    one.tick("2026-03-10 12:00", KWH)
    assert (one.days, one.s.month_counts) == (0, 200 * KWH)
    assert one.months() == [(month_number("2026-02-01"), 200 * KWH)]


def test_a_meter_of_its_first_day_does_not_know_what_a_day_costs(meter):
    assert meter.books.spending.daily_micro == 0


# -- midnight -----------------------------------------------------------------------------------------


def test_a_day_is_charged_with_its_first_tick_and_no_other(meter):
    meter.tick(utc("2026-03-11 00:00") - 1)
    assert meter.days == 0
    meter.tick("2026-03-11 00:00")
    assert meter.days == 1
    meter.ticks(utc("2026-03-11 00:00") + 1, utc("2026-03-11 23:59"), 59)
    assert meter.days == 1
    assert meter.told() == []


def test_every_day_of_two_years_is_charged_once():
    one = Meter()
    one.ticks(utc("2027-01-01 06:00"), utc("2029-01-01 06:00"), 6 * 3600)
    assert one.days == 365 + 366
    assert one.told() == []
    assert one.s.day == day_number("2029-01-01")


def test_the_tick_over_midnight_is_the_new_months(meter):
    meter.ticks(utc("2026-03-10 12:10"), utc("2026-03-31 23:50"), counts=CENT)
    before = meter.s.import_counts
    meter.tick("2026-04-01 00:00", CENT)
    assert meter.s.month_counts == before == meter.s.import_counts - CENT
    assert meter.s.month == month_number("2026-04-01")
    assert meter.months()[0] == (month_number("2026-03-01"), before)


def test_month_begin_stays_through_the_month(meter):
    meter.ticks(utc("2026-04-01 00:00"), utc("2026-04-30 23:50"), 1800, CENT)
    assert meter.s.month_counts == 0
    meter.tick("2026-05-01 00:00")
    assert meter.s.month_counts == meter.s.import_counts > 0


def test_a_silent_metering_ic_does_not_stop_the_day(meter):
    meter.books.tick(None, utc("2026-03-11 00:00"))
    assert meter.days == 1


def test_what_a_day_costs_is_the_mean_of_the_last_seven(meter):
    assert meter.books.spending.daily_micro == 0
    for n in range(11, 29):
        meter.tick(f"2026-03-{n} 00:00")
        meter.tick(f"2026-03-{n} 12:00", n * 100 * CENT)
    meter.tick("2026-03-29 00:00")
    energy = sum(n * 10**6 for n in range(22, 29))
    # The charge of a day is taken when it begins, after the reading: seven of each.
    assert meter.books.spending.daily_micro == (energy + 7 * STANDING) // 7


def test_debt_is_recovered_until_it_is_paid():
    one = Meter(debt=250_000)
    one.ticks(utc("2026-03-10 12:00"), utc("2026-03-20 12:00"), 3600)
    assert (one.s.debt_micro, one.s.debt_paid_micro, one.s.charges_micro) == (0, 250_000, 10 * STANDING)
    assert one.s.credit_micro == INITIAL - 250_000 - 10 * STANDING


# -- the clock is set ---------------------------------------------------------------------------------


def test_set_back_over_midnight_the_same_day_comes_twice_and_is_charged_once(meter):
    meter.tick("2026-03-11 00:02")
    meter.tick("2026-03-10 23:50")
    meter.tick("2026-03-11 00:00")
    meter.tick("2026-03-11 00:02")
    assert meter.days == 1


def test_set_forward_over_midnight_the_day_is_charged(meter):
    meter.tick("2026-03-10 23:50")
    meter.tick("2026-03-11 00:10")
    assert meter.days == 1


@pytest.mark.parametrize("days", (1, 2, 9, 10, 27, 200, 365, 366))
def test_set_back_by_days_nothing_is_charged_until_they_are_over(meter, days):
    last = utc("2026-03-10 12:00")
    meter.tick(last - days * 86_400)
    meter.ticks(last - days * 86_400, last + 6 * 3600, 6 * 3600)
    assert meter.days == 0 and meter.told() == []
    assert (meter.s.day, meter.s.month) == (day_number("2026-03-10"), month_number("2026-03-10"))
    meter.tick(last + 12 * 3600)
    assert meter.days == 1


@pytest.mark.parametrize("days", (2, 3, 20, 32, 364, 366))
def test_found_forward_by_days_at_a_start_each_is_charged_and_told(meter, days):
    meter.boot()
    meter.tick(utc("2026-03-10 12:00") + days * 86_400)
    assert meter.days == days and meter.told() == [days]
    meter.tick(utc("2026-03-10 12:00") + days * 86_400 + 43_200)
    assert meter.days == days + 1


@pytest.mark.parametrize("hours", (0, 1, 20))
@pytest.mark.parametrize("days", (2, 3, 20, 366))
def test_set_forward_by_days_while_it_runs_no_more_are_charged_than_have_passed(meter, days, hours):
    at = utc("2026-03-10 12:00") + hours * 3600
    meter.tick(at)
    before = meter.days
    meter.clock_set(at + days * 86_400)
    assert meter.days <= before + 1


@pytest.mark.parametrize("days", (-367, 367, -3000, 3000))
def test_more_than_a_year_is_a_wrong_clock_and_charges_nothing(meter, days):
    meter.tick("2026-03-10 12:01", 50 * KWH)
    at = utc("2026-03-10 12:00") + days * 86_400
    meter.tick(at)
    assert meter.days == 0 and meter.told() == [0]
    assert meter.s.day == at // 86_400
    assert meter.s.month_counts == 50 * KWH
    meter.tick(at + 43_200)
    assert meter.days == 1


def test_a_wrong_year_and_back_charges_nothing(meter):
    meter.clock_set("2051-03-11 12:00")
    meter.tick("2026-03-10 12:05")
    assert meter.days == 0 and meter.told() == [0]
    assert meter.told(codes.LOG_CLOCK_UNDONE) == [day_number("2051-03-11") - day_number("2026-03-10")]
    meter.tick("2026-03-11 00:00")
    assert meter.days == 1


@pytest.mark.parametrize("days", (31, 92, 365))
def test_set_forward_to_the_same_day_of_another_month(meter, days):
    meter.tick(utc("2026-03-10 12:00") + days * 86_400)
    assert meter.days == days and meter.s.day == day_number("2026-03-10") + days


def test_readings_go_on_after_a_clock_that_was_wrong_for_a_moment(meter):
    meter.tick("2035-07-01 12:00", KWH)
    meter.tick("2026-03-11 12:00", KWH)
    meter.ticks(utc("2026-03-12 00:00"), utc("2026-04-02 00:00"), 3600, CENT)
    assert meter.months()[0][0] == month_number("2026-03-01")
    assert meter.books.spending.daily_micro == 24 * 10_000 + STANDING


@pytest.mark.parametrize("restart", (False, True))
@pytest.mark.parametrize("billing_day", (1, 15))
@pytest.mark.parametrize("ahead", (3, 31, 334, 366))
def test_a_month_that_a_wrong_clock_began_begins_on_its_date(billing_day, ahead, restart):
    meter = Meter(billing_day=billing_day)
    meter.ticks(utc("2026-01-01 12:00"), utc("2026-03-12 12:00"), 3600, CENT)

    def found():  # but for what was before the meter
        return meter.s.month, meter.s.month_counts, [end for end in meter.months() if end[1]]

    right = found()
    days = meter.days
    if restart:
        meter.boot()
    meter.clock_set(utc("2026-03-12 12:00") + ahead * 86_400)
    assert meter.s.month > right[0] or ahead == 3
    if restart:
        meter.boot()
    meter.clock_set("2026-03-12 13:00", CENT)
    assert found() == right and meter.days == days
    meter.ticks(utc("2026-03-12 14:00"), utc("2026-04-20 12:00"), 3600, CENT)
    begin = f"2026-04-{billing_day:02d} 00:00"
    since = (utc("2026-04-20 12:00") - utc(begin)) // 3600 + 1
    assert meter.s.import_counts - meter.s.month_counts == since * CENT
    assert meter.months()[0] == (month_number("2026-03-01"), meter.s.month_counts)
    assert meter.days == days + 39


def test_a_clock_set_back_by_hours_over_a_month_end_the_month_goes_on(meter):
    meter.ticks(utc("2026-03-11 00:00"), utc("2026-04-01 00:00"), 3600, CENT)
    began = meter.s.month_counts
    meter.tick("2026-03-31 22:00", CENT)
    meter.ticks(utc("2026-03-31 23:00"), utc("2026-04-29 12:00"), 3600, CENT)
    assert meter.s.month_counts == began and meter.s.month == month_number("2026-04-01")
    assert meter.months()[0] == (month_number("2026-03-01"), began)


def test_set_forward_over_month_ends_all_that_was_used_was_used_before(meter):
    meter.tick("2026-03-20 12:00", 7 * KWH)
    meter.tick("2026-06-05 12:00", KWH)
    assert meter.s.month_counts == 7 * KWH
    wanted = [(month_number(f"2026-0{n}-01"), 7 * KWH) for n in (5, 4, 3)]
    assert meter.months()[:3] == wanted


HOUR, DAY = 3600, 86_400
REAL = utc("2026-03-10 12:00")
SETS = (0, 1, 2, 3, 9, 31, 300, 366, 400, 9000, -1, -2, -3, -40, -400, -3000)
steps = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 100)),
    st.tuples(st.just("set"), st.sampled_from((*SETS, 0, 0))),
    st.tuples(st.just("off"), st.integers(0, 300)),
)


@given(st.lists(st.tuples(steps, st.booleans()), max_size=25))
def test_whatever_the_clock_said_once_it_is_right_each_day_has_been_charged_once(story):
    """Time passes, the clock is set days off while the meter runs or is off, and is right in the end. Days that were
    charged early, one by one or by a jump that time has caught up with, are not charged again when they come."""
    one = Meter()
    real, wrong = REAL, 0
    hidden = False
    one.tick(real)

    def at():
        return max(real + wrong * DAY, 0)

    for (what, n), restart in [*story, (("set", 0), False)]:
        if what == "set":
            # So does one that was behind before a start and is behind after it: the time before is forgotten.
            behind = hidden or (restart and wrong < 0)
            wrong = n
            if restart or hidden:
                one.boot()
            hidden = behind and wrong < 0
            one.tick(at(), CENT, 0)
        elif what == "pass":
            for _ in range(n):
                real += HOUR
                one.tick(at(), CENT, HOUR)
        else:
            # A clock that is behind hides an outage from a meter that is running when it is put right.
            hidden = hidden or wrong < 0
            real += n * HOUR
            one.boot()
            one.tick(at(), CENT, 0)
    charged = one.days
    early = one.s.day - real // DAY
    assert early >= 0 and charged == one.s.day - REAL // DAY
    for _ in range(early + 2):
        real += DAY
        one.tick(real, CENT, DAY)
    assert one.s.day == real // DAY and one.days == real // DAY - REAL // DAY


# -- outages and lost clocks --------------------------------------------------------------------------


@pytest.mark.parametrize("back", ("2026-03-11 00:00", "2026-03-11 07:00", "2026-03-12 00:01", "2026-04-17 12:00"))
def test_days_without_power_are_charged_when_it_is_back(meter, back):
    meter.boot()
    meter.tick(back)
    days = day_number(back[:10]) - day_number("2026-03-10")
    assert meter.days == days
    assert meter.told() == ([days] if days > 1 else [])


def test_an_outage_within_a_day_charges_nothing(meter):
    for _ in range(5):
        meter.boot()
        meter.tick("2026-03-10 15:00")
    assert meter.days == 0
    meter.tick("2026-03-11 00:00")
    meter.boot()
    meter.tick("2026-03-11 00:01")
    assert meter.days == 1


def test_an_outage_over_month_ends_fills_their_readings(meter):
    meter.tick("2026-03-31 20:00", 5 * KWH)
    meter.boot()
    meter.tick("2026-06-02 08:00", KWH)
    assert meter.s.month_counts == 5 * KWH
    assert meter.months() == [(month_number(f"2026-0{n}-01"), 5 * KWH if n > 2 else 0) for n in (5, 4, 3, 2)]


def test_an_outage_of_more_than_a_year_charges_nothing(meter):
    meter.boot()
    meter.tick("2027-04-01 12:00")
    assert meter.days == 0 and meter.told() == [0]


def test_days_without_a_clock_are_charged_when_it_is_set(meter):
    for _ in range(3):
        meter.tick(None, KWH)
    meter.boot()
    meter.tick(None, KWH)
    assert meter.days == 0
    meter.tick("2026-03-14 09:00")
    assert meter.days == 4 and meter.told() == [4]


# -- cuts and failing memory --------------------------------------------------------------------------


@pytest.mark.parametrize("midnight", ("2026-03-11 00:00", "2026-04-01 00:00", "2026-05-03 00:00"))
def test_power_cut_at_any_byte_of_the_days_work(midnight):
    one = Meter()
    one.ticks(utc("2026-02-20 12:00"), utc("2026-03-10 18:00"), 6 * 3600, 100 * CENT)
    whole = one.copy()
    whole.tick(utc("2026-03-10 18:00") + 1)
    quiet = whole.fram.written  # what a start and a tick without the day's work write
    whole = one.copy()
    whole.tick(midnight, CENT)
    assert whole.fram.written > quiet
    days = whole.days
    for budget in range(whole.fram.written + 1):
        cut = one.copy()
        cut.fram.budget = budget - cut.fram.written
        cut.tick(midnight, CENT)
        cut.boot()
        kept = cut.s.day == day_number(midnight[:10])
        assert cut.days == (days if kept else one.days), budget
        cut.tick(utc(midnight) + 1, CENT)
        assert cut.days == days, budget
        assert cut.s.day == day_number(midnight[:10]), budget
        assert cut.months() == whole.months(), budget
        assert cut.s.month_counts == whole.s.month_counts, budget


def test_power_cut_before_the_ledger_keeps_the_day_charged_once():
    """The readings are written, the ledger is not: nothing of the day is in the books, and all of it comes again."""
    one = Meter()
    one.tick("2026-03-31 23:59", 3 * KWH)
    one.fram.budget = readings.SIZE
    one.tick("2026-04-01 00:00")
    one.boot()
    assert one.days == 0 and one.months()[0] == (month_number("2026-03-01"), 3 * KWH)
    one.tick("2026-04-01 00:01")
    assert one.days == 1 and one.s.month_counts == 3 * KWH


def test_readings_that_are_not_taken_do_not_stop_the_day(meter):
    meter.fram.broken = (readings.SLOT_A, readings.SLOT_B)
    meter.tick("2026-03-11 00:00", CENT)
    assert meter.days == 1 and meter.s.import_counts == CENT
    assert meter.books.faults & codes.FAULT_FRAM
    assert meter.copy().s.day == day_number("2026-03-11")


def test_readings_that_were_not_taken_are_made_up_for_the_next_day(meter):
    meter.ticks(utc("2026-03-10 13:00"), utc("2026-03-31 23:00"), 3600, CENT)
    began = meter.s.import_counts
    meter.fram.broken = (readings.SLOT_A, readings.SLOT_B)
    meter.ticks(utc("2026-04-01 00:00"), utc("2026-04-03 23:00"), 3600, CENT)
    meter.fram.broken = ()
    meter.ticks(utc("2026-04-04 00:00"), utc("2026-04-04 23:00"), 3600, CENT)
    assert meter.months()[0] == (month_number("2026-03-01"), began)
    assert meter.days == 25
    assert meter.books.spending.daily_micro == 24 * 10_000 + STANDING


def test_readings_torn_at_midnight_and_no_cut(meter):
    meter.tick("2026-03-31 12:00", 9 * KWH)
    for keep in range(1, readings.SIZE):
        one = meter.copy()
        one.tick(utc("2026-03-31 12:00") + keep)
        one.fram.budget = keep
        one.tick("2026-04-01 00:00")
        one.fram.budget = None
        one.tick("2026-04-01 00:01")
        assert one.days == 22 and one.copy().s.day == day_number("2026-04-01")
        one.tick("2026-04-02 00:00")
        assert one.months()[0] == (month_number("2026-03-01"), 9 * KWH), keep


def test_a_ledger_that_does_not_take_the_day_takes_it_later(meter):
    meter.fram.broken = (0x0000, 0x0400)
    meter.tick("2026-03-11 00:00")
    meter.tick("2026-03-11 00:01")
    assert meter.days == 1
    meter.fram.broken = ()
    meter.tick("2026-03-11 00:02")
    assert meter.days == 1 and meter.copy().days == 1


# -- too little heap ----------------------------------------------------------------------------------


@pytest.fixture
def starved(monkeypatch):
    """Give it (object, name): the next call of that finds no heap."""
    from meter.books import day

    def starve(where, name):
        genuine = getattr(day if where is None else where, name)
        left = [1]

        def once(*args, **kwargs):
            if left[0]:
                left[0] -= 1
                raise MemoryError
            return genuine(*args, **kwargs)

        monkeypatch.setattr(day if where is None else where, name, once)

    return starve


def check_starved(meter):
    meter.tick("2026-03-13 00:00", CENT)
    assert meter.s.import_counts == CENT, "the tick is booked"
    meter.tick("2026-03-13 00:01", CENT)
    meter.tick("2026-03-13 00:02", CENT)
    assert meter.days == 3
    assert meter.s.import_counts == 3 * CENT and meter.s.day == day_number("2026-03-13")
    meter.tick("2026-03-14 00:00")
    assert meter.days == 4
    # From the reading of the 10th to that of the 14th, which is taken before the 14th is charged.
    assert meter.books.spending.daily_micro == (3 * 10_000 + 3 * STANDING) // 4


@pytest.mark.parametrize("name", ("work", "Readings"))
def test_without_heap_for_the_days_work_it_is_tried_again(meter, starved, name):
    starved(None, name)
    check_starved(meter)


def test_without_heap_for_the_readings_they_are_tried_again(meter, starved):
    starved(readings.Readings, "store")
    check_starved(meter)


def test_without_heap_for_the_log_the_days_are_charged_once(meter, starved):
    starved(EventLog, "append")
    check_starved(meter)


def test_without_heap_for_the_debt_the_days_are_charged_once(meter, starved):
    starved(account, "charge_days")
    check_starved(meter)


# -- daylight saving and other clocks -----------------------------------------------------------------


@pytest.mark.parametrize("switch", ("2026-03-29", "2026-10-25"))
def test_the_days_of_the_switch_are_days(switch):
    one = Meter(offset_min=60, dst="eu")
    noon = utc(switch + " 12:00")
    one.tick(noon - 2 * 86_400)
    one.ticks(noon - 2 * 86_400, noon + 2 * 86_400)
    assert one.days == 4 and one.told() == []


def test_a_day_begins_at_local_midnight_in_winter_and_summer():
    one = Meter(offset_min=60, dst="eu")
    one.tick("2026-01-10 12:00")
    one.tick(utc("2026-01-11 00:00", 1) - 1)
    assert one.days == 0
    one.tick(utc("2026-01-11 00:00", 1))
    assert one.days == 1
    one = Meter(offset_min=60, dst="eu")
    one.tick("2026-07-10 12:00")
    one.tick(utc("2026-07-11 00:00", 2) - 1)
    assert one.days == 0
    one.tick(utc("2026-07-11 00:00", 2))
    assert one.days == 1


@pytest.mark.parametrize("month", (4, 11))
def test_a_clock_that_is_changed_at_midnight(month):
    """00:00 does not exist on the day summer begins, and 23:00 comes twice on the day before it ends."""
    rule = {"start": [4, 1, "sun", "00:00"], "end": [11, 1, "sun", "00:00"], "basis": "wall"}
    one = Meter(offset_min=-180, dst=rule)
    begin = utc(f"2026-{month:02d}-01 00:00", -3)
    one.tick(begin)
    one.ticks(begin, begin + 14 * 86_400 + 7200, 300)
    assert one.days == 14 and one.told() == []


def test_another_offset_from_utc_takes_effect_at_once(meter):
    meter.tick("2026-03-10 20:00")
    east = parse.settings({"meter_number": "1", "utc_offset_min": 600, "debt_per_day": "0.1"})
    meter.books.put_in_force(east, meter.tariff, None)
    assert meter.days == 1
    meter.books.put_in_force(meter.cfg, meter.tariff, None)
    meter.tick("2026-03-11 00:00")
    assert meter.days == 1


# -- a tariff that waits for its time -----------------------------------------------------------------


def waiting(when, **more):
    return parse.tariff({"name": "Next", "currency": "EUR", "price": "2", "standing": "0.25", "from": when, **more})


def with_later(when):
    one = Meter()
    one.tick("2026-03-10 12:00")
    one.books.put_in_force(one.cfg, one.tariff, waiting(when))
    return one


def test_a_tariff_comes_in_force_with_its_minute_by_local_time():
    one = Meter(offset_min=60, dst="eu")
    one.books.later = waiting("2026-07-10 12:30")
    one.tick(utc("2026-07-10 12:30", 2) - 1, CENT)
    assert one.s.rate_cost_micro[0] == 10_000 and one.told(codes.LOG_TARIFF_CHANGED) == []
    one.tick(utc("2026-07-10 12:30", 2), CENT)
    assert one.s.rate_cost_micro[0] == 30_000 and one.books.terms.price_micro == 2_000_000
    assert one.told(codes.LOG_TARIFF_CHANGED) == [codes.BY_TIME] and one.books.later is None
    one.tick("2026-07-10 13:00", CENT)
    assert one.told(codes.LOG_TARIFF_CHANGED) == [codes.BY_TIME]


@pytest.mark.parametrize("restart", (False, True))
def test_a_tariff_that_a_wrong_clock_brought_waits_again_when_it_is_put_right(restart):
    one = with_later("2026-03-10 15:00")
    one.tick("2026-03-10 15:00", CENT)
    if restart:
        one.boot(waiting("2026-03-10 15:00"))
    one.tick("2026-03-10 12:00", CENT)
    assert one.s.rate_cost_micro[0] == 30_000 and one.books.later
    one.tick("2026-03-10 15:00", CENT)
    assert one.s.rate_cost_micro[0] == 50_000 and not one.books.later
    assert one.told(codes.LOG_TARIFF_CHANGED) == [codes.BY_TIME] * 3


def test_a_tariff_stays_in_force_in_the_hour_that_comes_twice():
    one = Meter(offset_min=60, dst="eu")
    one.books.later = waiting("2026-10-25 02:30")
    start = utc("2026-10-25 00:00") - 3600
    for minute in range(180):
        one.tick(start + 60 * minute)
    assert one.told(codes.LOG_TARIFF_CHANGED) == [codes.BY_TIME]


def test_a_tariff_does_not_come_in_force_without_a_clock():
    one = with_later("2026-03-10 15:00")
    one.tick(None, CENT)
    assert one.s.rate_cost_micro[0] == 10_000
    one.tick("2026-03-11 15:00", CENT)
    assert one.s.rate_cost_micro[0] == 30_000


def test_a_start_knows_whether_the_time_had_come_without_telling_it_again():
    for now, price in (("2026-03-10 14:59", 1), ("2026-03-10 15:00", 2)):
        one = with_later("2026-03-10 15:00")
        one.tick(now)
        told = one.told(codes.LOG_TARIFF_CHANGED)
        state = MeterState()
        later = waiting("2026-03-10 15:00")
        one.books = Books(state, (Ledger(one.fram), one.log, one.fram), one.cfg, one.tariff, later)
        opening.read_ledger(one.books)
        one.s = state
        one.tick(None, CENT)
        assert one.s.rate_cost_micro[0] == price * 10_000
        assert one.told(codes.LOG_TARIFF_CHANGED) == told


@pytest.mark.parametrize("restarts", (0, 1, 2))
def test_days_without_power_cost_what_the_tariff_of_each_says(restarts):
    one = Meter(debt=10**9)
    one.tick("2026-12-20 12:00")
    later = waiting("2027-01-01 00:00", standing="1.00")
    for _ in range(restarts):
        one.boot(later)
        one.tick("2026-12-20 13:00")
    one.boot(later)
    one.tick("2027-01-10 12:00")
    assert one.s.charges_micro == 11 * STANDING + 10 * 1_000_000
    assert one.s.debt_paid_micro == 21 * DEBT
    one.boot(later)
    one.tick("2026-12-30 12:00")
    assert (one.s.charges_micro, one.s.debt_paid_micro) == (10 * STANDING, 10 * DEBT), "that was a wrong clock"


def test_a_tariff_that_begins_within_a_day_costs_that_day_what_the_one_before_does():
    one = Meter(debt=0)
    one.tick("2026-12-30 12:00")
    one.boot(waiting("2027-01-01 06:00", standing="1.00"))
    one.tick("2027-01-03 12:00")
    assert one.s.charges_micro == 2 * STANDING + 2 * 1_000_000


def test_days_without_a_clock_cost_what_held_while_they_passed():
    from meter.books import day

    one = Meter()
    one.tick("2026-03-10 12:00")
    one.tick(None, passed_s=3 * 86_400)
    day.passed(one.books)  # what commands/change.py does before other terms
    dear = parse.settings({"meter_number": "1", "debt_per_day": "0.5", "initial_credit": "500"})
    one.books.put_in_force(dear, one.tariff, None)
    one.tick(None, passed_s=2 * 86_400)
    one.tick("2026-03-15 12:00", passed_s=0)
    assert one.s.charges_micro == 5 * STANDING
    assert one.s.debt_paid_micro == 3 * DEBT + 2 * 500_000


def test_the_day_a_tariff_begins_at_midnight_has_its_standing_charge():
    one = Meter(debt=0)
    one.tick("2026-03-10 12:00")
    one.books.put_in_force(one.cfg, one.tariff, waiting("2026-03-11 00:00", standing="3"))
    one.tick("2026-03-11 00:00")
    assert one.s.charges_micro == 3_000_000


# -- friendly hours over a restart --------------------------------------------------------------------


@pytest.mark.parametrize(("initial", "claim"), (("0", codes.CLAIM_NO_CREDIT), ("3", codes.CLAIM_REMINDER)))
def test_power_off_and_on_in_friendly_hours_takes_nobodys_supply(initial, claim):
    one = Meter(initial_credit="20", friendly={"from": "18:00", "until": "08:00"})
    one.tick("2026-03-10 19:00", (20 - int(initial)) * KWH)
    assert one.s.claims == 0
    one.boot()
    one.tick("2026-03-10 19:05")
    assert one.s.claims == 0
    one.tick("2026-03-11 08:00")
    assert one.s.claims == claim
