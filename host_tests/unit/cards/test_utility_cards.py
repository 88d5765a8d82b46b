# SPDX-License-Identifier: Apache-2.0
"""The supplier's cards at the desk: what each kind does, what it leaves on the card, and which are refused."""

import asyncio
import json

import pytest
from meter.cards.desk import CardDesk
from meter.commands import results
from meter.core import codes
from meter.core.state import times
from meter.documents import files, keys_doc

from host_tests.bench.cards import cards, utility_cards
from host_tests.bench.cards.cards import DEMO
from host_tests.bench.cards.utility_cards import SERIAL, utility_card
from host_tests.bench.documents import MADE, settings
from host_tests.stands.card import KEYS as METER_KEYS
from host_tests.stands.card import NUMBER, Meter, with_keys
from scripts.supplier.formats import seal
from scripts.supplier.keys import KeySet
from scripts.supplier.signing import public_half, sign
from scripts.supplier.utility_formats import (
    COVER_RESET,
    KEY_CHANGE,
    READ_OUT,
    RELAY_TEST,
    SETTINGS,
    TARIFF,
    TRUST_CHANGE,
    KeyChange,
)

DAY_S = 86_400

DOCUMENT = json.dumps({"name": "Winter", "currency": "EUR", "price": "0.31"}).encode()
OTHERS = KeySet({1: tuple(b"another scheme %d" % n for n in range(6))})


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The meter's files are in a folder of their own."""
    (tmp_path / "settings.json").write_text(json.dumps(settings(meter_number=NUMBER)))
    (tmp_path / "tariff.json").write_text(json.dumps({"name": "One price", "currency": "EUR", "price": "0.25"}))
    monkeypatch.setattr(CardDesk, "root", str(tmp_path))
    return tmp_path


def shown(*shows, seconds=4.0, **more):
    """Show these cards to a meter one after the other. Return the meter."""
    meter = Meter(**more)

    async def main():
        async with meter:
            for card in shows:
                await meter.show(card, seconds)

    meter.run(main())
    return meter


def said(meter):
    """All that the display said since the last card came in."""
    return " ".join(" ".join(rows) for _, rows, _ in meter.panel.said if rows)


def refused(meter):
    return meter.logged(codes.LOG_CARD_REFUSED)


# -- documents ------------------------------------------------------------------------------------


def test_a_tariff_card_changes_the_tariff_and_says_so_on_itself():
    card = utility_card(TARIFF, DOCUMENT, serial=7)
    meter = shown(card)
    assert meter.books.tariff.name == "Winter"
    assert "Tariff changed Winter" in meter.panel.text or "Tariff changed" in " ".join(meter.panel.said[1][1])
    (answer,) = utility_cards.answers(card)
    assert (answer.meter_number, answer.serial, answer.result) == (NUMBER, 7, results.DONE)
    assert meter.s.utility_serial == 7


def test_an_older_card_cannot_bring_an_old_tariff_back():
    new, old = utility_card(TARIFF, DOCUMENT, serial=8), utility_card(TARIFF, DOCUMENT[:-2] + b'"}', serial=7)
    meter = shown(new, old)
    assert meter.books.tariff.name == "Winter" and refused(meter) == [codes.CARD_OUTDATED]


def test_the_same_card_again_finds_nothing_to_change():
    card = utility_card(TARIFF, DOCUMENT, serial=8)
    meter = shown(card, card)
    assert [answer.result for answer in utility_cards.answers(card)] == [results.DONE, results.ALREADY]
    assert refused(meter) == []


def test_a_refused_document_leaves_the_serial_alone():
    card = utility_card(TARIFF, b'{"name": "x", "currency": "EUR", "price": "-1"}', serial=9)
    meter = shown(card)
    assert meter.s.utility_serial == 0 and meter.books.tariff.name == "One price"
    assert utility_cards.answers(card)[0].result == results.REFUSED


