# SPDX-License-Identifier: Apache-2.0
"""What a meter must do with energy, money, claims and cards, in plain Python and fractions.

Written from the rules of behaviour, not from the firmware: imports nothing of it. Numbers that leave the meter
(claim bits, refusals, log codes) are written down a second time.
"""

import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

EPOCH = datetime(2000, 1, 1)
COUNTS_PER_KWH = 320_000
RATES = 8

REMOTE, NO_CREDIT, REMINDER, OVERLOAD, FAULT = 1, 2, 4, 8, 32  # claims
SERVED, READY, CARD_ONLY = 1, 2, 4  # latches
OPEN, CLOSED, UNKNOWN = 0, 1, 2  # relay
FAULT_FRAM, FAULT_RELAY = 2, 32
LOG_TRIP, LOG_CLOSE, LOG_PURCHASE, LOG_REFUSED, LOG_BOUND = 16, 17, 32, 33, 34
FOREIGN, REPLAYED, SKIPPED, MALFORMED, OLD, HOARD, STORAGE = 2, 3, 4, 5, 8, 9, 11

CLOSES, WINDOW_S = 4, 1800  # automatic closes after overload


@dataclass
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

    def document(self, number: str) -> dict:
        """The same as the meter reads it."""
        names = {"initial_credit": self.initial, "alarm1": self.alarm1, "alarm2": self.alarm2}
        names |= {"overdraft": self.overdraft, "hoard": self.hoard}
        doc = {name: str(Decimal(amount).scaleb(-6)) for name, amount in names.items()}
        wholes = {"overload_w": self.limit_w, "overload_hold_s": self.hold_s, "overload_wait_s": self.wait_s}
        return {"meter_number": number, "utc_offset_min": self.offset_min, **doc, **wholes}


class Prices:
    """A tariff document with one kind of day, read the plain way."""

    def __init__(self, doc: dict, offset_min: int):
        rates = doc.get("rates") or [{"name": "flat", "price": doc["price"]}]
        self.names = [rate["name"] for rate in rates]
        self.prices = [Fraction(Decimal(rate["price"])) * 1_000_000 for rate in rates]
        self.switches = next(iter(doc.get("days", {"day": [["00:00", self.names[0]]]}).values()))
        self.fallback = doc.get("fallback", self.names[0])
        self.offset = timedelta(minutes=offset_min)

    def rate(self, utc_s) -> int:
        if utc_s is None:
            return self.names.index(self.fallback)
        now = (EPOCH + timedelta(seconds=utc_s) + self.offset).strftime("%H:%M")
        return self.names.index([name for start, name in self.switches if start <= now][-1])


class Model:
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
        self._wake(prices)

    def _wake(self, prices):
        self.prices = prices
        self.now = None
        self.uptime_s = self.over_s = 0
        self.tripped_s = None
        self.closed_s = ()
        self.relay_fault = False

    def copy(self):
        other = copy.copy(self)
        other.rates = self.rates[:]
        other.rate_cost = self.rate_cost[:]
        return other

    def rebooted(self, prices):
        """As it must be after a power cut, if self is what was kept."""
        other = self.copy()
        other._wake(prices)
        other.boots += 1
        other._follow_credit()
        return other

    @property
    def credit(self):
        return self.house.initial + self.bought - floor(self.worth)

    @property
    def alarm(self):
        limits = (self.house.alarm1, self.house.alarm2, -self.house.overdraft)
        return sum(1 for limit in limits if self.credit <= limit)

    def kept(self) -> dict:
        """Every field of the meter's record, but the number of its next event."""
        latches = SERVED * self.reminded | READY * self.ready | CARD_ONLY * self.card_only
        return {
            "utc_s": self.utc_s,
            "import_counts": self.imported,
            "export_counts": self.exported,
            "q_import_counts": self.q_imported,
            "q_export_counts": self.q_exported,
            "open_counts": self.while_open,
            "rate_counts": self.rates,
            "rate_cost_micro": self.rate_cost,
            "cost_acc": (self.worth - floor(self.worth)) * COUNTS_PER_KWH,
            "credit_micro": self.credit,
            "purchased_micro": self.bought,
            "purchase_count": self.purchases,
            "last_purchase_micro": self.last,
            "overdraft_counts": self.past_zero,
            "overdraft_micro": self.past_zero_cost,
            "claims": self.claims,
            "latches": latches,
            "relay_closed": self.relay,
            "card_uid": self.uid,
            "card_generation": self.generation,
            "refused_cards": self.refused,
            "writeback_seq": self.writebacks,
            "boots": self.boots,
        }

    def report(self) -> dict:
        """What it writes back onto a card."""
        kept = self.kept()
        same = (
            "refused_cards import_counts rate_counts credit_micro overdraft_counts overdraft_micro purchase_count "
            "purchased_micro claims relay_closed"
        )
        record = {name: kept[name] for name in same.split()}
        record["rate_counts"] = self.rates[:]
        return record | {"number": self.writebacks, "utc_s": self.now or 0, "faults": FAULT_RELAY * self.relay_fault}

    # -- energy -----------------------------------------------------------------------------------

    def tick(self, sample, now) -> None:
        """One second. sample None: the metering IC is silent. now None: the clock is not to be trusted."""
        self.now = now
        self.uptime_s += 1
        if now is not None:
            self.utc_s = now
        rate = self.prices.rate(now)
        power_w = None
        if sample is not None:
            n = sample.import_counts
            power_w = Fraction(sample.p_total_mw, 1000)
            began_with = self.credit
            self.worth += n * self.prices.prices[rate] / COUNTS_PER_KWH
            cost = began_with - self.credit
            self.imported += n
            self.rates[rate] += n
            self.rate_cost[rate] += cost
            if began_with <= 0:
                self.past_zero += n
                self.past_zero_cost += cost
            if self.relay == OPEN:
                self.while_open += n
            self.exported += sample.export_counts
            self.q_imported += sample.q_import_counts
            self.q_exported += sample.q_export_counts
        self._watch_load(power_w)
        self._follow_credit()

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
        if self.credit <= -self.house.overdraft:
            self.claims |= NO_CREDIT
        else:
            self.claims &= ~NO_CREDIT
        if self.credit > self.house.alarm2:
            self.reminded = False
        elif not self.reminded:
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
        """Why this card is not served, 0 if it is. storage: can a purchase be stored?"""
        if card.flaw == "foreign":
            return FOREIGN
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
            if self.house.hoard and self.credit + card.amount > self.house.hoard:
                return HOARD
            if not storage:
                return STORAGE
        return 0

    def sells(self, card) -> bool:
        return card.count == self.purchases + 1

    def purchase(self, card):
        self.bought += card.amount
        self.purchases += 1
        self.last = card.amount
        self.bind(card)
        self._follow_credit()

    def bind(self, card):
        self.uid, self.generation = card.uid, card.generation

    def user_card(self):
        if self.claims & OVERLOAD:
            self.closed_s = ()
        self.claims &= ~(REMINDER | OVERLOAD)
        self.card_only = False
        self.button()

    def number_writeback(self):
        self.writebacks += 1

    def refuse(self):
        self.refused += 1
