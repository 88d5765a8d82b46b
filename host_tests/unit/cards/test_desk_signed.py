# SPDX-License-Identifier: Apache-2.0
"""What makes money on a card is the supplier's signature: whatever else somebody has, nothing is booked. And the card
key of before a change, which opens the household's own card and no other."""

import json
import struct
from pathlib import Path

import pytest
from meter.books import visits
from meter.cards import refusals
from meter.core import cmac, codes
from meter.documents import keys_doc

from host_tests.bench.cards import cards
from host_tests.stands.card import KEYS, NUMBER, with_keys
from host_tests.unit.cards.test_desk import OTHER_UID, UID, UNTOUCHED, figures, scene, shown, sold, user_card
from scripts.chips.desfire import DesfireCard
from scripts.supplier.keys import METER

PRICE = 20_000_000
GENUINE = cards.purchase(1, PRICE)
CRC_AT, SIGNATURE_AT = 44, 48


def resealed(record: bytes) -> bytes:
    """With the CRC right again, as anybody can make it."""
    return cards.seal(cards.PURCHASE, record[:CRC_AT]) + record[SIGNATURE_AT:]


def carrying(record: bytes, **more):
    """This meter's card with any bytes in its purchase."""
    card = user_card(**more)
    cards.put(card, cards.PURCHASE, record)
    return card


def refused(record: bytes) -> int:
    """Show such a card: nothing may change. Return the code of the refusal."""
    meter = shown(carrying(record), seconds=1.5)
    assert figures(meter) == UNTOUCHED
    assert meter.s.card_uid == bytes(7) and meter.s.writeback_seq == 0
    (code,) = meter.logged(codes.LOG_CARD_REFUSED)
    return code


def test_a_genuine_purchase_is_booked():
    meter = shown(carrying(GENUINE))
    assert figures(meter) == (PRICE, PRICE, 1, PRICE)
    assert meter.s.failed_logins == 0


def test_a_forged_amount_under_a_genuine_signature_is_refused_and_counted():
    record = resealed(GENUINE[:8] + struct.pack("<Q", 50 * PRICE) + GENUINE[16:])
    meter = shown(carrying(record))
    assert figures(meter) == UNTOUCHED
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_SIGNATURE]
    assert (meter.s.failed_logins, meter.s.lock) == (1, 1)
    assert meter.panel.text.startswith("Card not accepted Not signed by your supplier. Go back to the shop")


def test_forged_cards_make_all_cards_wait_as_those_do_that_do_not_know_the_key():
    async def play(meter):
        for _ in range(3):
            await meter.show(carrying(cards.purchase(1, PRICE, key=cards.OTHER_KEY)), 1.5)
        assert visits.locked_s(meter.books) > 0
        await meter.show(sold())
        assert figures(meter) == UNTOUCHED

    scene(play)


