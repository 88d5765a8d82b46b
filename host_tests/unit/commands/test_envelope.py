# SPDX-License-Identifier: Apache-2.0
"""The signed head of an order: whom it is for, what holds together, and when it may be taken."""

import asyncio

import pytest
from meter.commands import envelope, orders
from meter.core import codes

from host_tests.bench.cards import utility_cards
from host_tests.bench.cards.utility_cards import SERIAL
from host_tests.bench.documents import MADE
from host_tests.stands.card import KEYS, NUMBER, with_keys

OURS = envelope.padded(NUMBER)
DAY_S = 86_400
DOCUMENT = b"{}"


def record(kind=orders.TARIFF, document=DOCUMENT, serial=SERIAL, **more):
    return utility_cards.head(kind, document, serial, **more)


def refusal(keys=KEYS, **more):
    return envelope.refusal(envelope.parse(record(**more)), keys, OURS)


def unfit(kind=orders.TARIFF, document=DOCUMENT, newest=0, utc_s=None, keys=KEYS, **more):
    return envelope.unfit(envelope.parse(record(kind, document, **more)), keys, OURS, newest, utc_s)


def test_a_head_has_its_parts_in_their_positions():
    head = envelope.parse(record(listed=(NUMBER, "1")))
    assert (head[envelope.KIND], head[envelope.SERIAL], head[envelope.LISTED]) == (orders.TARIFF, SERIAL, 2)
    assert head[envelope.LENGTH] == envelope.list_n(head) + len(DOCUMENT) == 26


@pytest.mark.parametrize(
    "more",
    [{}, {"number": NUMBER}, {"number": "00010000", "last": "00020000"}, {"number": NUMBER, "last": "99999999"}],
)
def test_any_meter_this_one_or_a_range_with_it_is_not_refused(more):
    assert refusal(**more) == 0


@pytest.mark.parametrize(
    "more", [{"number": "00012344"}, {"number": "00012346", "last": "99999999"}, {"number": "0", "last": "9"}]
)
def test_another_meter_and_a_range_without_this_one_are_foreign(more):
    assert refusal(**more) == codes.CARD_FOREIGN


@pytest.mark.parametrize("more", [{"version": 2}, {"kind": 0}, {"kind": 8}])
def test_another_version_or_kind_is_malformed(more):
    assert refusal(**more) == codes.CARD_MALFORMED


def test_a_key_that_is_not_in_force_is_old_whoever_the_order_is_for():
    assert refusal(key_number=2, number="1") == codes.CARD_KEY_OLD


def test_what_the_order_key_in_force_has_signed_is_genuine_and_no_byte_less():
    good = record()
    assert asyncio.run(envelope.genuine(good, KEYS))
    assert not asyncio.run(envelope.genuine(good, with_keys(ORDER=KEYS[7])))
    for at in (1, 30, 67, 68, 131):
        bad = bytearray(good)
        bad[at] ^= 1
        assert not asyncio.run(envelope.genuine(bad, KEYS)), at


@pytest.mark.parametrize("kind", [orders.RELAY, orders.READ_OUT, orders.COVER])
def test_work_brings_a_list_of_meters_at_most(kind):
    assert envelope.is_work(envelope.parse(record(kind, b"")))
    assert unfit(kind, b"", listed=(NUMBER,)) == 0
    assert unfit(kind, b"x") == codes.CARD_MALFORMED


@pytest.mark.parametrize(("n", "code"), [(3072, 0), (3073, codes.CARD_MALFORMED)])
def test_list_and_document_are_3072_bytes_at_most(n, code):
    assert unfit(document=bytes(n)) == code


@pytest.mark.parametrize(("n", "code"), [(100, 0), (101, codes.CARD_MALFORMED)])
def test_a_hundred_meters_are_listed_at_most(n, code):
    assert unfit(listed=(NUMBER,) * n) == code


def test_keys_are_for_one_meter():
    assert unfit(orders.KEYS, number=NUMBER) == 0
    assert unfit(orders.KEYS) == unfit(orders.KEYS, number=NUMBER, last="99999999") == codes.CARD_MALFORMED
    assert unfit(orders.TRUST) == 0


def test_an_older_serial_than_the_newest_is_outdated_and_the_same_is_not():
    assert unfit(newest=SERIAL) == 0
    assert unfit(newest=SERIAL + 1) == codes.CARD_OUTDATED


@pytest.mark.parametrize(("kind", "code"), [(orders.TARIFF, 0), (orders.TRUST, codes.CARD_OUTDATED)])
def test_keys_made_after_the_ledgers_newest_serial_bound_other_keys_alone(kind, code):
    assert unfit(kind, keys=with_keys(MADE=SERIAL + 1)) == code


def test_work_that_was_lost_dies_and_a_document_does_not():
    late_s = SERIAL + 91 * DAY_S
    assert unfit(orders.COVER, b"", utc_s=late_s) == codes.CARD_OUTDATED
    assert unfit(utc_s=late_s) == 0


def test_without_a_clock_a_serial_is_bound_by_the_newest_that_is_known():
    assert unfit(serial=MADE + 400 * DAY_S) == 0
    assert unfit(serial=MADE + 401 * DAY_S) == codes.CARD_AHEAD


def test_a_meter_is_in_a_list_by_its_whole_number():
    others = envelope.padded("0001234"), envelope.padded("000123456")
    assert envelope.is_listed(others[0] + OURS, OURS)
    assert not envelope.is_listed(others[0] + others[1], OURS)
