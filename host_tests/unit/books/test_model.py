# SPDX-License-Identifier: Apache-2.0
"""Ledger, account, claims, event log and card against a plain model, while power, FRAM and cards fail.

model/machine.py makes up lives of a meter, hypothesis chooses. A short search here; a long one:
    PENNYWATT_LIVES=20000 make unit PYTEST_ARGS="-k lives_as_the_model"
The firmware is then broken on purpose, one rule at a time: the same search must notice each time.
"""

import importlib
import os
from array import array

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from meter.books.books import Books
from meter.core import account, calendar, codes, overload, rates, supply
from meter.core.errors import MeterError, StorageError
from meter.storage import events, ledger

from host_tests.model.compare import Cut
from host_tests.model.machine import HOUSES, LEDGER, NOON, MeterMachine
from host_tests.stands import states

A_SEARCH = 150  # lives; hypothesis remembers each it has tried, so a large number goes in several searches
LIVES = int(os.environ.get("PENNYWATT_LIVES", A_SEARCH))


@pytest.fixture(autouse=True)
def months_are_not_compared(loaded, monkeypatch):
    """Whether consumption is odd hangs on months of readings, which these lives do not have."""
    monkeypatch.setattr(importlib.import_module("meter.books.billing"), "_compare", lambda *args: None)


def seeded(n):
    return seed(n)(type("Lives", (MeterMachine,), {}))