def test_a_card_without_room_for_answers_has_done_its_work_all_the_same():
    card = utility_card(SETTINGS, json.dumps(settings(meter_number=NUMBER, alarm1="44.00")).encode(), room=1)
    meter = shown(card, card)
    assert meter.books.cfg.alarm1_micro == 44_000_000
    assert len(utility_cards.answers(card)) == 1


# -- which are refused ----------------------------------------------------------------------------


def cut_short(record):
    return record[:-1] + bytes((record[-1] ^ 1,))


MORE = DOCUMENT + b" "
REFUSED = {
    "for another meter": (utility_card(TARIFF, DOCUMENT, number="99999999"), codes.CARD_FOREIGN),
    "for a range before it": (utility_card(TARIFF, DOCUMENT, number="00010000", last="00012344"), codes.CARD_FOREIGN),
    "for a range after it": (utility_card(TARIFF, DOCUMENT, number="00012346", last="00099999"), codes.CARD_FOREIGN),
    "for a range of shorter numbers": (utility_card(TARIFF, DOCUMENT, number="0000", last="9999"), codes.CARD_FOREIGN),
    "for a range without a beginning": (utility_card(TARIFF, DOCUMENT, last="99999999"), codes.CARD_FOREIGN),
    "with a list without it": (utility_card(TARIFF, DOCUMENT, listed=("00012344", "0001234")), codes.CARD_FOREIGN),
    "of another supplier": (utility_card(TARIFF, DOCUMENT, keys=OTHERS), codes.CARD_AUTH),
    "with a damaged head": (
        utility_card(TARIFF, DOCUMENT, header=cut_short(utility_cards.head(TARIFF, DOCUMENT))), codes.CARD_MALFORMED
    ),
    "of an unknown kind": (utility_card(77), codes.CARD_MALFORMED),
    "of no kind": (utility_card(0), codes.CARD_MALFORMED),
    "of an old version": (
        utility_card(TARIFF, DOCUMENT, header=utility_cards.head(TARIFF, DOCUMENT, version=2)), codes.CARD_MALFORMED
    ),
    "with another document under its head": (
        utility_card(TARIFF, DOCUMENT.replace(b"0.31", b"0.00"), header=utility_cards.head(TARIFF, DOCUMENT)),
        codes.CARD_MALFORMED,
    ),
    "with a document cut off": (
        utility_card(TARIFF, DOCUMENT, header=utility_cards.head(TARIFF, MORE)), codes.CARD_MALFORMED
    ),
    "with another list under its head": (
        utility_card(TARIFF, DOCUMENT, listed=(NUMBER,), header=utility_cards.head(TARIFF, DOCUMENT, listed=("1",))),
        codes.CARD_MALFORMED,
    ),
    "an order with another list under its head": (
        utility_card(COVER_RESET, listed=(NUMBER,), header=utility_cards.head(COVER_RESET, listed=("1",))),
        codes.CARD_MALFORMED,
    ),
    "an order with a document": (utility_card(COVER_RESET, DOCUMENT), codes.CARD_MALFORMED),
    "with keys that are none": (utility_card(KEY_CHANGE, b"short", number=NUMBER), codes.CARD_MALFORMED),
    "with supplier's keys that are none": (utility_card(TRUST_CHANGE, b"short"), codes.CARD_MALFORMED),
    "not signed": (utility_card(TARIFF, DOCUMENT, signature=bytes(64)), codes.CARD_SIGNATURE),
    "signed by somebody": (utility_card(TARIFF, DOCUMENT, key=cards.OTHER_KEY), codes.CARD_SIGNATURE),
    "signed by a shop": (utility_card(TARIFF, DOCUMENT, key=cards.SALE_KEY), codes.CARD_SIGNATURE),
    "an order that is not signed": (utility_card(COVER_RESET, signature=bytes(64)), codes.CARD_SIGNATURE),
    "signed with a key that is not in force": (utility_card(TARIFF, DOCUMENT, key_number=2), codes.CARD_KEY_OLD),
    "without a clock, made in 400 days": (utility_card(TARIFF, DOCUMENT, MADE + 401 * DAY_S), codes.CARD_AHEAD),
    "with the greatest serial": (utility_card(TARIFF, DOCUMENT, 0xFFFFFFFF), codes.CARD_AHEAD),
    "an order with the greatest serial": (utility_card(COVER_RESET, serial=0xFFFFFFFF), codes.CARD_AHEAD),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_card_changes_nothing_and_says_why(name, root):
    card, code = REFUSED[name]
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    meter = shown(card)
    assert refused(meter) == [code]
    assert (meter.s.utility_serial, meter.books.tariff.name) == (0, "One price")
    assert meter.desk.keys == METER_KEYS
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.suffix != ".new"} == before
    assert utility_cards.answers(card) == [] if code != codes.CARD_AUTH else True


