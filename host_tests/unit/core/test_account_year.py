# SPDX-License-Identifier: Apache-2.0
"""A year of a household at one tick a minute, through the books, against whole numbers from the calendar alone.

The household lives first: it uses energy while the supply is on, buys when it must, borrows at night. What it did
is written down, and the oracle goes through it again with nothing but datetime, the documents and sums.
"""

import random
import struct
from array import array
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from meter.books import opening, purchases
from meter.books.books import Books
from meter.core import codes
from meter.core.state import MeterState
from meter.documents import parse
from meter.drivers.metering_ic.sample import Sample
from meter.storage import readings
from meter.storage.ledger import FRESH, LOADED

from host_tests.bench.run.cpython import VirtualTime
from host_tests.stands import states
from host_tests.unit.conftest import modules_stay
from host_tests.years.year_oracle import Prices

VirtualTime()  # Books ask asyncio for what MicroPython has

MINUTES = 525_600
KWH = 320_000
EPOCH = datetime(2000, 1, 1)
BEGIN = int((datetime(2025, 12, 31, 23) - EPOCH).total_seconds())  # new year where clocks are an hour ahead
HOLIDAYS = ("2026-04-03", "2026-04-06", "*-05-01", "*-12-25", "*-12-26", "*-01-01")
SETTINGS = {
    "meter_number": "1",
    "utc_offset_min": 60,
    "dst": "eu",
    "alarm1": "8",
    "alarm2": "4",
    "initial_credit": "12.345678",
    "emergency": "6",
    "debt_per_day": "0.07",
    "debt_percent": 15,
    "friendly": {"from": "18:00", "until": "08:00", "weekend": True, "holidays": list(HOLIDAYS)},
}
WORK, REST = ["work"] * 5, ["rest"] * 2
TARIFF = {
    "name": "First half",
    "currency": "EUR",
    "rates": [{"name": "low", "price": "0.173"}, {"name": "high", "price": "0.291007"}, {"name": "sun", "price": "0"}],
    "days": {
        "work": [["00:00", "low"], ["06:30", "high"], ["21:45", "low"]],
        "rest": [["00:00", "low"], ["09:00", "high"], ["20:00", "low"]],
        "bright": [["00:00", "low"], ["07:00", "high"], ["12:00", "sun"], ["14:30", "high"], ["22:00", "low"]],
        "feast": [["00:00", "low"]],
    },
    "weeks": {"winter": WORK + REST, "summer": ["bright"] * 5 + REST},
    "seasons": [["03-15", "summer"], ["10-01", "winter"]],
    "special_days": [["2026-04-06", "feast"], ["*-12-25", "feast"], ["2026-06-04", "work"]],
    "fallback": "high",
    "standing": "0.213",
    "steps": [[100, "0.031"], [220, "0.04"], [320, "-0.015003"]],
}
LATER = {
    **TARIFF,
    "name": "Second half",
    "rates": [{"name": "low", "price": "0.2"}, {"name": "high", "price": "0.333333"}, {"name": "sun", "price": "0.01"}],
    "standing": "0.3",
    "steps": [[80, "0.05"], [200, "0.019999"], [400, "0.1"]],
    "from": "2026-07-15 13:30",
}
MONEY = (codes.LOG_TRIP, codes.LOG_CLOSE, codes.LOG_PURCHASE, codes.LOG_DEBT, codes.LOG_EMERGENCY)
TOLD = (*MONEY, codes.LOG_TARIFF_CHANGED, codes.LOG_ALARM1, codes.LOG_ALARM2, codes.LOG_DAYS)


def micro(text):
    return int(Decimal(text) * 1_000_000)


def summer(year):
    """UTC seconds in which summer time holds: last Sunday of March and of October, 01:00 UTC."""
    edges = []
    for month in (3, 10):
        last = date(year, month, 31)
        last -= timedelta((last.weekday() + 1) % 7)
        edges.append(int((datetime(year, month, last.day, 1) - EPOCH).total_seconds()))
    return edges


SUMMER = summer(2026)


def local(utc_s):
    return EPOCH + timedelta(seconds=utc_s, hours=2 if SUMMER[0] <= utc_s < SUMMER[1] else 1)


def is_holiday(day):
    return day.isoformat() in HOLIDAYS or day.strftime("*-%m-%d") in HOLIDAYS


# -- the household ----------------------------------------------------------------------------------


class Memory:
    """Ledger, event log and FRAM, kept where the test can see them."""

    def __init__(self):
        self.state = None
        self.events = []
        self.data = bytearray(0x8000)
        self.next_number = 1

    def load(self, s):
        if self.state is None:
            return FRESH
        states.copy(s, self.state)
        return LOADED

    def commit(self, s):
        self.state = s

    def find_end(self, mark):
        pass

    def append(self, code, value, utc_s):
        self.next_number += 1
        if code in TOLD:
            self.events.append((utc_s, code, value))

    def read_into(self, offset, buf):
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, offset, buf):
        self.data[offset : offset + len(buf)] = buf

    keep = write


