# SPDX-License-Identifier: Apache-2.0
"""What tests of the vending tool need: a card in the hand, a meter that books, and ways to cut things off."""

import contextlib

from host_tests.bench.cards.cards import Field
from scripts.chips.desfire import DesfireCard
from scripts.supplier.crypto import cmac_div
from scripts.supplier.formats import (
    IDENTITY,
    IDENTITY_N,
    PURCHASE,
    PURCHASE_N,
    WRITEBACK,
    Identity,
    SignedPurchase,
    WriteBack,
)
from scripts.supplier.journal import Journal
from scripts.supplier.keys import USER_AID, UTILITY_AID, KeySet
from scripts.supplier.utility_formats import ANSWERS
from scripts.vend import user_card
from scripts.vend.desfire import Desfire
from scripts.vend.shop import Shop

NUMBER = "00012345"
UID = bytes.fromhex("04112233445566")
OTHER_UID = bytes.fromhex("04AABBCCDDEEFF")
AMOUNT = 20_000_000  # what most tests sell
KEYS = KeySet.demo()


class Crash(BaseException):
    """The program dies here."""


class Hand(Field):
    """A simulated card on a reader."""

    def __init__(self, card: DesfireCard | None = None):
        super().__init__(card or DesfireCard(UID))
        self.sent = []
        self.crash_at = None  # exchange before which the program dies

    def exchange(self, command):
        if self.crash_at is not None and len(self.sent) >= self.crash_at:
            self.crash_at = None
            raise Crash
        self.sent.append(command)
        return super().exchange(command)


def after_change(keys: KeySet, number: str = NUMBER) -> dict:
    """keys.json of a meter that got the newest version by a key change and had the one before."""
    before = keys.newest - 1
    previous = {"version": before, "card_key": keys.card_key(before, number).hex(), "until": 0}
    return {**keys.meter_document(number), "previous": previous}


class Meter:
    """The count rule, the signature and the write-back, in as few words as they can be said. keys: its keys.json."""

    def __init__(self, keys: KeySet = KEYS, number: str = NUMBER):
        self.document = keys.meter_document(number)
        self.report_version = None  # in place of its keys' version
        self.currency = "EUR"
        self.count = self.credit_micro = self.reports = self.generation = 0

    def serve(self, card: DesfireCard, pulled: bool = False) -> str:
        """Put the card in: 'booked', 'seen' or why it was refused. pulled: it is out before the report is on it."""
        d = Desfire(Hand(card))
        d.select(USER_AID)
        version = d.key_version(1)
        mine = [k for k in (self.document, self.document.get("previous", {})) if k.get("version") == version]
        if not mine:
            return "keys"
        d.login(1, cmac_div(bytes.fromhex(mine[0]["card_key"]), card.uid + USER_AID))
        identity = Identity.unpack(d.read(IDENTITY, 0, IDENTITY_N))
        record = SignedPurchase.unpack(d.read(PURCHASE, 0, PURCHASE_N))
        purchase = record.purchase
        if identity.currency != self.currency:
            return "currency"
        if identity.generation < self.generation:
            return "generation"
        if purchase.count not in (self.count, self.count + 1):
            return "count"
        new = purchase.count == self.count + 1
        if new and record.key_number != self.document["sale"][0]:
            return "another sale key"
        if new and not (record.belongs_to(identity) and record.signed_by(bytes.fromhex(self.document["sale"][1]))):
            return "signature"
        self.generation = identity.generation
        if new:
            self.count, self.credit_micro = purchase.count, self.credit_micro + purchase.amount_micro
        self.reports += 1
        back = WriteBack(
            number=self.reports, key_version=self.report_version or self.document["version"], purchase_count=self.count,
            credit_micro=self.credit_micro, purchased_micro=self.credit_micro, status=1 << 8,
        )  # fmt: skip
        if pulled:
            return "pulled"
        d.write(WRITEBACK, 0, back.pack())
        d.commit()
        return "booked" if new else "seen"

    def answer(self, card: DesfireCard, record: bytes) -> None:
        """Append an answer to a utility card."""
        d = Desfire(Hand(card))
        d.select(UTILITY_AID)
        version = d.key_version(1)
        assert version == self.document["version"]
        d.login(1, cmac_div(bytes.fromhex(self.document["utility_key"]), card.uid + UTILITY_AID))
        d.write_record(ANSWERS, record)
        d.commit()


class Clock:
    """A second passes with every look."""

    def __init__(self, utc_s: int = 820_000_000):
        self.utc_s = utc_s

    def __call__(self) -> int:
        self.utc_s += 1
        return self.utc_s


@contextlib.contextmanager
def shop_at(path, keys: KeySet = KEYS):
    clock = Clock()
    with Journal(path, clock) as journal:
        yield Shop(keys, quick(journal), clock)


def sell(shop: Shop, hand, amount_micro: int = AMOUNT, **more):
    return user_card.sell(shop, hand, amount_micro, **more)


def quick(journal: Journal) -> Journal:
    """Without a sync of the disk at each entry: for tests in which no power is cut."""
    journal._db.execute("PRAGMA synchronous = OFF")
    return journal


class CrashingJournal(Journal):
    """Dies before or after its n-th write."""

    crash_at = None
    after = False
    writes = 0

    def _add(self, *fields):
        n = self.writes
        self.writes += 1
        if n == self.crash_at and not self.after:
            raise Crash
        row = super()._add(*fields)
        if n == self.crash_at and self.after:
            raise Crash
        return row
