# SPDX-License-Identifier: Apache-2.0
"""The supplier's cards at the desk: what each kind does, what it leaves on the card, and which are refused."""

import asyncio
import json

import pytest
from meter.core import codes
from meter.core.state import times
from meter.services import utility
from meter.services.carddesk import CardDesk

from host_tests.bench import cards, utility_cards
from host_tests.bench.documents import settings
from host_tests.bench.utility_cards import utility_card
from scripts.vend.keys import KeySet
from scripts.vend.utility_formats import COVER_RESET, KEY_CHANGE, READ_OUT, RELAY_TEST, SETTINGS, TARIFF

from .card_bench import KEYS as METER_KEYS
from .card_bench import NUMBER, Meter

DOCUMENT = json.dumps({"name": "Winter", "currency": "EUR", "price": "0.31"}).encode()
OTHERS = KeySet({1: tuple(b"another scheme %d" % n for n in range(6))})
NEW = (b"new key of meter", b"new key of fleet")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The meter's files are in a folder of their own."""
    (tmp_path / "settings.json").write_text(json.dumps(settings(meter_number=NUMBER)))
    (tmp_path / "tariff.json").write_text(json.dumps({"name": "One price", "currency": "EUR", "price": "0.25"}))
    monkeypatch.setattr(CardDesk, "root", str(tmp_path))
    return tmp_path


def shown(*shows, seconds=4.0, **more):
    """Show these cards to a meter one after the other; gives the meter."""
    meter = Meter(**more)

    async def main():
        async with meter:
            for card in shows:
                await meter.show(card, seconds)

    meter.run(main())
    return meter


def refused(meter):
    return meter.logged(codes.LOG_CARD_REFUSED)


# -- documents ------------------------------------------------------------------------------------


def test_a_tariff_card_changes_the_tariff_and_says_so_on_itself():
    card = utility_card(TARIFF, DOCUMENT, serial=7)
    meter = shown(card)
    assert meter.books.tariff.name == "Winter"
    assert "Tariff changed Winter" in meter.panel.text or "Tariff changed" in " ".join(meter.panel.said[1][1])
    (answer,) = utility_cards.answers(card)
    assert (answer.meter_number, answer.serial, answer.result) == (NUMBER, 7, utility.DONE)
    assert meter.s.utility_serial == 7


def test_an_older_card_cannot_bring_an_old_tariff_back():
    new, old = utility_card(TARIFF, DOCUMENT, serial=8), utility_card(TARIFF, DOCUMENT[:-2] + b'"}', serial=7)
    meter = shown(new, old)
    assert meter.books.tariff.name == "Winter" and refused(meter) == [codes.CARD_OUTDATED]


def test_the_same_card_again_finds_nothing_to_change():
    card = utility_card(TARIFF, DOCUMENT, serial=8)
    meter = shown(card, card)
    assert [answer.result for answer in utility_cards.answers(card)] == [utility.DONE, utility.ALREADY]
    assert refused(meter) == []


def test_a_refused_document_leaves_the_serial_alone():
    card = utility_card(TARIFF, b'{"name": "x", "currency": "EUR", "price": "-1"}', serial=9)
    meter = shown(card)
    assert meter.s.utility_serial == 0 and meter.books.tariff.name == "One price"
    assert utility_cards.answers(card)[0].result == utility.REFUSED


def test_a_card_without_room_for_answers_has_done_its_work_all_the_same():
    card = utility_card(SETTINGS, json.dumps(settings(meter_number=NUMBER, alarm1="44.00")).encode(), room=1)
    meter = shown(card, card)
    assert meter.books.cfg.alarm1_micro == 44_000_000
    assert len(utility_cards.answers(card)) == 1


# -- which are refused ----------------------------------------------------------------------------


def cut_short(record):
    return record[:-1] + bytes((record[-1] ^ 1,))