class Household:
    """Lives by what its meter lets it. used, exported: counts of each minute; did: what it did after which."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.memory = Memory()
        self.cfg = parse.settings(SETTINGS)
        self.tariffs = [parse.tariff(TARIFF), parse.tariff(LATER)]
        self.used = array("i")
        self.exported = array("i")
        self.did = {}
        self.means = []
        self.plans = None  # the minute of the next visit to the meter, and to the shop
        self.start(*self.tariffs)

    def start(self, first, later):
        memory = self.memory
        self.books = Books(MeterState(), (memory, memory, memory), self.cfg, first, later)
        opening.read_ledger(self.books)

    def live(self):
        rand, sample = self.random.random, Sample()
        sample.q_import_counts, sample.q_export_counts = 3, 1
        level = 1500
        for n in range(MINUTES + 1):
            utc_s = BEGIN + 60 * n
            hour = n // 60 % 24
            if n % 20 == 0:
                winter = 1.9 if n < 90_000 or n > 430_000 else 1
                level = int((600 if hour < 6 else 2600 if 17 <= hour < 22 else 1700) * (0.4 + 1.2 * rand()) * winter)
            books = self.books
            sunny = 10 <= hour < 16 and 120_000 < n < 380_000 and level < 1100
            on = books.s.relay_closed
            sample.import_counts = 0 if sunny or (not on and n % 97) else level
            sample.export_counts = level * 3 if sunny else 0
            self.used.append(sample.import_counts)
            self.exported.append(sample.export_counts)
            books.tick(sample, utc_s)
            if n % 1440 == 600:
                self.means.append(books.spending.daily_micro)
            s = books.s
            if s.claims or s.credit_micro < 4_000_000 or self.plans is not None:
                self.needs(n, utc_s)
            if books.wants_closed() != s.relay_closed:
                books.relay_is(books.wants_closed())
            if n % 28_800 == 19_700 and not s.claims and s.credit_micro > 4_000_000:
                # Pulled out and put back at once. The state was committed.
                kept = MeterState()
                states.copy(kept, s)
                self.memory.state = kept
                self.start(self.books.tariff, self.books.later)

    def needs(self, n, utc_s):
        """Credit is short. Sooner or later somebody goes to the shop, or puts the card in as it is."""
        books, rand = self.books, self.random
        if self.plans is None:
            self.plans = n + rand.choice((3, 40, 300, 500, 700, 2000))
        if n < self.plans:
            return
        at = local(utc_s)
        self.plans = None
        open_shop = at.weekday() < 5 and 8 <= at.hour < 18 and not is_holiday(at.date())
        if open_shop and not (books.s.claims & codes.CLAIM_NO_CREDIT and rand.random() < 0.4):
            amount = rand.randrange(2_000_000, 30_000_000)
            debt = rand.choice((0, 0, 0, 12_000_000))
            self.did[n] = (amount, debt)
            bought = purchases.purchase(books, amount, debt), books.s.purchase_count, debt
        else:
            self.did[n] = bought = None
        purchases.user_card(books, b"\4abcdef", 1, False, bought)


# -- the oracle -------------------------------------------------------------------------------------


def rates_of(prices, day):
    """The rate of each minute of a day."""
    begins = datetime(day.year, day.month, day.day)
    return [prices.rate(begins + timedelta(minutes=n)) for n in range(1440)]


def friendly_minutes(day):
    whole = day.weekday() >= 5 or is_holiday(day)
    return [whole or minute >= 18 * 60 or minute < 8 * 60 for minute in range(1440)]


class Oracle:
    def __init__(self):
        self.initial = micro(SETTINGS["initial_credit"])
        self.alarms = micro(SETTINGS["alarm1"]), micro(SETTINGS["alarm2"])
        self.numerator = 0  # of all that energy was worth, in counts x millionths
        self.bought = self.count = self.last = self.charges = self.debt = self.paid = 0
        self.imported = self.exported = self.while_open = self.past = self.past_cost = 0
        self.rates = [0, 0, 0]
        self.rate_costs = [0, 0, 0]
        self.no_credit = self.reminder = self.served = self.lent = False
        self.level = 0
        self.events = []
        self.months = []
        self.days = []  # charged
        self.spent = []  # (day, cost of all until it began)
        self.means = []
        self.was_open = False

    @property
    def credit(self):
        return self.initial + self.bought - self.numerator // KWH - self.charges - self.paid

    @property
    def floor(self):
        return -micro(SETTINGS["emergency"]) if self.lent else 0

    @property
    def claims(self):
        return codes.CLAIM_NO_CREDIT * self.no_credit | codes.CLAIM_REMINDER * self.reminder

    def pay(self, amount):
        amount = min(amount, self.debt)
        self.debt -= amount
        self.paid += amount

    def begin_day(self, day, prices, first):
        self.spent.append((day, self.numerator // KWH + self.charges))
        if not first:
            self.days.append(day)
            self.charges += prices.standing
            self.pay(micro(SETTINGS["debt_per_day"]))
            if day.day == 1:
                self.months.insert(0, ((day - timedelta(1)).strftime("%Y-%m"), self.imported))

    def mean(self):
        day, spent = self.spent[-1]
        week = [(then, before) for then, before in self.spent[-8:-1] if (day - then).days <= 7]
        return (spent - week[0][1]) // (day - week[0][0]).days if week else 0

    def follow(self, utc_s, friendly):
        """Credit is what it is now: supply, and what is said about it."""
        was = self.claims
        credit = self.credit
        self.lent = self.lent and credit <= 0
        if credit > self.floor:
            self.no_credit = False
        elif not friendly:
            self.no_credit = True
        if credit > self.alarms[1]:
            self.served = False
        elif not self.served and not friendly:
            self.served = True
            self.reminder = self.reminder or not self.claims
        self.tell(utc_s, was)

    def tell(self, utc_s, was):
        claims = self.claims
        if claims & ~was:
            self.events.append((utc_s, codes.LOG_TRIP, claims))
        elif was and not claims:
            self.events.append((utc_s, codes.LOG_CLOSE, was))

    def say_level(self, utc_s):
        level = sum(self.credit <= limit for limit in (*self.alarms, self.floor))
        if self.level < level < 3:
            self.events.append((utc_s, codes.LOG_ALARM1 if level == 1 else codes.LOG_ALARM2, 0))
        self.level = level

    def go_through(self, home):
        old, new = Prices(TARIFF), Prices(LATER)
        change = datetime.fromisoformat(LATER["from"])
        prices = old
        day = None
        base = steps = begun = 0  # in counts x millionths; steps: of what is past; begun: used of the month at a change
        used = 0  # of this month
        self.level = sum(self.initial <= limit for limit in (*self.alarms, 0))
        for n, counts in enumerate(home.used):
            utc_s = BEGIN + 60 * n
            now = local(utc_s)
            if prices is old and now >= change:
                steps += old.over_steps(used)
                begun, prices, day_rates = used, new, rates_of(new, day)
                self.events.append((utc_s, codes.LOG_TARIFF_CHANGED, codes.BY_TIME))
            if now.date() != day:
                first = day is None
                day = now.date()
                self.begin_day(day, prices, first)
                day_rates = rates_of(prices, day)
                if day.day == 1:
                    steps += prices.over_steps(used) - prices.over_steps(begun)
                    used = begun = 0
                friendly = friendly_minutes(day)
            minute = now.hour * 60 + now.minute
            rate = day_rates[minute]
            if n % 1440 == 600:
                self.means.append(self.mean())
            before = self.credit
            base += counts * prices.prices[rate]
            used += counts
            cost = -(self.numerator // KWH)
            self.numerator = base + steps + prices.over_steps(used) - prices.over_steps(begun)
            cost += self.numerator // KWH
            self.imported += counts
            self.exported += home.exported[n]
            self.rates[rate] += counts
            self.rate_costs[rate] += cost
            if self.was_open:
                self.while_open += counts
            if before <= 0:
                self.past += counts
                self.past_cost += cost
            self.follow(utc_s, friendly[minute])
            self.say_level(utc_s)
            if n in home.did:
                self.visit(utc_s, friendly[minute], home.did[n])
            self.was_open = bool(self.claims)
        return self

    def visit(self, utc_s, friendly, bought):
        """The card is put in, with a purchase on it or none."""
        if bought:
            amount, debt = bought
            self.bought += amount
            self.count += 1
            self.last = amount
            self.debt += debt
            self.pay(amount * SETTINGS["debt_percent"] // 100)
            self.events.append((utc_s, codes.LOG_PURCHASE, self.count))
            if debt:
                self.events.append((utc_s, codes.LOG_DEBT, self.count))
            self.follow(utc_s, friendly)
            self.say_level(utc_s)
        was = self.claims
        self.reminder = False
        self.tell(utc_s, was)
        if self.credit <= 0 and not self.lent and self.credit > -micro(SETTINGS["emergency"]):
            was = self.claims
            self.no_credit, self.lent = False, True
            self.tell(utc_s, was)
            self.events.append((utc_s, codes.LOG_EMERGENCY, 0))
            self.follow(utc_s, friendly)
            self.say_level(utc_s)


@pytest.fixture(scope="module", params=(1, 2026))
def year(request):
    with modules_stay():
        home = Household(request.param)
        home.live()
    return home, Oracle().go_through(home)


def test_every_register_is_the_oracles(year):
    home, oracle = year
    s = home.books.s
    wanted = {
        "utc_s": BEGIN + 60 * MINUTES,
        "import_counts": sum(home.used),
        "export_counts": oracle.exported,
        "q_import_counts": 3 * (MINUTES + 1),
        "q_export_counts": MINUTES + 1,
        "open_counts": oracle.while_open,
        "cost_acc": oracle.numerator % KWH,
        "credit_micro": oracle.credit,
        "purchased_micro": oracle.bought,
        "purchase_count": oracle.count,
        "last_purchase_micro": oracle.last,
        "overdraft_counts": oracle.past,
        "overdraft_micro": oracle.past_cost,
        "claims": oracle.claims,
        "latches": codes.LATCH_REMINDER_SERVED * oracle.served | codes.LATCH_EMERGENCY * oracle.lent,
        "debt_micro": oracle.debt,
        "debt_paid_micro": oracle.paid,
        "charges_micro": oracle.charges,
        "month_counts": int(oracle.months[0][1]),
        "month": 27 * 12,
        "day": (date(2027, 1, 1) - EPOCH.date()).days,
        "rate_counts": [*oracle.rates, 0, 0, 0, 0, 0],
        "rate_cost_micro": [*oracle.rate_costs, 0, 0, 0, 0, 0],
    }
    assert {name: getattr(s, name) for name in wanted} == wanted
    assert oracle.imported == sum(home.used)


def test_the_books_balance_to_the_last_millionth(year):
    home, oracle = year
    s = home.books.s
    spent = Fraction(oracle.numerator, KWH)
    assert sum(s.rate_cost_micro) + Fraction(s.cost_acc, KWH) == spent
    assert s.credit_micro == oracle.initial + s.purchased_micro - sum(s.rate_cost_micro) - s.charges_micro - (
        s.debt_paid_micro
    )
    assert s.debt_micro + s.debt_paid_micro == sum(bought[1] for bought in home.did.values() if bought)


def test_no_day_is_charged_twice_or_skipped(year):
    home, oracle = year
    assert oracle.days == [date(2026, 1, 2) + timedelta(n) for n in range(365)]
    new = date(2026, 7, 16)
    assert home.books.s.charges_micro == sum(300_000 if day >= new else 213_000 for day in oracle.days)


def test_month_ends_are_the_oracles(year):
    home, oracle = year
    record = readings.Readings(home.memory).buf[readings.MONTHS_AT : readings.DAYS_AT]
    found = [(month, low | high << 32) for month, low, high in struct.iter_unpack("<HIH", record)]
    assert [(f"{2000 + n // 12}-{n % 12 + 1:02d}", counts) for n, counts in found] == oracle.months
    assert [month for month, _ in oracle.months] == [f"2026-{n:02d}" for n in range(12, 0, -1)]


def test_what_a_day_costs_is_the_oracles_on_every_day(year):
    home, oracle = year
    assert home.means == oracle.means and len(home.means) == 365


def test_all_that_was_told_is_the_oracles_in_order(year):
    home, oracle = year
    assert home.memory.events == oracle.events


def test_the_year_had_everything_in_it(year):
    home, oracle = year
    told = [code for _, code, _ in oracle.events]
    for code in (*MONEY, codes.LOG_ALARM1, codes.LOG_ALARM2):
        assert told.count(code) >= 5, code
    assert told.count(codes.LOG_TARIFF_CHANGED) == 1 and codes.LOG_DAYS not in told
    trips = [(utc_s, value) for utc_s, code, value in oracle.events if code == codes.LOG_TRIP]
    for claim in (codes.CLAIM_NO_CREDIT, codes.CLAIM_REMINDER):
        times = [local(utc_s) for utc_s, value in trips if value & claim]
        assert len(times) >= 5
        assert all(at.weekday() < 5 and 8 <= at.hour < 18 and not is_holiday(at.date()) for at in times)
    assert any(local(utc_s).strftime("%H:%M") == "08:00" for utc_s, _ in trips)
    assert min(oracle.rates) > 0 and oracle.past and oracle.while_open and oracle.exported
    assert home.used.count(0) > 1000
    steps = [at for at, _ in Prices(TARIFF).steps]
    monthly = [a[1] - b[1] for a, b in zip(oracle.months, oracle.months[1:], strict=False)]
    assert max(monthly) > steps[-1] > min(monthly) > steps[0]
