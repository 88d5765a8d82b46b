# SPDX-License-Identifier: Apache-2.0
"""What a meter must do with energy, money, claims and cards, in plain Python and fractions.

Written from the rules of behaviour, not from the firmware: imports nothing of it. Numbers that leave the meter
(claim bits, refusals, log codes) are written down a second time.
"""

import copy
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from host_tests.model.jump import Calendar

EPOCH = datetime(2000, 1, 1)
COUNTS_PER_KWH = 320_000
RATES = 8

REMOTE, NO_CREDIT, REMINDER, OVERLOAD, FAULT = 1, 2, 4, 8, 32  # claims
SERVED, READY, CARD_ONLY, EMERGENCY = 1, 2, 4, 8  # latches
OPEN, CLOSED, UNKNOWN = 0, 1, 2  # relay
FAULT_FRAM, FAULT_RELAY = 2, 32
LOG_TRIP, LOG_CLOSE, LOG_PURCHASE, LOG_REFUSED, LOG_BOUND, LOG_EMERGENCY, LOG_DEBT, LOG_DAYS = 16, 17, *range(32, 38)
FOREIGN, REPLAYED, SKIPPED, MALFORMED, AUTH, OLD, HOARD, STORAGE, LOCKED = 2, 3, 4, 5, 7, 8, 9, 11, 12

CLOCK_MOVED_S = 60
CLOSES, WINDOW_S = 4, 1800  # automatic closes after overload
FREE_LOGINS, MOST_LOGINS = 2, 12  # failed ones in a row
# Field of the meter's record, and what it is called here.
KEPT = dict(
    pair.split("=")
    for pair in (
        "utc_s=utc_s import_counts=imported export_counts=exported q_import_counts=q_imported "
        "q_export_counts=q_exported open_counts=while_open rate_counts=rates rate_cost_micro=rate_cost "
        "credit_micro=credit purchased_micro=bought purchase_count=purchases last_purchase_micro=last "
        "overdraft_counts=past_zero overdraft_micro=past_zero_cost claims=claims relay_closed=relay card_uid=uid "
        "card_generation=generation refused_cards=refused writeback_seq=writebacks boots=boots debt_micro=debt "
        "debt_paid_micro=debt_paid charges_micro=charges month_counts=month_began_with utility_serial=serial "
        "failed_logins=failed_logins lock=lock va_counts=apparent"
    ).split()
)


def local(utc_s, offset_min) -> datetime:
    return EPOCH + timedelta(seconds=utc_s, minutes=offset_min)


@dataclass(frozen=True)
class House:
    """What is agreed with the household; money in millionths."""

    initial: int = 0
    alarm1: int = 10_000_000
    alarm2: int = 5_000_000
    overdraft: int = 0
    hoard: int = 0
    limit_w: int = 0
    hold_s: int = 30
    wait_s: int = 0
    offset_min: int = 0
    emergency: int = 0
    debt_day: int = 0
    debt_percent: int = 0
    night: tuple = ()  # friendly hours, as text
    weekend: bool = False
    holidays: tuple = ()

    def is_friendly(self, now: datetime) -> bool:
        """Does credit alone switch nobody off now?"""
        if self.night:
            begin, end = self.night
            at = now.strftime("%H:%M")
            if begin <= at < end or (end < begin and (at >= begin or at < end)):
                return True
        day = now.strftime("%m-%d")
        return (
            (self.weekend and now.weekday() >= 5) or f"*-{day}" in self.holidays or f"{now.year}-{day}" in self.holidays
        )

    def document(self, number: str) -> dict:
        """The same as the meter reads it."""
        names = {"initial_credit": self.initial, "alarm1": self.alarm1, "alarm2": self.alarm2}
        names |= {"overdraft": self.overdraft, "hoard": self.hoard}
        names |= {"emergency": self.emergency, "debt_per_day": self.debt_day}
        doc = {name: str(Decimal(amount).scaleb(-6)) for name, amount in names.items()}
        wholes = {"overload_w": self.limit_w, "overload_hold_s": self.hold_s, "overload_wait_s": self.wait_s}
        wholes |= {"debt_percent": self.debt_percent, "utc_offset_min": self.offset_min}
        friendly = {"weekend": self.weekend, "holidays": list(self.holidays)}
        if self.night:
            friendly |= {"from": self.night[0], "until": self.night[1]}
        return {"meter_number": number, "friendly": friendly, **doc, **wholes}


