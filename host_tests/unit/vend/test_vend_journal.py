# SPDX-License-Identifier: Apache-2.0
"""Money is sold exactly once, wherever card, program or computer go away; and the journal keeps what it has."""

import itertools
import sqlite3
import stat

import pytest

from host_tests.stands.vend import (
    AMOUNT,
    KEYS,
    NUMBER,
    OTHER_UID,
    UID,
    Clock,
    Crash,
    CrashingJournal,
    Hand,
    Meter,
    quick,
)
from scripts.chips.desfire import DesfireCard
from scripts.supplier.errors import CardGone, JournalError, Refused
from scripts.supplier.formats import PURCHASE, SignedPurchase
from scripts.supplier.journal import DONE, ISSUE, SALE, VOID, Journal
from scripts.supplier.keys import USER_AID
from scripts.vend import issuing, user_card
from scripts.vend.shop import Shop

SOLD = {"amount_micro": AMOUNT, "debt_micro": 0, "sold_utc_s": 5}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def shop_of(journal):
    return Shop(KEYS, journal, Clock())


def on_card(card):
    return SignedPurchase.unpack(bytes(card.applications[USER_AID].files[PURCHASE].data)).purchase


def sales_in(journal):
    """Numbers of the purchases that count as sold."""
    outcomes = {e.ref: e.what for e in journal.entries(limit=1000) if e.ref}
    return [e.count for e in journal.entries(limit=1000) if e.job == SALE and outcomes.get(e.id) == DONE]


# -- a sale cut off -------------------------------------------------------------------------------


class Ready:
    """A meter's card with one purchase sold and booked, and how a sale on it goes when nothing happens."""

    def __init__(self, tmp_path):
        self.count = itertools.count()
        self.folder = tmp_path
        card = DesfireCard(UID)
        self.base = tmp_path / "base"
        with Journal(self.base, Clock()) as journal:
            issuing.issue(shop_of(journal), Hand(card), NUMBER, "EUR")
            user_card.sell(shop_of(journal), Hand(card), AMOUNT)
            meter = Meter()
            meter.serve(card)
        self.image = card.dump()
        with self.journal() as journal:
            hand = Hand(DesfireCard.load(self.image))
            user_card.sell(shop_of(journal), hand, AMOUNT)
            self.exchanges_n, self.writes_n = len(hand.sent), journal.writes

    def journal(self):
        path = self.folder / f"journal-{next(self.count)}"
        with sqlite3.connect(self.base) as source, sqlite3.connect(path) as target:
            source.backup(target)
        self.last = path
        return quick(CrashingJournal(path, Clock()))

    def card(self):
        return DesfireCard.load(self.image)

    def meter(self):
        meter = Meter()
        meter.count, meter.credit_micro, meter.generation, meter.reports = 1, AMOUNT, 1, 1
        return meter


def settle_and_check(ready, card):
    """The clerk reads the card after the mishap: journal and card agree, and the meter gets what was sold."""
    with Journal(ready.last, Clock(830_000_000)) as journal:
        shop = shop_of(journal)
        user_card.read_card(shop, Hand(card))
        assert journal.open_intents() == []
        sold = sales_in(journal)
        assert sold in ([1], [1, 2])
        assert on_card(card).count == sold[-1]
        # The clerk tries again: only what had not happened is sold.
        if sold == [1]:
            assert user_card.sell(shop, Hand(card), AMOUNT).purchase.count == 2
        else:
            with pytest.raises(Refused, match="has not been to meter"):
                user_card.sell(shop, Hand(card), AMOUNT)
        assert sales_in(journal) == [1, 2]
    meter = ready.meter()
    assert meter.serve(card) == "booked"
    assert meter.serve(card) == "seen"
    assert meter.credit_micro == 2 * AMOUNT
    return sold


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_a_card_pulled_at_any_exchange_is_sold_on_exactly_once(tmp_path, heard):
    ready = Ready(tmp_path)
    outcomes = []
    for n in range(ready.exchanges_n):
        card = ready.card()
        card.pull_after(n, heard)
        with ready.journal() as journal, pytest.raises(CardGone):
            user_card.sell(shop_of(journal), Hand(card), AMOUNT)
        outcomes.append(settle_and_check(ready, card))
    # Only the commit, the last exchange, makes a sale; its lost answer does not undo it.
    assert outcomes == [[1]] * (ready.exchanges_n - 1) + [[1, 2] if heard else [1]]