def test_a_user_card_is_never_taken_for_one():
    card = cards.DesfireCard(bytes.fromhex(utility_cards.UID))
    cards.personalise(card, NUMBER, kind=2)
    assert refused(shown(card)) == [codes.CARD_UNKNOWN]


@pytest.mark.parametrize("at", range(2, 68))
def test_a_head_with_any_byte_changed_is_not_taken(at):
    """Anybody who has a meter's utility key can write anything onto a card of their own, with the right CRC."""
    body = bytearray(utility_cards.head(TARIFF, DOCUMENT)[:132])
    body[at] ^= 1
    meter = shown(utility_card(TARIFF, DOCUMENT, header=seal(1, bytes(body))))
    assert refused(meter)[0] in (codes.CARD_SIGNATURE, codes.CARD_KEY_OLD, codes.CARD_FOREIGN)
    assert meter.books.tariff.name == "One price" and meter.s.utility_serial == 0


def test_a_head_of_another_card_does_not_make_its_document_good():
    cheap = b'{"name": "Free", "currency": "EUR", "price": "0"}'
    for header in (utility_cards.head(TARIFF, DOCUMENT), utility_cards.head(COVER_RESET)):
        meter = shown(utility_card(TARIFF, cheap, header=header))
        assert meter.books.tariff.name == "One price"


def test_cards_that_are_not_signed_are_counted_as_logins_that_failed():
    card = utility_card(TARIFF, DOCUMENT, signature=bytes(64))
    meter = shown(card)
    assert (meter.s.failed_logins, meter.s.lock, meter.s.refused_cards) == (1, 1, 1)


def test_what_is_in_a_shop_signs_no_order_and_what_signs_orders_no_purchase():
    user = cards.DesfireCard(bytes.fromhex("04A1B2C3D4E5F0"))
    cards.personalise(user, NUMBER)
    cards.sell(user, 20_000_000, key=utility_cards.ORDER_KEY)
    meter = shown(utility_card(TARIFF, DOCUMENT, key=cards.SALE_KEY), user)
    assert meter.books.tariff.name == "One price" and meter.s.credit_micro == 0


# -- for which meters -----------------------------------------------------------------------------

TAKEN = {
    "any": {},
    "this one": {"number": NUMBER},
    "a range": {"number": "00000001", "last": "00099999"},
    "a range that begins here": {"number": NUMBER, "last": "00012346"},
    "a range that ends here": {"number": "00012344", "last": NUMBER},
    "a list": {"listed": ("00012344", NUMBER, "00012346")},
    "the longest list": {"listed": (*(f"{n:012}" for n in range(99)), NUMBER)},
    "a list in a range": {"listed": (NUMBER,), "number": "00000001", "last": "00099999"},
}


@pytest.mark.parametrize("kind", [TARIFF, COVER_RESET])
@pytest.mark.parametrize("name", TAKEN)
def test_a_card_may_be_for_some_meters(name, kind):
    document = DOCUMENT if kind == TARIFF else b""
    meter = shown(utility_card(kind, document, **TAKEN[name]))
    assert refused(meter) == []
    assert meter.books.tariff.name == ("Winter" if kind == TARIFF else "One price")


