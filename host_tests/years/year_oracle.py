# SPDX-License-Identifier: Apache-2.0
"""What a meter's books must come to: registers, rates, freezes and maximum demand from documents, calendar and sums.

The oracle of the simulated year, of a replay and of the tariff's tests. Shares nothing with the firmware. It is told
what happened (power on, a tick at this time with its counts, a purchase, other documents) and applies the rules as
they are written down:

    a tick       belongs to the minute, rate, day and month in which it is read; without a clock, to the fallback rate
    a day        begins with its first tick: all is frozen, the day is charged by the tariff that held when it began,
                 then the tick is booked. Days without a tick are charged and frozen with the next one; set back,
                 nothing is done until the last day is over. The day on which a meter first has a clock is not charged
    a month      begins on the billing day, with the day; maxima begin again when the minute before has been counted
    demand       whole minutes metered without a break, at the rate of the last of them. Power off, no clock, a clock
                 that leaves out a minute or goes back to one before, another interval: what was before is forgotten

Energy is in counts, money in Fractions of a millionth, dates are `datetime`.
"""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

EPOCH = datetime(2000, 1, 1)
COUNTS_PER_KWH = 320_000
RATES = 8
DEFAULTS = {
    "utc_offset_min": 0, "dst": None, "phases": 1, "initial_credit": "0", "debt_per_day": "0", "debt_percent": 0,
    "demand_min": 15, "billing_day": 1,
}  # fmt: skip
ENERGIES = ("export_counts", "q_import_counts", "q_export_counts", "va_counts")


