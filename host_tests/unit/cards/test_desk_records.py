# SPDX-License-Identifier: Apache-2.0
"""The records on a card: firmware and card shop agree on every byte, and damage is refused."""

import struct
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from meter.cards import proof, records
from meter.core.codes import CARD_MALFORMED
from meter.core.errors import CardError
from meter.core.state import MeterState

from host_tests.bench.cards import cards
from scripts.supplier.formats import Month
from scripts.supplier.keys import METER

NUMBERS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-", min_size=1, max_size=12)
U32 = st.integers(0, 2**32 - 1)
U48 = st.integers(0, 2**48 - 1)
U64 = st.integers(0, 2**63 - 1)

UNPACK = {
    cards.LABEL: records.unpack_label,
    cards.IDENTITY: records.unpack_identity,
    cards.PURCHASE: records.unpack_purchase,
}
RECORDS = {
    cards.LABEL: cards.label("PW-000042"),
    cards.IDENTITY: cards.identity("PW-000042", 3),
    cards.PURCHASE: cards.purchase(7, 20_000_000)[: records.PURCHASE_N],
}


def malformed(unpack, record):
    with pytest.raises(CardError) as refusal:
        unpack(record)
    return refusal.value.code == CARD_MALFORMED


def test_application_keys_and_files_are_the_same_on_both_sides():
    assert records.AID == cards.AID
    assert records.KEY_METER == METER
    purchase_n = records.PURCHASE_N + 2 * records.HALF_N
    assert (records.LABEL_N, records.IDENTITY_N, purchase_n, records.WRITEBACK_N) == cards.SIZES
    record = cards.purchase(1, 1)
    assert len(record) == purchase_n
    signed = proof._PREFIX + record[: proof._SIGNED]
    Ed25519PublicKey.from_public_bytes(cards.DEMO.sale.public()).verify(record[proof._SIGNATURE_AT :], signed)
    files = (records.F_LABEL, records.F_IDENTITY, records.F_PURCHASE, records.F_WRITEBACK)
    assert files == (cards.LABEL, cards.IDENTITY, cards.PURCHASE, cards.WRITEBACK)


@given(NUMBERS)
def test_a_label_says_whose_card_it_is(number):
    assert records.unpack_label(cards.label(number)) == number


@given(NUMBERS, st.integers(0, 255), st.integers(0, 255), st.sampled_from(["EUR", "KES", "X"]))
def test_an_identity_comes_back_as_issued(number, generation, kind, currency):
    record = cards.identity(number, generation, kind, currency)
    assert records.unpack_identity(record) == (kind, generation, number, currency)


@given(st.integers(256, 65535))
def test_a_generation_the_ledger_cannot_keep_is_malformed(generation):
    assert malformed(records.unpack_identity, cards.identity("1", generation, 1, "EUR"))


def first(record: bytes) -> bytes:
    """What is read at first: all but the signature."""
    return record[: records.PURCHASE_N]


@given(
    st.integers(1, 2**32 - 1), st.integers(1, 10**15), st.integers(0, 10**15), NUMBERS, st.integers(1, 255),
    st.sampled_from(["EUR", "KES", "X"]), st.integers(1, 255),
)  # fmt: skip
def test_a_purchase_comes_back_as_sold(count, amount_micro, debt_micro, number, generation, currency, key_no):
    place = {"number": number, "generation": generation, "currency": currency}
    record = cards.purchase(count, amount_micro, debt_micro, 820_000_000, **place, key_number=key_no, signature=b"")
    found = records.unpack_purchase(first(record))
    assert found == (count, amount_micro, debt_micro, key_no, number, currency, generation)


def test_a_card_never_sold_on_has_purchase_zero_and_says_whose_it_is():
    assert records.unpack_purchase(first(cards.purchase(0, 0))) == (0, 0, 0, 0, cards.NUMBER, "EUR", 1)