class Prices:
    """A tariff document with one kind of day, read the plain way."""

    def __init__(self, doc: dict, offset_min: int):
        rates = doc.get("rates") or [{"name": "flat", "price": doc["price"]}]
        self.names = [rate["name"] for rate in rates]
        self.prices = [Fraction(Decimal(rate["price"])) * 1_000_000 for rate in rates]
        self.switches = next(iter(doc.get("days", {"day": [["00:00", self.names[0]]]}).values()))
        self.fallback = doc.get("fallback", self.names[0])
        self.offset_min = offset_min
        self.standing = int(Decimal(doc.get("standing", "0")) * 1_000_000)
        self.steps = [(kwh, Fraction(Decimal(more)) * 1_000_000) for kwh, more in doc.get("steps", [])]

    def rate(self, utc_s) -> int:
        if utc_s is None:
            return self.names.index(self.fallback)
        now = local(utc_s, self.offset_min).strftime("%H:%M")
        return self.names.index([name for start, name in self.switches if start <= now][-1])

    def worth(self, used: int, n: int, rate: int) -> Fraction:
        """What n counts are worth, when `used` have been used this month."""
        before, after = Fraction(used, COUNTS_PER_KWH), Fraction(used + n, COUNTS_PER_KWH)
        beyond = [(max(after - kwh, 0) - max(before - kwh, 0)) * more for kwh, more in self.steps]
        return (after - before) * self.prices[rate] + sum(beyond)


