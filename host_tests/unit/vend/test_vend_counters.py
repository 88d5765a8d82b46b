# SPDX-License-Identifier: Apache-2.0
"""Two counters with one journal; a clock that is wrong; and a journal that cannot be used, in words."""

import itertools
import sqlite3
import threading

import pytest

from host_tests.stands.vend import AMOUNT, KEYS, NUMBER, UID, Clock, Hand, Meter, quick
from scripts.chips.desfire import DesfireCard
from scripts.supplier import journal
from scripts.supplier.errors import JournalError, Refused, VendError
from scripts.supplier.formats import IDENTITY, PURCHASE, Identity, SignedPurchase
from scripts.supplier.journal import CLOCK_AHEAD_S, CLOCK_BEHIND_S, DONE, SALE, UTILITY, Journal
from scripts.supplier.keys import USER_AID
from scripts.supplier.utility_formats import RELAY_TEST
from scripts.vend import issuing, user_card, utility_card
from scripts.vend.shop import Shop

NEW_UID = bytes.fromhex("04AABBCCDDEEFF")
THIRD_UID = bytes.fromhex("04AABBCCDDEEF0")
MEANWHILE = 3_000_000


class Interrupted(Hand):
    """Does something else before its n-th exchange."""

    def __init__(self, card, at, work):
        super().__init__(card)
        self.at, self.work, self.done = at, work, None

    def exchange(self, command):
        if self.work and len(self.sent) == self.at:
            work, self.work = self.work, None
            try:
                self.done = work()
            except VendError as e:
                self.done = e
        return super().exchange(command)


class Counters:
    """Two counters with one journal, and a meter whose card carries a purchase that is booked."""

    def __init__(self, path):
        self.books = quick(Journal(path, Clock())), quick(Journal(path, Clock(820_001_000)))
        self.one, self.other = (Shop(KEYS, book, Clock()) for book in self.books)
        self.old, self.new = DesfireCard(UID), DesfireCard(NEW_UID)
        issuing.issue(self.one, Hand(self.old), NUMBER, "EUR")
        user_card.sell(self.one, Hand(self.old), AMOUNT)
        self.meter = Meter()
        self.meter.serve(self.old)
        user_card.read_card(self.one, Hand(self.old))

    def close(self):
        for book in self.books:
            book.close()

    def pays(self):
        """What the meter books of both cards, whichever comes first: the least and the most of it."""
        results = []
        for order in ((self.old, self.new), (self.new, self.old)):
            meter = Meter()
            meter.count, meter.credit_micro, meter.generation, meter.reports = 1, AMOUNT, 1, 1
            for card in order:
                meter.serve(DesfireCard.load(card.dump()))
            results.append(meter.credit_micro - AMOUNT)
        return results


def carried(card):
    return SignedPurchase.unpack(bytes(card.applications[USER_AID].files[PURCHASE].data)).purchase.count


def test_a_card_replaced_at_another_counter_at_any_point_of_a_sale_is_sold_on_once_or_not_at_all(tmp_path):
    outcomes = set()
    for n in itertools.count():
        at = Counters(tmp_path / f"journal-{n}")
        hand = Interrupted(at.old, n, lambda at=at: issuing.replace(at.other, Hand(at.new), NUMBER))
        try:
            sale = user_card.sell(at.one, hand, MEANWHILE)
        except Refused as e:
            sale = None
            assert "has replaced this one" in str(e)
        if hand.done is None:
            break
        assert not isinstance(hand.done, Exception)
        # What was sold is on the new card; what was refused is on neither.
        assert carried(at.new) == (2 if sale else 1)
        assert at.pays() == [MEANWHILE if sale else 0] * 2
        if sale:
            assert "Keep this one here" in " ".join(sale.settled)
            assert hand.done.carried_over == sale.purchase
        assert at.one.journal.open_intents() == []
        outcomes.add(sale is not None)
        at.close()
    assert n > 20 and outcomes == {True, False}


def test_a_sale_at_any_point_of_a_replacement_at_another_counter_is_refused_or_brought_along(tmp_path):
    outcomes = set()
    for n in itertools.count():
        at = Counters(tmp_path / f"journal-{n}")
        hand = Interrupted(at.new, n, lambda at=at: user_card.sell(at.one, Hand(at.old), MEANWHILE))
        issuing.replace(at.other, hand, NUMBER)
        if hand.done is None:
            break
        sold = not isinstance(hand.done, Exception)
        assert at.pays() == [MEANWHILE if sold else 0] * 2
        outcomes.add(sold)
        at.close()
    assert n > 20 and outcomes == {True, False}