def search(machine, lives, *phases, **more):
    chosen = settings(
        max_examples=lives, stateful_step_count=30, phases=phases, suppress_health_check=list(HealthCheck), **more
    )
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.parametrize("turn", range(max(1, LIVES // A_SEARCH)))
def test_the_meter_lives_as_the_model_does(turn):
    machine = seeded(turn) if turn else MeterMachine
    search(machine, min(LIVES, A_SEARCH), Phase.reuse, Phase.generate, Phase.shrink)


@pytest.mark.parametrize("commits", range(4))
@pytest.mark.parametrize("ends", (False, True), ids=("begins", "ends"))
def test_what_an_overload_decides_as_the_clock_is_found_set_back_holds_over_a_cut(ends, commits):
    machine = MeterMachine()
    machine.build(house=HOUSES[4], tariff_n=0, blank=0, seed=0, trouble=None)  # a hold and a wait of 1 s
    use = {"n": 1, "energy": 1, "others": (0, 0, 0), "p_mw": 2_000_001}
    if ends:
        machine.use(**use, clock="runs", trouble=None)
    machine.restart(tariff_n=None, silences=0, again=None)
    if ends:
        machine.use(**use, clock=None, trouble=None)
    machine.use(**use, clock=NOON - 40_000_000, trouble=Cut((commits, LEDGER, 0), None))
    machine.is_what_it_must_be()
    machine.teardown()


# -- the firmware broken on purpose ---------------------------------------------------------------


def overwrites_the_newer_copy(patch):
    def commit(self, s):
        buf = bytearray(ledger.size_of(s))
        ledger.pack_into(buf, self.sequence + 1, s)
        self._fram.write(ledger.SLOT_A, buf)
        self.sequence += 1

    patch.setattr(ledger.Ledger, "commit", commit)


def loads_the_first_sound_copy(patch):
    genuine = ledger.Ledger.load

    def load(self, s):
        found = genuine(self, s)
        buf = bytearray(ledger.SIZE_3)
        self._fram.read_into(ledger.SLOT_A, buf)
        try:
            self.sequence = ledger.unpack_from(buf, s)
        except StorageError:
            genuine(self, s)
        return found

    patch.setattr(ledger.Ledger, "load", load)


def takes_a_torn_copy(patch):
    genuine = ledger.unpack_from

    def unpack_from(buf, s):
        if buf[:3] == b"PL" + bytes([ledger._VERSION]):
            body = ledger._body(buf)
            ledger.struct.pack_into("<I", buf, body, ledger.crc32(buf[:body]))
        return genuine(buf, s)

    patch.setattr(ledger, "unpack_from", unpack_from)


def stores_every_other_change(patch):
    genuine = Books.commit

    def commit(self):
        self.turn = not getattr(self, "turn", False)
        return genuine(self) if self.turn else True

    patch.setattr(Books, "commit", commit)


def adds_a_purchase_twice(patch):
    genuine = account.judge
    patch.setattr(account, "judge", lambda had, card: account.ACCEPT if card == had > 0 else genuine(had, card))


def takes_any_purchase_ahead(patch):
    genuine = account.judge
    patch.setattr(account, "judge", lambda had, card: account.ACCEPT if card > had else genuine(had, card))


def keeps_a_purchase_it_has_refused(patch):
    purchases = importlib.import_module("meter.books.purchases")
    genuine = purchases.user_card

    def user_card(books, *rest):
        bought = type(books.s)()
        states.copy(bought, books.s)
        number = genuine(books, *rest)
        if not number:
            states.copy(books.s, bought)
        return number

    patch.setattr(purchases, "user_card", user_card)


def forgets_the_remainder(patch):
    genuine = account.book

    def book(s, *rest):
        s.cost_acc = 0
        return genuine(s, *rest)

    patch.setattr(account, "book", book)


def books_a_tick_in_two_commits(patch):
    genuine = Books._minutely

    def minutely(self, store):
        if not store:
            self.commit()  # the time first, then the rest
        return genuine(self, store)

    patch.setattr(Books, "_minutely", minutely)


def keeps_the_rate_when_the_clock_is_lost(patch):
    genuine = Books._minutely
    patch.setattr(Books, "_minutely", lambda self, store: not (store or self.utc_s) or genuine(self, store))


def numbers_events_from_the_ledgers_mark(patch):
    patch.setattr(events.EventLog, "find_end", lambda self, mark: setattr(self, "next_number", max(1, mark)))


def owes_a_second_reminder_after_a_cut(patch):
    genuine = ledger.unpack_from

    def unpack_from(buf, s):
        sequence = genuine(buf, s)
        s.latches &= ~codes.LATCH_REMINDER_SERVED
        return sequence

    patch.setattr(ledger, "unpack_from", unpack_from)


def other_supply_rule(patch, event, clear, what_is_set):
    """Replace what the first row of an event does."""
    rules = array("H", supply._RULES)
    for i in range(0, len(rules), supply._COLUMNS):
        if rules[i] == event:
            rules[i + 3], rules[i + 4] = clear, what_is_set
            break
    patch.setattr(supply, "_RULES", rules)


def closes_by_remote_command_alone(patch):
    other_supply_rule(patch, codes.EV_REMOTE_ON, codes.CLAIM_REMOTE, 0)


def opens_for_the_reminder_without_a_latch(patch):
    other_supply_rule(patch, codes.EV_ALARM2, 0, codes.CLAIM_REMINDER)


def does_not_forget_the_remote_leave(patch):
    other_supply_rule(patch, codes.EV_REMOTE_OFF, 0, codes.CLAIM_REMOTE)


def closes_after_overload_for_ever(patch):
    patch.setattr(overload, "_MAX_CLOSES", 99)


def does_not_store_the_number_of_a_writeback(patch):
    def next_writeback(books):
        books.s.writeback_seq += 1
        return books.s.writeback_seq

    patch.setattr(importlib.import_module("meter.books.purchases").visits, "next_writeback", next_writeback)


def serves_a_card_that_was_replaced(patch):
    class Any(bytes):
        def __ne__(self, other):
            return False

    patch.setattr(importlib.import_module("meter.cards.household"), "NO_CARD", Any(7))


def stops_at_a_first_commit_that_was_cut(patch):
    patch.setattr(ledger, "_is_cut", lambda buf, blank: False)


def module_of_the_day():
    """The module as it is now: the firmware drops it after each use."""
    return importlib.import_module("meter.books.day")


def other_day(patch, work):
    """work(genuine, books, local) instead of the day's work."""
    daily = module_of_the_day()
    genuine = daily.work

    def other(books, local, undone):
        return work(lambda books, local: genuine(books, local, undone), books, local)

    patch.setattr(daily, "work", other)


def charges_a_day_twice_after_a_cut(patch):
    def work(genuine, books, local):
        before = books.s.day
        done = genuine(books, local)
        today = books.s.day
        if today != before:
            books.s.day = before
            books.commit()  # the charge first, then the day
            books.s.day = today
        return done

    other_day(patch, work)


def charges_a_day_again_when_the_clock_was_set_back(patch):
    def work(genuine, books, local):
        done = genuine(books, local)
        books.s.day = min(books.s.day, calendar.days(*local[:3]))
        return done

    other_day(patch, work)


def charges_one_day_for_several(patch):
    genuine = account.charge_days
    patch.setattr(account, "charge_days", lambda s, days, *rest: genuine(s, min(days, 1), *rest))


def charges_what_a_wrong_clock_says(patch):
    patch.setattr(module_of_the_day().days, "YEAR", 99_999)


def begins_a_month_with_each_day(patch):
    def work(genuine, books, local):
        before = books.s.day
        done = genuine(books, local)
        if books.s.day != before:
            books.s.month_counts = books.s.import_counts
        return done

    other_day(patch, work)


def recovers_debt_before_it_counts_the_purchase(patch):
    purchases = importlib.import_module("meter.books.purchases")
    genuine = purchases.purchase

    def purchase(books, amount_micro, debt_micro):
        s, cfg = books.s, books.cfg
        if not account.hoards(s.credit_micro, amount_micro, cfg.hoard_micro):
            s.debt_micro += debt_micro
            paid_micro = account.share(s.debt_micro, amount_micro, cfg.debt_percent)
            s.credit_micro -= paid_micro
            s.debt_micro -= paid_micro
            s.debt_paid_micro += paid_micro
            books.commit()
            debt_micro = 0
        percent, cfg.debt_percent = cfg.debt_percent, 0
        try:
            return genuine(books, amount_micro, debt_micro)
        finally:
            cfg.debt_percent = percent

    patch.setattr(purchases, "purchase", purchase)


def recovers_more_than_is_owed(patch):
    genuine = account.charge_days

    def charge_days(s, days, standing_micro, debt_micro, more_micro):
        genuine(s, days, standing_micro, 0, more_micro)
        s.credit_micro -= days * debt_micro
        s.debt_paid_micro += days * debt_micro
        s.debt_micro = max(0, s.debt_micro - days * debt_micro)

    patch.setattr(account, "charge_days", charge_days)


def lends_again_before_it_is_repaid(patch):
    purchases = importlib.import_module("meter.books.purchases")
    genuine = purchases.purchase

    def purchase(books, *rest):
        before = genuine(books, *rest)
        books.s.latches &= ~codes.LATCH_EMERGENCY
        return before

    patch.setattr(purchases, "purchase", purchase)


def lends_twice(patch):
    """The second time as much again: the floor sinks with each card."""
    purchases = importlib.import_module("meter.books.purchases")
    genuine = purchases.user_card

    def user_card(books, *rest):
        number = genuine(books, *rest)
        s = books.s
        if s.claims & codes.CLAIM_NO_CREDIT and s.latches & codes.LATCH_EMERGENCY:
            s.claims &= ~codes.CLAIM_NO_CREDIT
        return number

    patch.setattr(purchases, "user_card", user_card)


def forgets_over_a_cut_that_it_has_lent(patch):
    genuine = ledger.unpack_from

    def unpack_from(buf, s):
        sequence = genuine(buf, s)
        s.latches &= ~codes.LATCH_EMERGENCY
        return sequence

    patch.setattr(ledger, "unpack_from", unpack_from)


def switches_off_in_friendly_hours(patch):
    patch.setattr(importlib.import_module("meter.books.minute"), "is_friendly", lambda rule, local: False)


def closes_when_friendly_hours_begin(patch):
    genuine = supply.after_credit

    def after_credit(s, alarm2_micro, off_micro, friendly=False):
        changed = genuine(s, alarm2_micro, off_micro, friendly)
        return changed ^ supply.step(s, codes.EV_CREDIT_OK) if friendly else changed

    patch.setattr(supply, "after_credit", after_credit)


def prices_a_tick_by_its_first_count(patch):
    genuine = account.book

    def book(s, counts, rate, price_micro, steps=()):
        return genuine(s, counts, rate, rates.price(s, price_micro, steps))

    patch.setattr(account, "book", book)


def counts_steps_from_the_first_month_on(patch):
    genuine = account.book

    def book(s, *rest):
        kept, s.month_counts = s.month_counts, 0
        try:
            return genuine(s, *rest)
        finally:
            s.month_counts = kept

    patch.setattr(account, "book", book)


def locks_nobody_out(patch):
    patch.setattr(importlib.import_module("meter.cards.household").visits, "locked_s", lambda books: 0)


def locks_out_for_good(patch):
    purchases = importlib.import_module("meter.books.purchases")
    genuine = purchases.user_card

    def user_card(books, *rest):
        lock = books.s.lock
        number = genuine(books, *rest)
        books.s.lock = lock
        return number

    patch.setattr(purchases, "user_card", user_card)


BROKEN = (
    overwrites_the_newer_copy,
    loads_the_first_sound_copy,
    takes_a_torn_copy,
    stores_every_other_change,
    stops_at_a_first_commit_that_was_cut,
    adds_a_purchase_twice,
    takes_any_purchase_ahead,
    keeps_a_purchase_it_has_refused,
    serves_a_card_that_was_replaced,
    does_not_store_the_number_of_a_writeback,
    forgets_the_remainder,
    books_a_tick_in_two_commits,
    keeps_the_rate_when_the_clock_is_lost,
    numbers_events_from_the_ledgers_mark,
    owes_a_second_reminder_after_a_cut,
    opens_for_the_reminder_without_a_latch,
    closes_by_remote_command_alone,
    does_not_forget_the_remote_leave,
    closes_after_overload_for_ever,
    charges_a_day_twice_after_a_cut,
    charges_a_day_again_when_the_clock_was_set_back,
    charges_one_day_for_several,
    charges_what_a_wrong_clock_says,
    begins_a_month_with_each_day,
    recovers_debt_before_it_counts_the_purchase,
    recovers_more_than_is_owed,
    lends_again_before_it_is_repaid,
    lends_twice,
    forgets_over_a_cut_that_it_has_lent,
    switches_off_in_friendly_hours,
    closes_when_friendly_hours_begin,
    prices_a_tick_by_its_first_count,
    counts_steps_from_the_first_month_on,
    locks_nobody_out,
    locks_out_for_good,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_meter_is_caught_that(monkeypatch, broken):
    broken(monkeypatch)
    with pytest.raises((AssertionError, MeterError)):
        # Most show within ten lives. A search that begins badly goes on badly: begin again.
        for n in range(20):
            search(seeded(n), 40, Phase.generate, database=None)
