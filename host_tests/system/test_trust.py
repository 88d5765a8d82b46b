# SPDX-License-Identifier: Apache-2.0
"""What each key is good for in a thief's hands: the table of boards/PRODUCTION.md, tried on a whole meter.

"own": at the meter (or with the card) the key came out of; "all": at any; "no": nowhere. A key is tried as if it came
out of this meter, and as if it came out of another. The rows of the supplier's own keys are what shows that the tries
are tries: there the same card does its work.
"""

import json
import re
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from loader import bundle as on_meter
from loader.errors import LoaderError
from meter.core import codes

from host_tests.bench.cards.cards import DEMO, Terminal, personalise, purchase
from host_tests.bench.cards.utility_cards import new_trust, utility_card
from host_tests.bench.documents import settings
from scripts import bundle
from scripts.bundle import format
from scripts.chips.desfire import DesfireCard
from scripts.supplier.errors import VendError
from scripts.supplier.formats import PURCHASE
from scripts.supplier.keys import METER, USER_AID, VENDING, KeySet
from scripts.supplier.signing import ORDER, SALE, SigningKeys
from scripts.supplier.utility_formats import KEY_CHANGE, RELAY_TEST, TARIFF, TRUST_CHANGE, KeyChange

ROOT = Path(__file__).resolve().parents[2]
NUMBER, OTHER = settings()["meter_number"], "PW00000002"
UID = bytes.fromhex("04A1B2C3D4E5F0")
EPOCH = datetime(2000, 1, 1)
START = datetime(2026, 1, 12, 7, 0)
GRAND = 1_000_000_000
COLUMNS = ("credit", "tariff, settings", "keys", "supply", "household's card", "firmware")


def table():
    """Row -> column -> word, as the page has it."""
    text = (ROOT / "boards" / "PRODUCTION.md").read_text()
    lines = re.search(r"<!-- keys:begin -->\n(.*?)<!-- keys:end -->", text, re.S)[1].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert tuple(cells[0][1:]) == COLUMNS
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in cells[2:]}


class Loot(KeySet):
    """What was stolen; whatever else a card needs is guessed."""

    def __init__(self, card_key_of="", utility=False, source: KeySet = DEMO, sale=None, order=None):
        guessed = KeySet.new()
        super().__init__({1: guessed.masters(1)}, sale or guessed.sale, order or guessed.order)
        self._card_key_of, self._utility, self._source = card_key_of, utility, source

    def card_key(self, version, meter_number):
        if meter_number == self._card_key_of:
            return self._source.card_key(self._source.newest, meter_number)
        return super().card_key(version, meter_number)

    def utility_key(self, version):
        return self._source.utility_key(self._source.newest) if self._utility else super().utility_key(version)


def whole(source: KeySet = DEMO, **kept):
    """A key file of the supplier's."""
    return KeySet({1: source.masters(source.newest)}, **kept)


GUESSED = SigningKeys(SALE, {}).rolled(), SigningKeys(ORDER, {}).rolled()
OLD = DEMO.rolled().rolled_signing(SALE).rolled_signing(ORDER)  # the meter has these; DEMO is what was before
BUNDLE = SigningKeys(SALE, {1: bundle.demo_key().private_bytes_raw()})

# Row of the table -> what its holder has, out of the meter of this number.
HOLDERS = {
    "one meter's card key": lambda of: Loot(card_key_of=of),
    "the fleet's utility key": lambda of: Loot(utility=True),
    "one meter's whole flash, read": lambda of: Loot(card_key_of=of, utility=True),
    "keys from before a change": lambda of: Loot(card_key_of=of, utility=True, sale=DEMO.sale, order=DEMO.order),
    "a shop's key file, opened": lambda of: whole(sale=DEMO.sale, order=GUESSED[1]),
    "the office's key file, opened": lambda of: whole(sale=DEMO.sale, order=DEMO.order),
    "the key of bundles": lambda of: Loot(sale=BUNDLE, order=SigningKeys(ORDER, {1: BUNDLE.seed()})),
}


def now_s(b):
    return int((START - EPOCH).total_seconds()) + b.plant.clock.now_us // 1_000_000


def sale_card(b, loot):
    """A card of this meter with the next purchase on it, as far as the loot can make one."""
    card = DesfireCard(UID)
    personalise(card, NUMBER, keys=loot)
    count = b.state().purchase_count + 1
    t = Terminal(card)
    t.select(USER_AID)
    t.login(VENDING, loot.user_card_key(1, VENDING, UID, NUMBER))
    t.write(PURCHASE, 0, purchase(count, GRAND, number=NUMBER, key=loot.sale.seed(), key_number=b.sale_number))
    t.commit()
    t.close()
    return card