@pytest.mark.parametrize("job", [issuing.issue, issuing.replace])
def test_two_cards_made_for_a_meter_at_once_are_one_valid_card(tmp_path, job):
    more = ("EUR",) if job is issuing.issue else ()
    for n in itertools.count(step=3):
        at = Counters(tmp_path / f"journal-{n}")
        number = "00099999" if more else NUMBER
        third = DesfireCard(THIRD_UID)
        hand = Interrupted(at.new, n, lambda at=at, third=third, number=number: job(at.one, Hand(third), number, *more))
        try:
            made = job(at.other, hand, number, *more)
        except Refused:
            made = None
        if hand.done is None:
            break
        others = not isinstance(hand.done, Exception)
        assert made is not None or others
        valid = at.one.journal.card_of(number)
        card = at.new if valid.uid == NEW_UID.hex() else third
        on_card = Identity.unpack(bytes(card.applications[USER_AID].files[IDENTITY].data))
        assert on_card.generation == valid.data["generation"]
        assert valid.data["generation"] == at.one.journal.highest_generation(number)
        assert at.one.journal.open_intents() == []
        at.close()
    assert n > 20


def test_between_the_last_look_and_the_intent_of_a_sale_nobody_replaces_its_card(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_PATIENCE_S", 0.1)
    at = Counters(tmp_path / "journal")
    hand, said = Hand(at.old), []
    intend = at.one.journal.intend

    def late(*fields, **more):
        try:
            issuing.replace(at.other, Hand(at.new), NUMBER)
        except JournalError as e:
            said.append(str(e))
        return intend(*fields, **more)

    monkeypatch.setattr(at.one.journal, "intend", late)
    user_card.sell(at.one, hand, MEANWHILE)
    assert "another program" in said[0]
    issuing.replace(at.other, Hand(at.new), NUMBER)
    assert at.pays() == [MEANWHILE] * 2
    at.close()


def test_serials_of_two_counters_are_never_the_same(tmp_path):
    path, serials = tmp_path / "journal", []
    Journal(path).close()

    def counter(uid):
        with Journal(path, lambda: 820_000_000) as book:
            shop = Shop(KEYS, book, lambda: 820_000_000)
            for _ in range(6):
                serials.append(utility_card.write_card(shop, Hand(DesfireCard(uid)), RELAY_TEST).head.serial)

    both = [threading.Thread(target=counter, args=(uid,)) for uid in (UID, NEW_UID)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(serials) == list(range(820_000_000, 820_000_012))


# -- the clock ------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    with Journal(tmp_path / "journal", lambda: 820_000_000) as book:
        yield book


def test_a_new_journal_takes_any_clock(book):
    book.check_clock(1)


@pytest.mark.parametrize("off_s", [-CLOCK_BEHIND_S, 0, CLOCK_AHEAD_S])
def test_a_clock_near_the_last_entry_is_right(book, off_s):
    book.intend(SALE, UID, NUMBER)
    book.check_clock(820_000_000 + off_s)


@pytest.mark.parametrize("off_s", [-CLOCK_BEHIND_S - 1, CLOCK_AHEAD_S + 1, 365 * 86_400])
def test_a_clock_far_from_the_last_entry_is_refused_with_a_remedy(book, off_s):
    book.intend(SALE, UID, NUMBER)
    with pytest.raises(Refused, match="Set the clock; if it is right, say --clock-is-right"):
        book.check_clock(820_000_000 + off_s)


def test_a_serial_of_a_clock_a_year_ahead_does_not_lift_those_after_it(book):
    book.intend(UTILITY, UID, "", 820_000_000 + 365 * 86_400)
    assert book.next_serial(820_000_000) == 820_000_000
    book.intend(UTILITY, UID, "", 820_000_500)
    assert book.next_serial(820_000_000) == 820_000_501


# -- the file -------------------------------------------------------------------------------------


def sentence(path, work=lambda book: None):
    with pytest.raises(JournalError) as e, Journal(path, Clock()) as book:
        work(book)
    text = str(e.value)
    assert str(path) in text and text.endswith(".")
    return text


def test_a_journal_that_somebody_else_is_writing_is_waited_for_and_then_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_PATIENCE_S", 0.1)
    path = tmp_path / "journal"
    Journal(path, Clock()).close()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for work in (lambda book: book.intend(SALE, UID, NUMBER), lambda book: book.adopt(SALE, UID, NUMBER, 1, {})):
            assert "another program" in sentence(path, work)
        other.execute("ROLLBACK")


def test_a_journal_in_a_folder_that_is_not_there_is_refused_with_a_remedy(tmp_path):
    assert "Make its folder" in sentence(tmp_path / "none" / "journal")


def test_a_folder_is_no_journal(tmp_path):
    assert "cannot be opened" in sentence(tmp_path)


@pytest.mark.parametrize("content", [b"this is a text" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_what_is_no_journal_is_said_to_be_none(tmp_path, content):
    (tmp_path / "journal").write_bytes(content)
    assert "--journal" in sentence(tmp_path / "journal")


def test_the_data_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "journal"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (a)")
    assert "of another program" in sentence(path)
    with sqlite3.connect(path) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["mine"]


def test_a_damaged_journal_is_told_with_a_remedy(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, Clock()) as book, book.together():
        for _ in range(200):
            book.intend(SALE, UID, NUMBER, 1, {"note": "x" * 100})
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    assert "last copy" in sentence(path, lambda book: book.entries(limit=-1))


def test_an_entry_that_is_not_ours_is_told_as_damage(tmp_path):
    path = tmp_path / "journal"
    Journal(path, Clock()).close()
    with sqlite3.connect(path) as db:
        entry = (1, "seen", "reading", "", "1", 0, "{")
        db.execute("INSERT INTO entries (utc_s, what, job, uid, meter, count, data) VALUES (?,?,?,?,?,?,?)", entry)
    assert "last copy" in sentence(path, lambda book: book.last_write_back("1"))


def test_a_read_only_database_has_words(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, Clock()) as book:
        book._db.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError, match="read-only"):
            book.intend(SALE, UID, NUMBER)


def test_a_full_disk_is_told_and_the_journal_goes_on_when_there_is_room(tmp_path):
    with Journal(tmp_path / "journal", Clock()) as book:
        pages = book._db.execute("PRAGMA page_count").fetchone()[0]
        book._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="the disk is full"):
            for n in range(1, 1000):
                book.adopt(SALE, UID, NUMBER, n, {"note": "x" * 100})
        book._db.execute("PRAGMA max_page_count = 100000")
        book.intend(SALE, UID, NUMBER)
        assert not book._db.in_transaction


def test_a_sale_whose_outcome_could_not_be_noted_is_settled_by_the_next_look(tmp_path, monkeypatch):
    at = Counters(tmp_path / "journal")
    settle = at.one.journal.settle

    def full(*_):
        raise JournalError("The journal cannot be used: the disk is full. Make room.")

    monkeypatch.setattr(at.one.journal, "settle", full)
    with pytest.raises(JournalError, match=r"Then read the card again: it carries the sale of 3\.00\."):
        user_card.sell(at.one, Hand(at.old), MEANWHILE)
    monkeypatch.setattr(at.one.journal, "settle", settle)
    assert user_card.read_card(at.one, Hand(at.old)).settled == [
        "The sale of 3.00 that was cut off is on the card, as purchase 2."
    ]
    at.close()


def test_a_number_too_large_for_the_journal_is_refused_in_words(book):
    with pytest.raises(JournalError, match="too large"):
        book.intend(SALE, UID, NUMBER, 2**70)


# -- a journal of before --------------------------------------------------------------------------


def test_a_journal_of_the_first_format_goes_on_and_keeps_what_it_has(tmp_path):
    path = tmp_path / "journal"
    with sqlite3.connect(path) as db:
        db.executescript(journal._SCHEMA)
        db.execute("CREATE UNIQUE INDEX one_sale ON entries(meter, count) WHERE job = 'sale' AND what = 'done'")
        db.execute("PRAGMA user_version = 1")
    sold = {"amount_micro": AMOUNT, "debt_micro": 0, "sold_utc_s": 5}
    with Journal(path, Clock()) as book:
        book.settle(book.intend(SALE, UID, NUMBER, 1, sold), DONE)
        with pytest.raises(JournalError, match="contradict"):
            book.settle(book.intend(SALE, UID, NUMBER, 1, sold), DONE)
        assert book.last_sale(NUMBER).count == 1
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