def test_a_list_takes_room_from_the_document_and_no_more_is_read():
    long = DOCUMENT[:-1] + b" " * (3072 - 12 - len(DOCUMENT)) + b"}"
    meter = shown(utility_card(TARIFF, long, listed=(NUMBER,)))
    assert meter.books.tariff.name == "Winter" and refused(meter) == []


# -- serials --------------------------------------------------------------------------------------

NOW = utility_cards.SERIAL


def at_time(meter, utc_s=NOW):
    meter.books.utc_s = utc_s
    return meter


def shown_at(utc_s, *shows):
    meter = Meter()

    async def main():
        async with meter:
            for card in shows:
                meter.books.utc_s = utc_s
                await meter.show(card)

    meter.run(main())
    return meter


@pytest.mark.parametrize("kind", [TARIFF, COVER_RESET])
def test_a_card_made_a_year_from_now_is_refused_and_locks_nobody_out(kind):
    ahead = utility_card(kind, DOCUMENT if kind == TARIFF else b"", serial=NOW + 365 * DAY_S)
    meter = shown_at(NOW, ahead, utility_card(TARIFF, DOCUMENT, serial=NOW))
    assert refused(meter) == [codes.CARD_AHEAD] and meter.books.tariff.name == "Winter"


def test_an_order_that_was_lost_dies():
    card = utility_card(COVER_RESET, serial=NOW)
    meter = shown_at(NOW + 91 * DAY_S, card)
    assert refused(meter) == [codes.CARD_OUTDATED] and meter.logged(codes.LOG_INSPECTED) == []


def test_an_order_leaves_no_serial():
    meter = shown_at(NOW, utility_card(COVER_RESET, serial=NOW), utility_card(TARIFF, DOCUMENT, serial=NOW - DAY_S))
    assert refused(meter) == [] and meter.s.utility_serial == NOW - DAY_S


def test_an_order_older_than_what_changed_the_meter_last_is_refused():
    meter = shown_at(NOW, utility_card(TARIFF, DOCUMENT, serial=NOW), utility_card(COVER_RESET, serial=NOW - 1))
    assert refused(meter) == [codes.CARD_OUTDATED]


# -- keys -----------------------------------------------------------------------------------------

ROLLED = KeySet({1: DEMO.masters(1), 2: OTHERS.masters(1), 3: tuple(b"a third scheme %d" % n for n in range(6))})


def keys_of(version):
    return ROLLED.card_key(version, NUMBER), ROLLED.utility_key(version)


def key_card(serial=SERIAL, version=2, has=1, **more):
    """A key change as the office makes it: on a card of the keys that the meter has."""
    document = KeyChange(NUMBER, version, serial, *keys_of(version), has).pack(ROLLED.card_key(has, NUMBER))
    more = {"number": NUMBER, "keys": of_version(has), **more}
    return utility_card(KEY_CHANGE, document, serial, **more)


def of_version(version):
    return KeySet({1: ROLLED.masters(version)})


def position(meter, name):
    return meter.desk.keys[getattr(keys_doc, name)]


def kept(root):
    return keys_doc.parse(json.loads((root / "keys.json").read_text()))


def test_a_key_change_card_gives_the_meter_new_keys_and_keeps_the_card_key_before(root):
    meter = shown(key_card())
    card, utility_key = keys_of(2)
    changed = {"VERSION": 2, "CARD": card, "UTILITY": utility_key, "MADE": SERIAL}
    assert meter.desk.keys == with_keys(CARD_BEFORE=METER_KEYS[keys_doc.CARD], VERSION_BEFORE=1, **changed)
    assert meter.logged(codes.LOG_KEYS_CHANGED) == [2]
    assert kept(root) == meter.desk.keys
    assert [path.name for path in root.iterdir() if path.name.startswith("keys")] == ["keys.json"]