def seconds(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


def micro(text: str) -> int:
    return int(Decimal(text) * 1_000_000)


def last_sunday(year: int, month: int) -> datetime:
    """01:00 UTC of the last Sunday of a month of 31 days."""
    last = date(year, month, 31)
    return datetime(year, month, 31 - (last.weekday() + 1) % 7, 1)


class Zone:
    """Local time, with the European Union's summer time or with none."""

    def __init__(self, offset_min: int, summer_time: bool = True):
        self.offset_min = offset_min
        self.summers = {} if summer_time else None

    def local(self, utc_s: int) -> datetime:
        utc = EPOCH + timedelta(seconds=utc_s)
        if self.summers is None:
            return utc + timedelta(minutes=self.offset_min)
        if utc.year not in self.summers:
            self.summers[utc.year] = last_sunday(utc.year, 3), last_sunday(utc.year, 10)
        begins, ends = self.summers[utc.year]
        return utc + timedelta(minutes=self.offset_min + 60 * (begins <= utc < ends))


class Prices:
    """A tariff document that a meter takes, read the plain way: documents/tariff_doc.py says what may be in it."""

    def __init__(self, doc: dict):
        self.doc = doc
        rates = doc.get("rates") or [{"name": "flat", "price": doc["price"]}]
        self.names = [rate["name"] for rate in rates]
        self.prices = [micro(rate["price"]) for rate in rates]
        self.fallback = self.names.index(doc.get("fallback", self.names[0]))
        self.standing = micro(doc.get("standing", "0"))
        self.steps = [(kwh * COUNTS_PER_KWH, micro(more)) for kwh, more in doc.get("steps", [])]
        self.signals = [
            (datetime.fromisoformat(begins), datetime.fromisoformat(ends), micro(price), name)
            for begins, ends, price, name in doc.get("signals", [])
        ]
        self.begins = datetime.fromisoformat(doc.get("from", "2000-01-01 00:00"))
        self.days = {}

    def rate(self, now: datetime) -> int:
        day = now.date()
        if day not in self.days:
            self.days[day] = self._switches(day)
        minute = now.hour * 60 + now.minute
        return [rate for at, rate in self.days[day] if at <= minute][-1]

    def _switches(self, day):
        profiles = self.doc.get("days")
        if not profiles:
            return [(0, 0)]
        return [(int(at[:2]) * 60 + int(at[3:]), self.names.index(rate)) for at, rate in profiles[self._profile(day)]]

    def _profile(self, day):
        special = dict(self.doc.get("special_days", []))
        for text in (day.isoformat(), day.strftime("*-%m-%d")):
            if text in special:
                return special[text]
        weeks = self.doc.get("weeks")
        if not weeks:
            return next(iter(self.doc["days"]))
        seasons = self.doc.get("seasons") or [["01-01", next(iter(weeks))]]
        begun = [week for first, week in seasons if first <= day.strftime("%m-%d")]
        return weeks[begun[-1] if begun else seasons[-1][1]][day.weekday()]

    def signal(self, now: datetime):
        """(price, name) of the signal in force, or None."""
        for begins, ends, price, name in self.signals:
            if begins <= now < ends:
                return price, name
        return None

    def over_steps(self, used: int) -> int:
        """What a month's consumption costs beyond the rates, in counts x millionths."""
        return sum((used - at) * more for at, more in self.steps if used > at)


class Oracle:
    def __init__(self, settings: dict, tariff: dict, later: dict | None = None):
        self.settings = settings = {**DEFAULTS, **settings}
        self.zone = Zone(settings["utc_offset_min"], settings["dst"] == "eu")
        self.documents = Prices(tariff), later and Prices(later)
        self.totals = dict.fromkeys(("import_counts", *ENERGIES), 0)
        self.phases = [0] * 12 if settings["phases"] == 3 else []
        self.rate_counts = [0] * RATES
        self.rate_cost = [0] * RATES
        self.by_rate = [dict.fromkeys(ENERGIES, 0) for _ in range(RATES)]
        self.worth = Fraction(0)  # of all energy
        self.given = micro(settings["initial_credit"])
        self.charges = self.debt = self.paid = self.past_counts = self.past_cost = 0
        self.utc_s = 0
        self.day = None  # the latest one charged
        self.month = None
        self.month_counts = 0
        self.month_cost = None
        self.spent_at = {}  # day: cost of all when it began
        self.maxima = [[(0, 0), (0, 0)] for _ in range(RATES)]
        self.days = []  # frozen
        self.months = []
        self.power_on()

    # -- what happens -----------------------------------------------------------------------------

    def power_on(self) -> None:
        """What was committed is there; the tick under way is not."""
        self.prices, self.later = self.documents
        self.before = None  # in force before a `later` that has come
        if self.utc_s:
            self._take_later(self.zone.local(self.utc_s))
        self.ticked = False  # with a clock, since this start
        self.looked = None
        self.now = None
        self.forget(None)

    def put_in_force(self, settings: dict, tariff: dict, later: dict | None) -> None:
        settings = {**DEFAULTS, **settings}
        other = settings["demand_min"] != self.settings["demand_min"]
        self.settings = settings
        self.documents = self.prices, self.later = Prices(tariff), later and Prices(later)
        self.before = None
        if other:
            self.forget(self.minute)
            self.maxima = [[(0, 0), (0, 0)] for _ in range(RATES)]
        now = self.now
        if now:
            self._take_later(now)
        self._rate(now)
        self._look()

    def purchase(self, amount_micro: int, debt_micro: int) -> None:
        self.given += amount_micro
        self.debt += debt_micro
        self._pay(amount_micro * self.settings["debt_percent"] // 100)

    def tick(self, utc_s: int | None, counts: dict | None) -> None:
        """counts: of MeterState's energies, and "phases"; None: the metering IC says nothing."""
        now = None
        if utc_s is None:
            self.forget(None)
        else:
            now = self.zone.local(utc_s)
            self._minute(utc_s // 60)
            self.utc_s = utc_s
            self.ticked = True
            self._take_later(now)
            self._begin_day(now)
        self.now = now
        self._rate(now)
        looked = -1 if utc_s is None else utc_s // 60
        if self.looked != looked:
            self.looked = looked
            self._look()
        if counts:
            self._book(counts)

    # -- demand -----------------------------------------------------------------------------------

    def forget(self, minute) -> None:
        """Nothing metered; a minute is under way, or none."""
        self.minute = minute
        self.in_minute = 0
        self.metered = []  # (minute, counts), one after the other

    def _minute(self, minute):
        if minute == self.minute:
            return
        if self.minute is None or minute != self.minute + 1:
            self.forget(minute)
            return
        self.metered.append((self.minute, self.in_minute))
        length = self.settings["demand_min"]
        taken = sum(counts for at, counts in self.metered if at >= minute - length)
        maxima = self.maxima[self.rate]
        if minute % length == 0 and taken > maxima[0][0]:
            maxima[0] = (taken, minute * 60)
        if taken > maxima[1][0]:
            maxima[1] = (taken, minute * 60)
        del self.metered[:-60]
        self.minute = minute
        self.in_minute = 0

    # -- days -------------------------------------------------------------------------------------

    def _take_later(self, now):
        if self.later and now >= self.later.begins:
            self.before, self.prices, self.later = self.prices, self.later, None

    def _begin_day(self, now):
        today = now.date()
        month = now.year * 12 + now.month - 1 - (now.day < self.settings["billing_day"])
        if self.day is not None and today <= self.day:
            return
        spent = self.spent
        first = today if self.day is None else self.day + timedelta(1)
        self.days.append(self._frozen(max(first, today - timedelta(61)), today))
        if self.month is None or month > self.month:
            if self.month is not None:
                self.months.append(self._frozen(max(self.month, month - 24), month - 1))
            self.month = month
            self.month_counts = self.totals["import_counts"]
            self.month_cost = [*self.rate_cost, self.charges]
            self.maxima = [[(0, 0), (0, 0)] for _ in range(RATES)]
        days = (today - first).days + 1 if self.day else 0
        self.charges += sum(self._standing(today - timedelta(n)) for n in range(days))
        self._pay(days * micro(self.settings["debt_per_day"]))
        self.day = today
        self.spent_at[today] = spent

    def _standing(self, day) -> int:
        """What a day costs by the tariff that held when it began."""
        begun = not self.before or datetime(day.year, day.month, day.day) >= self.prices.begins
        return (self.prices if begun else self.before).standing

    def _frozen(self, first, last):
        return {
            "utc_s": self.utc_s, "first": first, "last": last,
            "totals": tuple(self.totals.values()), "rate_counts": tuple(self.rate_counts),
            "rate_cost_micro": tuple(self.rate_cost), "charges_micro": self.charges, "credit_micro": self.credit,
            "debt_micro": self.debt, "phases": tuple(self.phases or [0] * 12),
            "rates": [tuple(rate.values()) for rate in self.by_rate],
            "maxima": [tuple(kinds) for kinds in self.maxima],
        }  # fmt: skip

    # -- money ------------------------------------------------------------------------------------

    @property
    def spent(self) -> int:
        return math.floor(self.worth) + self.charges

    @property
    def credit(self) -> int:
        return self.given - self.spent - self.paid

    def _pay(self, amount):
        amount = min(amount, self.debt)
        self.debt -= amount
        self.paid += amount

    def _rate(self, now):
        prices = self.prices
        self.rate = prices.rate(now) if now else prices.fallback
        self.signal = prices.signal(now) if now else None
        self.rate_price = self.signal[0] if self.signal else prices.prices[self.rate]

    def _look(self):
        """The price shown is that of the next count when the minute begins."""
        used = self.totals["import_counts"] - self.month_counts
        self.price = self.rate_price + sum(more for at, more in self.prices.steps if used >= at)

    def _book(self, counts):
        taken = counts["import_counts"]
        before = self.credit
        used = self.totals["import_counts"] - self.month_counts
        worth = taken * self.rate_price + self.prices.over_steps(used + taken) - self.prices.over_steps(used)
        cost = -math.floor(self.worth)
        self.worth += Fraction(worth, COUNTS_PER_KWH)
        cost += math.floor(self.worth)
        if before <= 0:
            self.past_counts += taken
            self.past_cost += cost
        self.rate_counts[self.rate] += taken
        self.rate_cost[self.rate] += cost
        self.in_minute += taken
        for name in self.totals:
            self.totals[name] += counts[name]
        for name in ENERGIES:
            self.by_rate[self.rate][name] += counts[name]
        if self.phases:
            self.phases = [a + b for a, b in zip(self.phases, counts["phases"], strict=True)]

    # -- what must be there -------------------------------------------------------------------------

    def state(self) -> dict:
        """Fields of the ledger."""
        month = 0 if self.month is None else self.month - 24_000
        return {
            **self.totals, "phase_counts": self.phases, "rate_counts": self.rate_counts,
            "rate_cost_micro": self.rate_cost, "credit_micro": self.credit, "charges_micro": self.charges,
            "debt_micro": self.debt, "debt_paid_micro": self.paid, "overdraft_counts": self.past_counts,
            "overdraft_micro": self.past_cost, "month_counts": self.month_counts, "month": month,
            "day": (self.day - EPOCH.date()).days if self.day else 0, "utc_s": self.utc_s,
            "cost_acc": (self.worth - math.floor(self.worth)) * COUNTS_PER_KWH,
        }  # fmt: skip

    def shown(self) -> dict:
        """What others read of the books. Costs of days are known with the first tick that has a clock."""
        yesterday = today = None
        if self.ticked:
            today = self.spent_at[self.day]
            yesterday = self.spent_at.get(self.day - timedelta(1))
            yesterday = None if yesterday is None else today - yesterday
        return {
            "rate": self.rate, "rate_micro": self.rate_price, "price_micro": self.price,
            "signal": self.signal[1] if self.signal else "", "day_spent_micro": today, "yesterday_micro": yesterday,
            "month_cost_micro": self.month_cost,
        }  # fmt: skip