def order_card(b, loot, kind, document=b"", number=""):
    serial = now_s(b) + 60
    return utility_card(kind, document, serial, number, keys=loot, key=loot.order.seed(), key_number=b.order_number)


def tried(b, card):
    """Show a card; it must have been looked at, not turned away unseen."""
    since = len(b.events())
    b.plant.reader.insert(card, b.plant.clock.now_us)
    b.run_s(9)
    b.plant.reader.remove(b.plant.clock.now_us)
    b.run_s(2)
    found = [(e.code, e.value) for e in b.events()[since:]]
    assert (codes.LOG_CARD_REFUSED, codes.CARD_LOCKED) not in found
    b.run_s(300)  # whatever lock a wrong key brought is over
    return [code for code, _ in found]


def credit(b, loot, of):
    return codes.LOG_PURCHASE in tried(b, sale_card(b, loot))


def cheaper(b, loot, of):
    doc = {"name": "Nothing", "currency": "EUR", "price": "0"}
    return codes.LOG_TARIFF_CHANGED in tried(b, order_card(b, loot, TARIFF, json.dumps(doc).encode()))


def keys(b, loot, of):
    took = tried(b, order_card(b, loot, TRUST_CHANGE, new_trust(*GUESSED)))
    mine = KeySet.new()
    serial = now_s(b) + 60
    change = KeyChange(NUMBER, 9, serial, mine.card_key(1, NUMBER), mine.utility_key(1), b.version)
    document = change.pack(loot.card_key(1, NUMBER))
    took += tried(b, order_card(b, loot, KEY_CHANGE, document, NUMBER))
    return codes.LOG_TRUST_CHANGED in took or codes.LOG_KEYS_CHANGED in took


def supply(b, loot, of):
    return codes.LOG_RELAY_TEST in tried(b, order_card(b, loot, RELAY_TEST))


def household(b, loot, of):
    """Is the card of this meter's household opened?"""
    card = DesfireCard(UID)
    personalise(card, NUMBER, keys=b.supplier)
    t = Terminal(card)
    t.select(USER_AID)
    try:
        t.login(METER, loot.user_card_key(loot.newest, METER, UID, NUMBER))
    except VendError:
        return False
    finally:
        t.close()
    return True


def firmware(b, loot, of):
    """Does the loader take a bundle for this that the holder signed? With each key there is."""
    seeds = [loot.sale.seed(), loot.order.seed()]
    signing = [bundle.keys.Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "x.pwb"
        for key in signing:
            path.write_bytes(format.seal({"meter/__init__.mpy": b"M\x06"}, "esp32_devkit", "9.9.9", key))
            try:
                on_meter.signed(str(path), bundle.public_bytes(bundle.demo_key()))
            except LoaderError:
                continue
            return True
    return False


TRIES = dict(zip(COLUMNS, (credit, cheaper, keys, supply, household, firmware), strict=True))


def at_a_meter(bench, row):
    """A bench whose meter has the supplier's keys; with those of before changed, if the row is about them."""
    b = bench(load_w=0, initial_credit="12.00", hoard="0", utc=START)
    b.supplier, b.sale_number, b.order_number, b.version = DEMO, 1, 1, 1
    if row == "keys from before a change":
        b.plug(False)
        files = {"keys.json": json.dumps(OLD.meter_document(NUMBER, made=now_s(b))).encode()}
        b = bench(load_w=0, initial_credit="12.00", hoard="0", utc=START, files=files)
        b.supplier, b.version = OLD, OLD.newest
        b.sale_number, b.order_number = OLD.sale.newest, OLD.order.newest
    return b


def test_every_row_of_the_table_is_tried_and_every_holder_has_a_row():
    assert list(table()) == list(HOLDERS)


@pytest.mark.parametrize("row", HOLDERS)
@pytest.mark.parametrize("of", [NUMBER, OTHER], ids=["this meter's", "another meter's"])
def test_a_key_does_what_the_table_says_and_no_more(bench, row, of):
    b = at_a_meter(bench, row)
    before = b.state().credit_micro
    for column, attempt in TRIES.items():
        word = table()[row][column]
        assert word in ("no", "own", "all")
        expected = word == "all" or (word == "own" and of == NUMBER)
        if column == "keys" and expected:
            continue  # last: what comes after it would be signed for a meter that trusts another
        assert attempt(b, HOLDERS[row](of), of) == expected, (row, column)
    assert (b.state().credit_micro > before) == (table()[row]["credit"] == "all")
    if table()[row]["keys"] == "all":
        assert keys(b, HOLDERS[row](of), of)