@pytest.mark.parametrize(
    ("name", "record", "code"),
    [
        ("of another signer", cards.purchase(1, PRICE, key=cards.OTHER_KEY), codes.CARD_SIGNATURE),
        ("not signed", cards.purchase(1, PRICE, signature=cards.UNSIGNED), codes.CARD_SIGNATURE),
        ("of another meter", cards.purchase(1, PRICE, number="PW00000002"), codes.CARD_FOREIGN),
        ("of another generation", cards.purchase(1, PRICE, generation=2), codes.CARD_MALFORMED),
        ("in another currency", cards.purchase(1, PRICE, currency="USD"), codes.CARD_CURRENCY),
        ("by a key that was replaced", cards.purchase(1, PRICE, key_number=2), codes.CARD_KEY_OLD),
        ("of the format before", cards.purchase(1, PRICE, version=2), codes.CARD_MALFORMED),
        ("signed for the next count", resealed(cards.purchase(2, PRICE)[:4] + b"\1" + cards.purchase(2, PRICE)[5:]),
         codes.CARD_SIGNATURE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_purchase_is_refused(name, record, code):
    assert refused(record) == code


@pytest.mark.parametrize("at", [n for n in range(len(GENUINE)) if not CRC_AT <= n < SIGNATURE_AT])
def test_one_wrong_bit_anywhere_in_record_or_signature_is_refused(at):
    """With the CRC right again: in the record too it is the signature that tells."""
    record = bytearray(GENUINE)
    record[at] ^= 1 << at % 8
    code = refused(resealed(bytes(record)))
    # By version, key, generation, count, amounts beyond any, meter, currency.
    told_before = (0, 1, 2, 3, *range(4, 8), 14, 15, 22, 23, *range(28, 44))
    assert code == codes.CARD_SIGNATURE or at in told_before
    assert code != codes.CARD_SIGNATURE or at not in (0, 1, 40, 41, 42)


def test_a_purchase_moved_from_the_neighbour_s_card_is_refused():
    theirs = cards.purchase(1, PRICE, number="PW00000002")
    ours = resealed(theirs[:28] + GENUINE[28:40] + theirs[40:])
    assert refused(ours) == codes.CARD_SIGNATURE


def test_a_purchase_booked_before_needs_no_signature():
    """What a card carries from then on is asked for nothing: it brings no money."""
    card = sold()

    async def play(meter):
        await meter.show(card)
        cards.put(card, cards.PURCHASE, cards.purchase(1, PRICE, signature=cards.UNSIGNED))
        card.exchanges = 0
        await meter.show(card)
        assert figures(meter) == (PRICE, PRICE, 1, PRICE)
        assert card.exchanges == 13
        assert meter.panel.first_rows()[0] == "Card accepted"

    scene(play)


def test_a_purchase_the_books_came_by_while_it_was_proven_is_not_booked_again(monkeypatch):
    async def play(meter):
        from meter.commands import signature

        good = signature.good

        async def meanwhile(*of):
            answer = await good(*of)
            meter.s.purchase_count = 1
            return answer

        monkeypatch.setattr(signature, "good", meanwhile)
        await meter.show(sold())
        assert figures(meter) == (0, 0, 1, 0)

    scene(play)


@pytest.mark.parametrize(
    ("number", "currency", "rows"),
    [
        ("PW0000000002", "EUR", "Card of PW0000000002 This is 00012345 Use your own card"),
        ("1", "EUR", "Card of 1 This is 00012345 Use your own card"),
        (NUMBER, "USD", "The card is for USD, this meter has EUR. Go back to the shop"),
    ],
)
def test_a_card_of_another_meter_or_currency_is_named(number, currency, rows):
    meter = shown(user_card(number=number, currency=currency), seconds=1.5)
    assert meter.panel.text == "Card not accepted " + rows
    assert all(len(row) == 20 for row in meter.panel.said[-1][1])


def test_the_currency_of_a_purchase_is_named_too():
    meter = shown(carrying(cards.purchase(1, PRICE, currency="KES")), seconds=1.5)
    assert meter.panel.text == "Card not accepted The card is for KES, this meter has EUR. Go back to the shop"


def test_every_refusal_has_its_words():
    known = [n for name, n in vars(codes).items() if name.startswith("CARD_")]
    assert sorted(known) == list(range(1, len(known) + 1))
    for code in known:
        rows = refusals.refused(code)
        assert [len(row) for row in rows] == [20] * 4 and all(row.strip() for row in rows)


# -- the card key of before -------------------------------------------------------------------------

NEW_KEY = b"a new card key 2"
DAY = 9_900
CHANGED = with_keys(
    KEYS, VERSION=2, CARD=NEW_KEY, CARD_BEFORE=KEYS[keys_doc.CARD], VERSION_BEFORE=1, UNTIL_DAY=DAY
)  # fmt: skip


def renewed(card: DesfireCard) -> DesfireCard:
    """The shop has given it the meter's new key."""
    card.applications[cards.AID].keys[METER] = cmac.derived(NEW_KEY, card.uid + cards.AID)
    return card


def visited(card, tmp_path, day=None, bound=UID, keys=CHANGED):
    """A meter whose keys were changed has been shown a card, on a day since 2000 (None: it has no clock)."""
    (tmp_path / "keys.json").write_text(json.dumps(keys_doc.pack(keys)))

    async def play(meter):
        meter.desk.root = str(tmp_path)
        meter.s.card_uid, meter.s.card_generation = bound, 1
        meter.books.utc_s = day and day * 86_400 + 4_000
        await meter.show(card)

    return scene(play, keys=keys)


def on_flash(tmp_path: Path) -> tuple:
    return keys_doc.parse(json.loads((tmp_path / "keys.json").read_text()))


@pytest.mark.parametrize("day", [None, DAY - 400, DAY])
def test_the_household_s_own_card_still_opens_with_the_key_before(tmp_path, day):
    meter = visited(sold(), tmp_path, day)
    assert figures(meter) == (PRICE, PRICE, 1, PRICE)
    assert on_flash(tmp_path) == CHANGED and meter.desk.keys == CHANGED


@pytest.mark.parametrize("bound", [OTHER_UID, bytes(7)])
def test_no_other_card_opens_with_the_key_before(tmp_path, bound):
    meter = visited(sold(), tmp_path, DAY - 100, bound)
    assert figures(meter) == UNTOUCHED
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_AUTH]
    assert meter.s.lock == 1


def test_after_its_last_day_the_key_before_opens_nothing(tmp_path):
    meter = visited(sold(), tmp_path, DAY + 1)
    assert figures(meter) == UNTOUCHED
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_AUTH]


def test_a_key_before_without_a_last_day_opens_until_the_card_is_renewed(tmp_path):
    meter = visited(sold(), tmp_path, 40_000, keys=with_keys(CHANGED, UNTIL_DAY=0))
    assert figures(meter) == (PRICE, PRICE, 1, PRICE)


def test_when_the_card_has_the_new_key_the_one_before_is_forgotten_for_good(tmp_path):
    card = renewed(sold())
    meter = visited(card, tmp_path, DAY - 300)
    forgotten = with_keys(CHANGED, CARD_BEFORE=None, VERSION_BEFORE=0, UNTIL_DAY=0)
    assert on_flash(tmp_path) == forgotten == meter.desk.keys
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json"]
    assert cards.read_back(card).purchase_count == 1
    meter = visited(sold(), tmp_path, DAY - 299, keys=on_flash(tmp_path))
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_AUTH]


@pytest.mark.parametrize("n", range(19))
def test_a_renewed_card_pulled_at_any_exchange_loses_neither_money_nor_keys(tmp_path, n):
    card = renewed(sold())
    card.pull_after(n, True)
    meter = visited(card, tmp_path, DAY - 300)
    assert on_flash(tmp_path)[: keys_doc.CARD_BEFORE] == CHANGED[: keys_doc.CARD_BEFORE]
    assert meter.desk.keys == on_flash(tmp_path)
    assert meter.s.credit_micro in (0, PRICE)


def test_a_file_system_that_takes_nothing_leaves_the_key_before_and_the_answer(tmp_path):
    card = renewed(sold())
    tmp_path.joinpath("keys.new").mkdir()  # where it would be written first
    meter = visited(card, tmp_path, DAY - 300)
    assert figures(meter) == (PRICE, PRICE, 1, PRICE)
    assert meter.desk.keys == on_flash(tmp_path)
    assert meter.panel.first_rows()[0] == "Credit added"