def test_a_program_that_dies_before_any_exchange_has_sold_exactly_once(tmp_path):
    ready = Ready(tmp_path)
    for n in range(ready.exchanges_n):
        card = ready.card()
        hand = Hand(card)
        hand.crash_at = n
        with ready.journal() as journal, pytest.raises(Crash):
            user_card.sell(shop_of(journal), hand, AMOUNT)
        assert settle_and_check(ready, card) == [1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_program_that_dies_around_any_journal_entry_has_sold_exactly_once(tmp_path, after):
    ready = Ready(tmp_path)
    assert ready.writes_n >= 2
    for n in range(ready.writes_n):
        card = ready.card()
        with ready.journal() as journal, pytest.raises(Crash):
            journal.crash_at, journal.after = n, after
            user_card.sell(shop_of(journal), Hand(card), AMOUNT)
        sold = settle_and_check(ready, card)
        assert sold == ([1, 2] if n == ready.writes_n - 1 else [1])


def test_a_repeated_command_after_a_lost_answer_says_what_happened(tmp_path):
    ready = Ready(tmp_path)
    card = ready.card()
    card.pull_after(ready.exchanges_n - 1, heard=True)
    with ready.journal() as journal:
        shop = shop_of(journal)
        with pytest.raises(CardGone, match="Take no money before"):
            user_card.sell(shop, Hand(card), AMOUNT)
        with pytest.raises(Refused, match=r"20\.00 that was cut off is on the card, as purchase 2\."):
            user_card.sell(shop, Hand(card), AMOUNT)


def test_a_repeated_command_after_a_sale_that_never_happened_sells_and_says_so(tmp_path):
    ready = Ready(tmp_path)
    card = ready.card()
    card.pull_after(ready.exchanges_n - 1)
    with ready.journal() as journal:
        shop = shop_of(journal)
        with pytest.raises(CardGone):
            user_card.sell(shop, Hand(card), AMOUNT)
        sale = user_card.sell(shop, Hand(card), AMOUNT)
    assert sale.purchase.count == 2
    assert sale.settled == ["The sale of 20.00 that was cut off never happened: it is void."]


def test_a_card_that_refuses_the_write_is_settled_at_once(tmp_path):
    ready = Ready(tmp_path)
    hand = Hand(ready.card())
    exchange, broken = hand.exchange, [True]

    def failing(command):
        if command[0] == 0xC7 and broken.pop():
            hand.card.field_on()  # what was not committed is lost
            return b"\xee"
        return exchange(command)

    hand.exchange = failing
    with ready.journal() as journal:
        with pytest.raises(Exception, match=r"cannot be written.*never happened: it is void"):
            user_card.sell(shop_of(journal), hand, AMOUNT)
        assert journal.open_intents() == [] and sales_in(journal) == [1]


# -- a card cut off while it is made --------------------------------------------------------------


def made_again(path, card, job):
    with Journal(path, Clock(830_000_000)) as journal:
        shop = shop_of(journal)
        try:
            if job == ISSUE:
                issuing.issue(shop, Hand(card), NUMBER, "EUR")
            else:
                issuing.replace(shop, Hand(card), NUMBER)
        except Refused:
            pass  # complete already; reading it settles
        user_card.read_card(shop, Hand(card))
        assert journal.open_intents() == []
        assert journal.card_of(NUMBER).uid == card.uid.hex()


def exchanges_of_an_issue(tmp_path):
    with Journal(tmp_path / "trial", Clock()) as journal:
        hand = Hand(DesfireCard(UID))
        issuing.issue(shop_of(journal), hand, NUMBER, "EUR")
    return len(hand.sent)


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_an_issue_cut_off_at_any_exchange_is_finished_by_the_same_command(tmp_path, heard):
    for n in range(exchanges_of_an_issue(tmp_path)):
        path = tmp_path / f"journal-{n}"
        card = DesfireCard(UID)
        card.pull_after(n, heard)
        with Journal(path, Clock()) as journal, pytest.raises(CardGone):
            issuing.issue(shop_of(journal), Hand(card), NUMBER, "EUR")
        made_again(path, card, ISSUE)
        assert Meter().serve(card) == "seen"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_issue_that_dies_around_a_journal_entry_is_finished_by_the_same_command(tmp_path, after):
    for n in range(2):
        path = tmp_path / f"journal-{n}"
        card = DesfireCard(UID)
        with CrashingJournal(path, Clock()) as journal, pytest.raises(Crash):
            journal.crash_at, journal.after = n, after
            issuing.issue(shop_of(journal), Hand(card), NUMBER, "EUR")
        made_again(path, card, ISSUE)
        assert Meter().serve(card) == "seen"


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_a_replacement_cut_off_at_any_exchange_brings_the_purchase_exactly_once(tmp_path, heard):
    n = 0
    while True:
        path = tmp_path / f"journal-{n}"
        old, new = DesfireCard(UID), DesfireCard(OTHER_UID)
        with Journal(path, Clock()) as journal:
            shop = shop_of(journal)
            issuing.issue(shop, Hand(old), NUMBER, "EUR")
            user_card.sell(shop, Hand(old), AMOUNT)
            new.pull_after(n, heard)
            try:
                issuing.replace(shop, Hand(new), NUMBER)
                break  # the cut lies after the last exchange
            except CardGone:
                pass
        made_again(path, new, "replace")
        meter = Meter()
        assert [meter.serve(new), meter.serve(old)] == ["booked", "generation"]
        assert meter.credit_micro == AMOUNT
        n += 1
    assert n > 30


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_replacement_that_dies_around_a_journal_entry_carries_a_cut_off_sale_over_once(tmp_path, after):
    ready = Ready(tmp_path)
    for n in range(3):  # the sale's outcome, the replacement's intent and its outcome
        old, new = ready.card(), DesfireCard(OTHER_UID)
        old.pull_after(ready.exchanges_n - 1, heard=True)
        with ready.journal() as journal:
            shop = shop_of(journal)
            with pytest.raises(CardGone):
                user_card.sell(shop, Hand(old), AMOUNT)
            journal.crash_at, journal.after = journal.writes + n, after
            with pytest.raises(Crash):
                issuing.replace(shop, Hand(new), NUMBER)
        made_again(ready.last, new, "replace")
        with Journal(ready.last, Clock(840_000_000)) as journal:
            assert sales_in(journal) == [1, 2]
        meter = ready.meter()
        assert [meter.serve(old), meter.serve(new)] == ["booked", "seen"]
        assert meter.credit_micro == 2 * AMOUNT


# -- the file -------------------------------------------------------------------------------------


@pytest.fixture
def journal(path):
    with Journal(path, Clock()) as journal:
        yield journal


def test_an_intent_is_open_until_it_is_settled(journal):
    intent = journal.intend(SALE, UID, NUMBER, 1, SOLD)
    assert journal.open_intents() == [intent]
    journal.settle(intent, DONE)
    assert journal.open_intents() == []
    assert journal.last_sale(NUMBER) == intent


def test_a_void_sale_is_no_sale_and_its_number_is_free_again(journal):
    journal.settle(journal.intend(SALE, UID, NUMBER, 1, SOLD), VOID)
    assert journal.last_sale(NUMBER) is None
    journal.settle(journal.intend(SALE, UID, NUMBER, 1, SOLD), DONE)
    assert journal.last_sale(NUMBER).count == 1


def test_an_intent_has_one_outcome(journal):
    intent = journal.intend(SALE, UID, NUMBER, 1, SOLD)
    journal.settle(intent, VOID)
    with pytest.raises(JournalError, match="contradict"):
        journal.settle(intent, DONE)


def test_a_purchase_number_is_sold_once_for_a_meter(journal):
    journal.settle(journal.intend(SALE, UID, NUMBER, 1, SOLD), DONE)
    again = journal.intend(SALE, UID, NUMBER, 1, SOLD)
    with pytest.raises(JournalError, match="contradict"):
        journal.settle(again, DONE)


@pytest.mark.parametrize("statement", ["UPDATE entries SET count = 9", "DELETE FROM entries"])
def test_entries_can_be_neither_changed_nor_deleted(journal, path, statement):
    journal.intend(SALE, UID, NUMBER, 1, SOLD)
    with sqlite3.connect(path) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    assert len(journal.entries()) == 1


def test_entries_made_together_are_all_there_or_none(journal):
    with pytest.raises(Crash), journal.together():
        journal.intend(SALE, UID, NUMBER, 1, SOLD)
        raise Crash
    assert journal.entries() == []


def test_the_journal_is_durable_and_for_its_owner_only(journal, path):
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_programs_may_have_the_journal_open(journal, path):
    with Journal(path, Clock()) as other:
        intent = other.intend(SALE, UID, NUMBER, 1, SOLD)
        assert journal.open_intents() == [intent]


def test_a_journal_of_a_later_format_is_left_alone(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(JournalError, match="format 9"):
        Journal(path)


def test_what_is_no_journal_is_refused_in_words(path):
    path.write_bytes(b"this is a text" * 100)
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(path)


def test_an_older_report_seen_late_does_not_replace_a_newer_one(journal):
    from scripts.supplier.formats import WriteBack

    journal.note_write_back(UID, NUMBER, WriteBack(number=7, purchase_count=3))
    journal.note_write_back(UID, NUMBER, WriteBack(number=5, purchase_count=2))
    assert journal.last_write_back(NUMBER).number == 7
    assert journal.booked_count(NUMBER) == 3