class Model(Calendar):
    """One meter. What survives a power cut first; what does not is set by rebooted()."""

    def __init__(self, house: House, prices: Prices):
        self.house = house
        self.worth = Fraction(0)  # of all energy used, in millionths
        self.bought = self.purchases = self.last = 0
        self.imported = self.exported = self.q_imported = self.q_exported = self.while_open = 0
        self.rates = [0] * RATES
        self.rate_cost = [0] * RATES
        self.past_zero = self.past_zero_cost = 0
        self.claims = 0
        self.reminded = self.ready = self.card_only = False
        self.relay = UNKNOWN
        self.uid = bytes(7)
        self.generation = self.refused = self.writebacks = self.boots = self.utc_s = 0
        self.debt = self.debt_paid = self.charges = 0
        self.day = None  # the date charged last
        self.month_began_with = 0
        self.jump = None  # a jump of the date that may prove wrong
        self.lent = False
        self.failed_logins = self.lock = self.serial = self.apparent = self.covers = self.magnets = self.clock_backs = 0
        self._wake(prices)

    def _wake(self, prices):
        self.prices = prices
        self.now = None
        self.way = []  # what was committed before the tick was
        self.started = False  # has the clock said how long power was off?
        self.seen = None  # the date the clock has shown last
        self.day_at_s = self.jump_at_s = None  # when the last day began, if since the start
        self.told_days = []
        self.friendly = False  # the time is not known yet
        self.uptime_s = self.over_s = self.locked_at_s = 0
        self.tripped_s = None
        self.closed_s = ()
        self.relay_fault = False

    def copy(self):
        other = copy.copy(self)
        other.rates = self.rates[:]
        other.rate_cost = self.rate_cost[:]
        return other

    def rebooted(self, prices, fresh):
        """The meter as it must be after a power cut, if self is what was kept. fresh: nothing was."""
        other = self.copy()
        other._wake(prices)
        if fresh:
            other._follow_credit()  # a new meter without credit does not begin by switching on
        other.boots += 1
        return other

    @property
    def credit(self):
        return self.house.initial + self.bought - floor(self.worth) - self.charges - self.debt_paid

    @property
    def off_at(self):
        return -self.house.overdraft - (self.house.emergency if self.lent else 0)

    @property
    def locked_s(self):
        wait_s = 2 ** (self.lock - FREE_LOGINS) if self.lock > FREE_LOGINS else 0
        return max(0, self.locked_at_s + wait_s - self.uptime_s) if wait_s else 0

    @property
    def alarm(self):
        limits = (self.house.alarm1, self.house.alarm2, self.off_at)
        return sum(1 for limit in limits if self.credit <= limit)

    def kept(self) -> dict:
        """Every field of the meter's record, but the number of its next event."""
        day = self.day
        began = [n and n | 8192 for n in (self.covers, self.magnets)]  # it lasts, too
        return {field: getattr(self, name) for field, name in KEPT.items()} | {
            "cost_acc": (self.worth - floor(self.worth)) * COUNTS_PER_KWH,
            "latches": SERVED * self.reminded | READY * self.ready | CARD_ONLY * self.card_only | EMERGENCY * self.lent,
            "jump": self.jump.packed() if self.jump else bytes(32),
            "tampers": struct.pack("<2H20xH6x", *began, self.clock_backs),
            "phase_counts": [],
            "month": (day.year - 2000) * 12 + day.month - 1 if day else 0,
            "day": (day - EPOCH.date()).days if day else 0,
        }

    def report(self) -> dict:
        """What it writes back onto a card."""
        kept = self.kept()
        same = (
            "refused_cards import_counts rate_counts credit_micro overdraft_counts overdraft_micro purchase_count "
            "purchased_micro claims failed_logins export_counts debt_micro charges_micro"
        )
        record = {name: kept[name] for name in same.split()}
        record |= {"rate_counts": tuple(self.rates), "relay": kept["relay_closed"], "emergency_credit": self.lent}
        record |= {"cover_openings": self.covers, "magnet_events": self.magnets, "other_signs": self.clock_backs}
        record |= {"number": self.writebacks, "utc_s": self.now or 0, "faults": FAULT_RELAY * self.relay_fault}
        return record | {"key_version": 1}

    # -- energy -----------------------------------------------------------------------------------

    def tick(self, sample, now) -> None:
        """One second. sample None: the metering IC is silent. now None: the clock is not to be trusted."""
        self.now = now
        self.uptime_s += 1
        self.way = []
        self.told_days = []
        # The relay does not wait for what the minute has to do: a clock that was set back is stored with the decision.
        self._watch_load(None if sample is None else Fraction(sample.p_total_mw, 1000))
        if now is not None:
            back_s = 0 if self.started else self.utc_s - now
            self.started = True
            self.utc_s = now
            if back_s > CLOCK_MOVED_S:
                self.clock_backs += 1
                self.way = [self.copy()]
            self.friendly = self.house.is_friendly(local(now, self.house.offset_min))
            self._live_the_day(local(now, self.house.offset_min).date())
        # Without a clock it is as friendly as when the time was lost.
        rate = self.prices.rate(now)
        if sample is not None:
            n = sample.import_counts
            began_with = self.credit
            self.worth += self.prices.worth(self.imported - self.month_began_with, n, rate)
            cost = began_with - self.credit
            self.imported += n
            self.rates[rate] += n
            self.rate_cost[rate] += cost
            if began_with <= 0:
                self.past_zero += n
                self.past_zero_cost += cost
            if self.relay == OPEN or (self.claims and self.relay_fault):
                self.while_open += n
            self.apparent += sample.va_counts
            self.exported += sample.export_counts
            self.q_imported += sample.q_import_counts
            self.q_exported += sample.q_export_counts
        self._follow_credit()

    def _recover(self, amount):
        amount = min(amount, self.debt)
        self.debt -= amount
        self.debt_paid += amount

    def _watch_load(self, power_w):
        house = self.house
        if self.claims & OVERLOAD:
            if self.tripped_s is None:
                self.tripped_s = self.uptime_s
            if house.wait_s and not self.card_only and self.uptime_s >= self.tripped_s + house.wait_s:
                self.claims &= ~OVERLOAD
                self.closed_s += (self.uptime_s,)
        elif power_w is not None:
            self.over_s = self.over_s + 1 if house.limit_w and power_w > house.limit_w else 0
            if house.limit_w and self.over_s >= house.hold_s:
                self.over_s = 0
                self.claims |= OVERLOAD
                self.tripped_s = self.uptime_s
                recent = [at for at in self.closed_s if self.uptime_s - at < WINDOW_S]
                self.card_only |= len(recent) >= CLOSES

    def _follow_credit(self):
        if self.credit > 0:
            self.lent = False
        if self.credit > self.off_at:
            self.claims &= ~NO_CREDIT
        elif not self.friendly:
            self.claims |= NO_CREDIT
        if self.credit > self.house.alarm2:
            self.reminded = False
        elif not self.reminded and not self.friendly:
            self.reminded = True
            if not self.claims:
                self.claims |= REMINDER

    # -- commands ---------------------------------------------------------------------------------

    def remote_off(self):
        self.claims |= REMOTE
        self.ready = False

    def remote_on(self):
        self.ready = bool(self.claims & REMOTE)

    def button(self):
        if self.ready:
            self.claims &= ~REMOTE
            self.ready = False

    def relay_is(self, closed):
        self.relay = closed
        self.relay_fault = False
        self.claims &= ~FAULT

    def relay_moves(self):
        self.relay = UNKNOWN

    def relay_fails(self, wanted):
        self.relay_fault = True
        if not wanted:
            self.claims |= FAULT

    # -- cards ------------------------------------------------------------------------------------

    def refusal(self, card, storage: bool) -> int:
        """Why this card is not served, 0 if it is. storage: can a purchase, or the number of a
        write-back, be stored?"""
        if self.locked_s:
            return LOCKED
        if card.flaw == "foreign":
            return FOREIGN
        if card.flaw == "forged":
            return AUTH
        if any(self.uid):
            older = card.generation < self.generation
            if older or (card.generation == self.generation and card.uid != self.uid):
                return OLD
        if card.flaw == "damaged":
            return MALFORMED
        if card.count < self.purchases:
            return REPLAYED
        if card.count > self.purchases + 1:
            return SKIPPED
        if self.sells(card):
            debt_share = min(self.debt + card.debt, card.amount * self.house.debt_percent // 100)
            if self.house.hoard and self.credit + card.amount - debt_share > self.house.hoard:
                return HOARD
        return 0 if storage else STORAGE

    def sells(self, card) -> bool:
        return card.count == self.purchases + 1

    def purchase(self, card):
        self.bought += card.amount
        self.purchases += 1
        self.last = card.amount
        self.debt += card.debt
        self._recover(card.amount * self.house.debt_percent // 100)
        self.bind(card)
        self._follow_credit()

    def bind(self, card):
        self.uid, self.generation = card.uid, card.generation

    def user_card(self):
        if self.claims & OVERLOAD:
            self.closed_s = ()
        self.claims &= ~(REMINDER | OVERLOAD)
        self.card_only = False
        self.lock = 0
        self.button()
        used_up = self.credit <= -self.house.overdraft
        if used_up and not self.lent and self.credit > -self.house.overdraft - self.house.emergency:
            self.lent = True
            self._follow_credit()

    def number_writeback(self):
        self.writebacks += 1

    def refuse(self, why):
        self.refused += 1
        if why == AUTH:
            self.failed_logins += 1
            self.lock = min(self.lock + 1, MOST_LOGINS)
            self.locked_at_s = self.uptime_s

    def found(self, what):
        self.magnets += what == "magnet"
        self.covers += what == "cover"

    def utility_card(self, serial):
        self.serial = serial