def test_the_card_key_before_ends_400_days_later():
    assert position(shown_at(NOW, key_card()), "UNTIL_DAY") == NOW // DAY_S + 400
    assert position(shown(key_card()), "UNTIL_DAY") == 0


def test_a_key_change_that_the_meter_has_already_changes_nothing():
    meter = shown(key_card(), utility_card(KEY_CHANGE, bytes((2,)) + bytes(35), number=NUMBER, keys=of_version(2)))
    assert refused(meter) == [] and meter.logged(codes.LOG_KEYS_CHANGED) == [2]
    assert "in force already" in said(meter)


def test_after_a_key_change_a_card_of_the_utility_key_before_is_not_opened():
    card = key_card()
    meter = shown(card, card, utility_card(TARIFF, DOCUMENT))
    assert [answer.result for answer in utility_cards.answers(card)] == [results.DONE]
    assert refused(meter) == [codes.CARD_AUTH, codes.CARD_AUTH] and meter.books.tariff.name == "One price"


@pytest.mark.parametrize("cut", [False, True], ids=["", "power fails before the ledger has the second one's serial"])
def test_a_key_change_is_not_replayed_after_another_one(cut):
    """Onto a card of one's own, with the utility key that a meter taken apart has."""
    first, second, replayed = key_card(SERIAL), key_card(SERIAL + 1, 3, 2), key_card(SERIAL, keys=of_version(3))
    meter = Meter()

    async def main():
        async with meter:
            await meter.show(first)
            await meter.show(second)
            if cut:
                meter.s.utility_serial = SERIAL
            await meter.show(replayed)

    meter.run(main())
    assert refused(meter) == [codes.CARD_OUTDATED]
    assert (position(meter, "VERSION"), position(meter, "CARD")) == (3, keys_of(3)[0])


def test_a_key_change_made_before_the_meter_was_is_refused():
    meter = shown(key_card(MADE - 1))
    assert refused(meter) == [codes.CARD_OUTDATED] and meter.desk.keys == METER_KEYS


@pytest.mark.parametrize("has", [2, 3])
def test_a_key_change_for_keys_the_meter_has_not_is_refused(has):
    """Put onto a card that it can read, too: what it deciphers would be no keys, and no card of its would open."""
    meter = shown(key_card(version=5 - has, has=has, keys=DEMO))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_KEY_OLD]


@pytest.mark.parametrize("at", range(36))
def test_a_key_change_with_any_byte_changed_is_refused(at):
    document = bytearray(utility_cards.new_keys(NUMBER, 2, *keys_of(2), SERIAL))
    header = utility_cards.head(KEY_CHANGE, bytes(document), number=NUMBER)
    document[at] ^= 1
    meter = shown(utility_card(KEY_CHANGE, bytes(document), number=NUMBER, header=header))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_MALFORMED]


@pytest.mark.parametrize(
    "to", [{"number": ""}, {"number": "99999999"}, {"number": "00000001", "last": "99999999"}, {"last": "00012346"}]
)
def test_a_key_change_that_is_not_for_this_meter_alone_is_refused(to):
    meter = shown(key_card(**to))
    assert meter.desk.keys == METER_KEYS and refused(meter)[0] in (codes.CARD_MALFORMED, codes.CARD_FOREIGN)


def test_a_provisioned_meter_does_not_take_keys_that_everybody_knows(root):
    back = KeyChange(NUMBER, 2, SERIAL, *(METER_KEYS[n] for n in (keys_doc.CARD, keys_doc.UTILITY)), 1)
    own = with_keys(CARD=keys_of(2)[0], UTILITY=keys_of(2)[1], **signers(2, 2))
    card = utility_card(
        KEY_CHANGE, back.pack(own[keys_doc.CARD]), number=NUMBER, keys=of_version(2), key=seed(2), key_number=2
    )
    meter = shown(card, keys=own, provisioned=True)
    assert meter.desk.keys == own and "well known" in said(meter)