REFUSED = {
    "for another meter": (utility_card(TARIFF, DOCUMENT, number="99999999"), codes.CARD_FOREIGN),
    "of another supplier": (utility_card(TARIFF, DOCUMENT, keys=OTHERS), codes.CARD_AUTH),
    "with a damaged head": (
        utility_card(TARIFF, DOCUMENT, header=cut_short(utility_cards.head(TARIFF, DOCUMENT))), codes.CARD_MALFORMED
    ),
    "of an unknown kind": (utility_card(77), codes.CARD_MALFORMED),
    "of an old version": (
        utility_card(TARIFF, DOCUMENT, header=utility_cards.head(TARIFF, DOCUMENT, version=1)), codes.CARD_MALFORMED
    ),
    "with a damaged document": (
        utility_card(TARIFF, DOCUMENT, header=utility_cards.head(TARIFF, DOCUMENT + b" ")), codes.CARD_MALFORMED
    ),
    "with keys that are none": (utility_card(KEY_CHANGE, b"short"), codes.CARD_MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_card_changes_nothing_and_says_why(name, root):
    card, code = REFUSED[name]
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    meter = shown(card)
    assert refused(meter) == [code]
    assert (meter.s.utility_serial, meter.books.tariff.name) == (0, "One price")
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.suffix != ".new"} == before
    assert utility_cards.answers(card) == [] if code != codes.CARD_AUTH else True


def test_a_user_card_is_never_taken_for_one():
    card = cards.DesfireCard(bytes.fromhex(utility_cards.UID))
    cards.personalise(card, NUMBER, kind=2)
    assert refused(shown(card)) == [codes.CARD_UNKNOWN]


# -- keys -----------------------------------------------------------------------------------------


def key_card(serial=5, number=NUMBER, version=2, **more):
    return utility_card(KEY_CHANGE, utility_cards.new_keys(number, version, *NEW, serial), serial, number, **more)


def test_a_key_change_card_gives_the_meter_new_keys_and_keeps_the_old_ones_beside(root):
    meter = shown(key_card())
    assert meter.desk.keys == (2, *NEW, METER_KEYS[1], METER_KEYS[2])
    assert meter.logged(codes.LOG_KEYS_CHANGED) == [2]
    kept = json.loads((root / "keys.json").read_text())
    assert (kept["version"], kept["card_key"]) == (2, NEW[0].hex())


def test_after_a_key_change_the_household_s_card_still_opens_and_carries_the_version_back():
    user = cards.DesfireCard(bytes.fromhex("04A1B2C3D4E5F0"))
    cards.personalise(user, NUMBER)
    cards.sell(user, 20_000_000)
    meter = shown(key_card(), user)
    assert meter.s.credit_micro == 20_000_000 and refused(meter) == []
    assert cards.read_back(user).key_version == 2


def test_a_key_change_card_again_is_answered_with_the_keys_before():
    card = key_card()
    meter = shown(card, card)
    assert [answer.result for answer in utility_cards.answers(card)] == [utility.DONE, utility.ALREADY]
    assert meter.desk.keys[3] == METER_KEYS[1]


@pytest.mark.parametrize("at", range(68))
def test_a_key_change_with_any_byte_wrong_is_refused(at):
    record = bytearray(utility_cards.new_keys(NUMBER, 2, *NEW, 5))
    record[at] ^= 1
    meter = shown(utility_card(KEY_CHANGE, bytes(record), 5, NUMBER))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_AUTH]


def test_a_key_change_made_for_another_meter_is_refused():
    record = utility_cards.new_keys("99999999", 2, *NEW, 5)
    meter = shown(utility_card(KEY_CHANGE, record, 5, NUMBER))
    assert meter.desk.keys == METER_KEYS and refused(meter) == [codes.CARD_AUTH]


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
    assert utility_cards.answers(card)[0].result == utility.DONE
    assert meter.s.claims == 0


def test_a_relay_that_does_not_follow_fails_the_test():
    meter, card, positions = relay_tested(works=False)
    assert meter.logged(codes.LOG_RELAY_TEST) == [2] and positions[-1] == 1
    assert utility_cards.answers(card)[0].result == utility.FAILED


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
    KEY_CHANGE: lambda meter: meter.desk.keys[1] == NEW[0],
    READ_OUT: lambda meter: meter.s.writeback_seq > 0,
    COVER_RESET: lambda meter: meter.s.claims == 0,
}


@pytest.mark.parametrize("heard", [False, True], ids=["command lost", "answer lost"])
@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize("kind", DONE)
def test_pulled_at_any_exchange_the_next_insertion_does_it(kind, n, heard):
    card = key_card() if kind == KEY_CHANGE else utility_card(kind, DOCUMENT if kind == TARIFF else b"", serial=5)
    meter = Meter(initial_credit="50.00")
    meter.s.claims = codes.CLAIM_TAMPER

    async def main():
        async with meter:
            card.pull_after(n, heard)
            await meter.show(card)
            card.pull_after(None)
            await meter.show(card)

    meter.run(main())
    assert refused(meter) == []
    assert utility_cards.answers(card)
    assert DONE[kind](meter)