@pytest.mark.parametrize(
    ("count", "amount_micro", "debt_micro", "key_no"),
    [
        (0, 1, 0, 0), (1, 0, 0, 1), (1, 10**15 + 1, 0, 1), (1, 2**64 - 1, 0, 1), (1, 1, 10**15 + 1, 1),
        (1, 1, 2**64 - 1, 1), (1, 1, 0, 0), (0, 0, 0, 1),
    ],
)  # fmt: skip
def test_an_impossible_purchase_is_malformed(count, amount_micro, debt_micro, key_no):
    record = cards.purchase(count, amount_micro, debt_micro, key_number=key_no, signature=b"")
    assert malformed(records.unpack_purchase, record)


@pytest.mark.parametrize("file_no", UNPACK)
def test_every_flipped_bit_is_noticed(file_no):
    record = RECORDS[file_no]
    for bit in range(8 * len(record)):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        assert malformed(UNPACK[file_no], bytes(damaged))


@pytest.mark.parametrize("file_no", UNPACK)
def test_a_record_of_another_length_version_or_file_is_refused(file_no):
    unpack, record = UNPACK[file_no], RECORDS[file_no]
    assert malformed(unpack, record[:-1])
    assert malformed(unpack, record + b"\0")
    assert malformed(unpack, b"")
    assert malformed(unpack, bytes(len(record)))
    assert malformed(unpack, cards.seal(file_no, bytes((record[0] ^ 3,)) + record[1:-4]))
    assert malformed(unpack, cards.seal(file_no ^ 1, record[:-4]))


@pytest.mark.parametrize("text", [b"PW 42", b"PW\x0042", b"PW\xff", b"\n"])
def test_a_meter_number_that_is_no_plain_text_is_refused(text):
    assert malformed(records.unpack_label, cards.seal(cards.LABEL, b"\1" + text.ljust(12, b"\0")))


@given(st.data())
def test_a_write_back_brings_every_figure_home(data):
    counters = (
        "import_counts", "export_counts", "overdraft_counts", "overdraft_micro", "purchased_micro", "debt_micro",
        "charges_micro",
    )  # fmt: skip
    home = {name: data.draw(U64) for name in counters}
    home["rate_counts"] = data.draw(st.lists(U64, min_size=8, max_size=8))
    home["credit_micro"] = data.draw(st.integers(-(2**63), 2**63 - 1))
    home["purchase_count"] = data.draw(U32)
    home["refused_cards"] = data.draw(st.integers(0, 100_000))
    for name in ("failed_logins", "cover_opens", "magnet_times"):
        home[name] = data.draw(st.integers(0, 8191 if name != "failed_logins" else 65535))
    others = data.draw(st.lists(st.integers(0, 8191), min_size=14, max_size=14))
    s = MeterState()
    vars(s).update({name: value for name, value in home.items() if not name.startswith(("cover", "magnet", "other"))})
    lasting = data.draw(st.integers(0, 7)) << 13
    s.tampers[:] = struct.pack("<16H", *(n | lasting for n in (home["cover_opens"], home["magnet_times"], *others)))
    home["other_signs"] = min(sum(others), 65535)
    s.claims, s.relay_closed, s.latches = (data.draw(st.integers(0, n)) for n in (127, 2, 15))
    number, utc_s, faults = data.draw(U32), data.draw(U32), data.draw(st.integers(0, 511))
    months = data.draw(st.lists(st.builds(Month, st.integers(2001, 2100), st.integers(1, 12), U48), max_size=12))
    key_version = data.draw(st.integers(1, 255))
    packed = b"".join(struct.pack("<Q", month.pack()) for month in months).ljust(96, b"\0")
    books = SimpleNamespace(s=s, utc_s=utc_s or None, faults=faults)
    record = records.pack_writeback(books, number, key_version, packed)
    assert len(record) == records.WRITEBACK_N
    home["refused_cards"] = min(home["refused_cards"], 65535)
    home["rate_counts"] = tuple(home["rate_counts"])
    home["cover_openings"], home["magnet_events"] = home.pop("cover_opens"), home.pop("magnet_times")
    status = s.claims | s.relay_closed << 8 | s.latches >> 3 << 10 | faults << 16
    at_home = cards.WriteBack(number, key_version, utc_s, status=status, months=tuple(months), **home)
    assert record == at_home.pack() and cards.WriteBack.unpack(record) == at_home