def test_keys_that_flash_does_not_take_are_not_in_force(root, monkeypatch):
    monkeypatch.setattr(files.os, "rename", full)
    meter = shown(key_card())
    assert meter.desk.keys == METER_KEYS and "nothing was changed" in said(meter)
    assert meter.s.utility_serial == 0


def full(*_):
    raise OSError(28)


# -- the supplier's public keys -------------------------------------------------------------------


def seed(n):
    return bytes(31) + bytes((n,))


def signers(sale_no, order_no):
    """Both signers, as keys_doc has them: public halves of seeds."""
    return {
        "SALE_NO": sale_no, "SALE": public_half(seed(sale_no + 100)),
        "ORDER_NO": order_no, "ORDER": public_half(seed(order_no)),
    }  # fmt: skip


def trust(sale_no=2, order_no=2, sale=None, order=None, proof=None):
    """The document: sale: a public key; order: a private one."""
    order = order or (utility_cards.ORDER_KEY if order_no == 1 else seed(order_no))
    sale = sale or (DEMO.sale.public() if sale_no == 1 else public_half(seed(sale_no + 100)))
    body = bytes((sale_no, order_no, 0, 0)) + sale + public_half(order)
    return body + (sign(order, b"PW keys\0" + body) if proof is None else proof)


def trust_card(serial=SERIAL, document=None, **more):
    return utility_card(TRUST_CHANGE, document or trust(), serial, **more)


def test_new_public_keys_are_in_force_and_those_before_are_good_for_nothing(root):
    meter = shown(
        trust_card(), utility_card(TARIFF, DOCUMENT, SERIAL + 1),
        utility_card(TARIFF, MORE, SERIAL + 1, key=utility_cards.ORDER_KEY, key_number=2),
    )  # fmt: skip
    assert meter.desk.keys == with_keys(**signers(2, 2), MADE=SERIAL) == kept(root)
    assert meter.logged(codes.LOG_TRUST_CHANGED) == [2 << 8 | 2]
    assert refused(meter) == [codes.CARD_KEY_OLD, codes.CARD_SIGNATURE]
    assert meter.books.tariff.name == "One price" and meter.s.utility_serial == SERIAL


def test_cards_of_the_new_order_key_are_served(root):
    meter = shown(trust_card(), utility_card(TARIFF, DOCUMENT, SERIAL + 1, key=seed(2), key_number=2))
    assert meter.books.tariff.name == "Winter" and refused(meter) == []


def test_the_sale_key_alone_may_change(root):
    card = trust_card(document=trust(2, 1))
    meter = shown(card, card)
    assert meter.desk.keys[keys_doc.SALE_NO : keys_doc.ORDER] == (2, public_half(seed(102)), 1)
    assert [answer.result for answer in utility_cards.answers(card)] == [results.DONE, results.ALREADY]


def test_keys_of_before_a_change_stay_as_they_are(root):
    meter = shown(key_card(), trust_card(SERIAL + 1, keys=of_version(2)))
    assert position(meter, "CARD_BEFORE") == METER_KEYS[keys_doc.CARD]
    assert position(meter, "VERSION") == 2 and position(meter, "ORDER_NO") == 2


