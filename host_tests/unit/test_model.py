# SPDX-License-Identifier: Apache-2.0
"""Ledger, account, claims, event log and card against a plain model, while power, FRAM and cards fail.

model_machine.py makes up lives of a meter, hypothesis chooses. A short search here; a long one:
    PENNYWATT_LIVES=20000 make unit PYTEST_ARGS="-k lives_as_the_model"
The firmware is then broken on purpose, one rule at a time: the same search must notice each time.
"""

import importlib
import os
from array import array

import meter
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from meter.core import account, codes, overload, supply
from meter.core.errors import CardError, MeterError, StorageError
from meter.services.books import Books
from meter.storage import events, ledger

from .model_machine import MeterMachine

A_SEARCH = 150  # lives; hypothesis remembers each it has tried, so many go in several searches
LIVES = int(os.environ.get("PENNYWATT_LIVES", A_SEARCH))


@pytest.fixture(autouse=True)
def modules_stay(monkeypatch):
    """Loading the card's code anew for each visit would take most of the time; other tests do it."""
    monkeypatch.setattr(meter, "unload", lambda *names: None)


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


# -- the firmware broken on purpose ---------------------------------------------------------------


def overwrites_the_newer_copy(patch):
    def commit(self, s):
        ledger.pack_into(self._buf, self.sequence + 1, s)
        self._fram.write(ledger.SLOT_A, self._buf)
        self.sequence += 1

    patch.setattr(ledger.Ledger, "commit", commit)


def loads_the_first_sound_copy(patch):
    genuine = ledger.Ledger.load

    def load(self, s):
        found = genuine(self, s)
        self._fram.read_into(ledger.SLOT_A, self._buf)
        try:
            self.sequence = ledger.unpack_from(self._buf, s)
        except StorageError:
            genuine(self, s)
        return found

    patch.setattr(ledger.Ledger, "load", load)


def takes_a_torn_copy(patch):
    genuine = ledger.unpack_from

    def unpack_from(buf, s):
        if buf[:3] == b"PL\1":
            ledger.struct.pack_into("<I", buf, ledger._BODY, ledger.crc32(buf[: ledger._BODY]))
        return genuine(buf, s)

    patch.setattr(ledger, "unpack_from", unpack_from)


def stores_every_other_change(patch):
    genuine = Books._commit

    def commit(self):
        self.turn = not getattr(self, "turn", False)
        return genuine(self) if self.turn else True

    patch.setattr(Books, "_commit", commit)


def adds_a_purchase_twice(patch):
    genuine = account.judge
    patch.setattr(account, "judge", lambda had, card: account.ACCEPT if card == had > 0 else genuine(had, card))


def takes_any_purchase_ahead(patch):
    genuine = account.judge
    patch.setattr(account, "judge", lambda had, card: account.ACCEPT if card > had else genuine(had, card))


def keeps_a_purchase_it_has_refused(patch):
    genuine = Books.purchase

    def purchase(self, count, amount_micro, uid, generation):
        try:
            genuine(self, count, amount_micro, uid, generation)
        except CardError as e:
            if e.code == codes.CARD_STORAGE:
                account.purchase(self.s, amount_micro)
            raise

    patch.setattr(Books, "purchase", purchase)


def forgets_the_remainder(patch):
    genuine = account.book

    def book(s, *rest):
        s.cost_acc = 0
        return genuine(s, *rest)

    patch.setattr(account, "book", book)


def books_a_tick_in_two_commits(patch):
    genuine = Books._look_up_rate

    def look_up_rate(self, utc_s):
        genuine(self, utc_s)
        self._commit()  # the time first, then the rest

    patch.setattr(Books, "_look_up_rate", look_up_rate)


def keeps_the_rate_when_the_clock_is_lost(patch):
    genuine = Books._look_up_rate
    patch.setattr(Books, "_look_up_rate", lambda self, utc_s: genuine(self, utc_s) if utc_s is not None else None)


def numbers_events_from_the_ledgers_mark(patch):
    patch.setattr(events.EventLog, "open", lambda self, mark: setattr(self, "next_number", max(1, mark)))


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
    def next_writeback(self):
        self.s.writeback_seq += 1
        return self.s.writeback_seq

    patch.setattr(Books, "next_writeback", next_writeback)


def serves_a_card_that_was_replaced(patch):
    class Any(bytes):
        def __ne__(self, other):
            return False

    patch.setattr(importlib.import_module("meter.services.cardvisit"), "NO_CARD", Any(7))


def stops_at_a_first_commit_that_was_cut(patch):
    patch.setattr(ledger, "_is_cut", lambda buf, blank: False)


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
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_meter_is_caught_that(monkeypatch, broken):
    broken(monkeypatch)
    with pytest.raises((AssertionError, MeterError)):
        # Most show within ten lives. A search that begins badly goes on badly: begin anew.
        for n in range(20):
            search(seeded(n), 40, Phase.generate, database=None)