SLIPS = {
    "without the new key's proof": (trust(proof=bytes(64)), "Order key unproven."),
    "with the proof of another": (trust()[:68] + trust(order=seed(9))[68:], "Order key unproven."),
    "with the proof of the key before": (
        trust()[:68] + sign(utility_cards.ORDER_KEY, b"PW keys\0" + trust()[:68]), "Order key unproven."
    ),
    "proven as an order is": (trust()[:68] + sign(seed(2), b"PW order\0" + trust()[:68]), "Order key unproven."),
    "of a sale key that is no point": (trust(sale=b"\2" + bytes(31)), "Sale key is no key."),
    "of a sale key that anybody signs for": (trust(sale=bytes(32)), "Sale key is no key."),
    "of an order key that is no point": (
        bytes((1, 2, 0, 0)) + DEMO.sale.public() + b"\2" + bytes(95), "Order key unproven."
    ),
    "of one key for both": (trust(sale=public_half(seed(2))), "Both are the same."),
    "with the order key's number kept": (trust(2, 1, order=seed(9)), "Number does not fit."),
    "with the sale key's number kept": (trust(1, 2, sale=public_half(seed(9))), "Number does not fit."),
    "with a new number for the key it has": (trust(2, 2, sale=DEMO.sale.public()), "Number does not fit."),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_of_the_office_s_leaves_the_keys_in_force(name, root):
    document, words = SLIPS[name]
    card = trust_card(document=document)
    meter = shown(card)
    assert meter.desk.keys == METER_KEYS and not (root / "keys.json").exists()
    assert [answer.result for answer in utility_cards.answers(card)] == [results.REFUSED]
    assert words in said(meter) and meter.s.utility_serial == 0


@pytest.mark.parametrize("document", [trust(0, 2), trust(2, 0), trust()[:2] + b"\1" + trust()[3:], trust() + b" "])
def test_a_document_of_another_layout_is_damaged(document):
    meter = shown(trust_card(document=document))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_MALFORMED]


def test_public_keys_are_brought_by_the_order_key_in_force_alone():
    for by, code in ((seed(2), codes.CARD_SIGNATURE), (cards.SALE_KEY, codes.CARD_SIGNATURE)):
        meter = shown(trust_card(key=by))
        assert meter.desk.keys == METER_KEYS and refused(meter) == [code]
    meter = shown(trust_card(key=seed(2), key_number=2))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_KEY_OLD]


@pytest.mark.parametrize("cut", [False, True], ids=["", "power fails before the ledger has the second one's serial"])
def test_public_keys_of_before_are_not_brought_back(cut):
    """A card that the order key in force has signed once, with keys that were replaced since."""
    first, second = trust_card(SERIAL, trust(2, 1)), trust_card(SERIAL + 1, trust(3, 1))
    meter = Meter()

    async def main():
        async with meter:
            await meter.show(first)
            await meter.show(second)
            if cut:
                meter.s.utility_serial = SERIAL
            await meter.show(first)

    meter.run(main())
    assert position(meter, "SALE_NO") == 3 and refused(meter) == [codes.CARD_OUTDATED]


def test_a_provisioned_meter_does_not_take_public_keys_that_everybody_knows():
    own = with_keys(CARD=keys_of(2)[0], UTILITY=keys_of(2)[1], **signers(3, 3))
    for document in (trust(1, 3), trust(3, 1)):
        card = trust_card(document=document, keys=of_version(2), key=seed(3), key_number=3)
        meter = shown(card, keys=own, provisioned=True)
        assert meter.desk.keys == own and "well known" in said(meter)


# -- relay test, read-out, cover reset ------------------------------------------------------------


def follow(meter, works=True):
    """A guard that makes the relay follow at once, or not."""

    async def guard():
        while True:
            if works:
                meter.s.relay_closed = meter.books.wants_closed()
            await asyncio.sleep(0.2)

    return guard()


def relay_tested(works):
    meter, card = Meter(initial_credit="50.00"), utility_card(RELAY_TEST)
    positions = []

    async def main():
        async with meter:
            meter.s.relay_closed = 1
            task = asyncio.ensure_future(follow(meter, works))
            meter.insert(card)
            for _ in range(200):
                positions.append(meter.books.wants_closed())
                await asyncio.sleep(0.1)
            task.cancel()

    meter.run(main())
    return meter, card, positions


def test_a_relay_test_switches_off_for_two_seconds_and_on_again():
    meter, card, positions = relay_tested(works=True)
    assert 20 <= positions.count(0) <= 30 and positions[-1] == 1
    assert meter.logged(codes.LOG_RELAY_TEST) == [3]
    assert utility_cards.answers(card)[0].result == results.DONE
    assert meter.s.claims == 0


def test_a_relay_that_does_not_follow_fails_the_test():
    meter, card, positions = relay_tested(works=False)
    assert meter.logged(codes.LOG_RELAY_TEST) == [2] and positions[-1] == 1
    assert utility_cards.answers(card)[0].result == results.FAILED


def test_a_relay_test_card_pulled_in_the_middle_leaves_supply_on():
    meter, card = Meter(initial_credit="50.00"), utility_card(RELAY_TEST)

    async def main():
        async with meter:
            meter.s.relay_closed = 1
            task = asyncio.ensure_future(follow(meter))
            await meter.show(card, 1.0)
            await asyncio.sleep(15)
            assert meter.books.wants_closed() == 1
            task.cancel()

    meter.run(main())


def test_a_read_out_card_collects_one_meter_after_the_other():
    card = utility_card(READ_OUT)
    for credit in (5_000_000, 7_000_000):
        meter = Meter()
        meter.s.credit_micro = credit

        async def main(meter=meter):
            async with meter:
                await meter.show(card)

        meter.run(main())
    assert [answer.write_back.credit_micro for answer in utility_cards.answers(card)] == [5_000_000, 7_000_000]


def test_a_full_read_out_card_says_so():
    card = utility_card(READ_OUT, room=1)
    meter = shown(card, card)
    assert "The card is full" in " ".join(" ".join(rows) for _, rows, _ in meter.panel.said if rows)


def test_a_cover_reset_releases_what_tampering_has_blocked_and_nothing_else():
    meter = Meter()
    meter.s.claims = codes.CLAIM_TAMPER | codes.CLAIM_OVERLOAD
    meter.s.tampers[0] = 3

    async def main():
        async with meter:
            await meter.show(utility_card(COVER_RESET))

    meter.run(main())
    assert meter.s.claims == codes.CLAIM_OVERLOAD
    assert meter.logged(codes.LOG_INSPECTED) == [codes.CLAIM_TAMPER | codes.CLAIM_OVERLOAD]
    assert times(meter.s, codes.TAMPER_COVER) == 3


# -- torn -----------------------------------------------------------------------------------------


DONE = {
    TARIFF: lambda meter: meter.books.tariff.name == "Winter",
    KEY_CHANGE: lambda meter: position(meter, "VERSION") == 2,
    READ_OUT: lambda meter: meter.s.writeback_seq > 0,
    COVER_RESET: lambda meter: meter.s.claims == 0,
}


def torn(kind, n, heard):
    """(meter, card) after the card was pulled at its n-th exchange and put in again."""
    card = key_card() if kind == KEY_CHANGE else utility_card(kind, DOCUMENT if kind == TARIFF else b"", SERIAL)
    meter = Meter(initial_credit="50.00")
    meter.s.claims = codes.CLAIM_TAMPER

    async def main():
        async with meter:
            card.pull_after(n, heard)
            await meter.show(card)
            meter.first = said(meter)
            card.pull_after(None)
            await meter.show(card)

    meter.run(main())
    return meter, card


LOST = pytest.mark.parametrize("heard", [False, True], ids=["command lost", "answer lost"])


@LOST
@pytest.mark.parametrize("n", range(1, 14))
@pytest.mark.parametrize("kind", DONE)
def test_pulled_at_any_exchange_the_next_insertion_does_it(kind, n, heard):
    meter, card = torn(kind, n, heard)
    assert DONE[kind](meter)
    if kind == KEY_CHANGE and "Keys changed" in meter.first:
        assert refused(meter) == [codes.CARD_AUTH]  # the keys before open nothing any more
    else:
        assert refused(meter) == []
        assert utility_cards.answers(card)
