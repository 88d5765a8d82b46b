# SPDX-License-Identifier: Apache-2.0
"""Records of user and utility cards: their sizes, their way there and back, and what is no record."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.vend import formats as f
from scripts.vend import utility_formats as u
from scripts.vend.errors import FormatError
from scripts.vend.keys import KeySet
from scripts.vend.units import AMOUNT_MAX_MICRO, energy_text, money_text, parse_money, time_text

U8, U16, U32, U64 = (st.integers(0, 2**n - 1) for n in (8, 16, 32, 64))
I64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.text("0123456789ABCXYZ-", min_size=1, max_size=12)
AMOUNTS = st.integers(1, AMOUNT_MAX_MICRO)
MONTHS = st.builds(f.Month, st.integers(2001, 2135), st.integers(1, 12), st.integers(0, 2**48 - 1))
LABELS = st.builds(f.Label, NUMBERS)
IDENTITIES = st.builds(f.Identity, NUMBERS, st.integers(1, 255), st.sampled_from(["EUR", "KES", "USD"]))
PURCHASES = st.builds(f.Purchase, st.integers(1, 2**32 - 1), AMOUNTS, st.integers(0, AMOUNT_MAX_MICRO), U32)
WRITEBACKS = st.builds(
    f.WriteBack, number=U32, key_version=U8, utc_s=U32, refused_cards=U16, failed_logins=U16, cover_openings=U16,
    magnet_events=U16, other_signs=U16, import_counts=U64, export_counts=U64, rate_counts=st.tuples(*[U64] * 8),
    credit_micro=I64, overdraft_counts=U64, overdraft_micro=U64, debt_micro=U64, charges_micro=U64, purchase_count=U32,
    purchased_micro=U64, status=U32, months=st.lists(MONTHS, max_size=12).map(tuple),
)  # fmt: skip
HEADS = st.builds(u.Head, st.integers(1, 6), U32, st.integers(0, 3072), U32, st.one_of(st.just(""), NUMBERS))
ANSWERS = st.builds(u.Answer, NUMBERS, U32, U32, st.sampled_from([1, 2, 3, 4, 6]), U8)
READOUTS = st.builds(u.Answer, NUMBERS, U32, U32, st.just(u.READ_OUT), U8, st.one_of(st.none(), WRITEBACKS))

SAMPLES = {
    "label": (f.Label("00012345"), 17),
    "identity": (f.Identity("00012345", 3, "EUR"), 24),
    "purchase": (f.Purchase(7, 20_000_000, 5_000_000, 820_000_000), 32),
    "write-back": (f.WriteBack(number=9, credit_micro=-1, months=(f.Month(2025, 12, 77),)), 256),
    "head": (u.Head.of(u.TARIFF, 820_000_000, b"{}", "00012345"), 32),
    "answer": (u.Answer("00012345", 1, 2, u.SETTINGS, u.DONE), 32),
    "read-out": (u.Answer("00012345", 1, 2, u.READ_OUT, u.DONE, f.WriteBack(number=1)), 288),
}
samples = pytest.mark.parametrize(("record", "n"), SAMPLES.values(), ids=SAMPLES)


@samples
def test_a_record_has_the_size_that_was_agreed(record, n):
    assert len(record.pack()) == n


@samples
def test_a_record_with_any_byte_changed_is_refused(record, n):
    good = record.pack()
    for at in range(n):
        bad = bytearray(good)
        bad[at] ^= 0x20
        with pytest.raises(FormatError):
            type(record).unpack(bytes(bad))


@samples
@pytest.mark.parametrize("cut", [1, 4, 16])
def test_a_record_that_is_too_short_or_too_long_is_refused(record, n, cut):
    for data in (record.pack()[:-cut], record.pack() + bytes(cut)):
        with pytest.raises(FormatError):
            type(record).unpack(data)


@given(st.one_of(LABELS, IDENTITIES, PURCHASES, WRITEBACKS, HEADS, ANSWERS, READOUTS))
def test_every_record_comes_back_as_it_went(record):
    assert type(record).unpack(record.pack()) == record


@given(st.binary(max_size=300))
def test_no_bytes_make_unpacking_fail_in_another_way(data):
    for kind in (f.Label, f.Identity, f.Purchase, f.WriteBack, u.Head, u.Answer):
        with contextlib.suppress(FormatError):
            kind.unpack(data)


def resealed(record: bytes, at: int, value: int, file_no: int) -> bytes:
    body = bytearray(record[:-4])
    body[at] = value
    return bytes(body) + struct.pack("<I", zlib.crc32(bytes((file_no,)) + body))


@pytest.mark.parametrize(
    ("name", "file_no", "at", "value"),
    [
        ("label", 0, 0, 2), ("label", 0, 1, 0x20), ("identity", 1, 0, 2), ("identity", 1, 1, 9),
        ("identity", 1, 3, 9), ("identity", 1, 19, 1), ("purchase", 2, 0, 1), ("purchase", 2, 1, 1),
        ("purchase", 2, 2, 1), ("purchase", 2, 15, 1), ("purchase", 2, 4, 0), ("write-back", 3, 0, 1),
        ("write-back", 3, 170, 1), ("head", 1, 0, 1), ("head", 1, 1, 7),
        ("head", 1, 3, 0xFF), ("head", 1, 24, 1), ("answer", 3, 26, 1), ("answer", 3, 20, 5),
    ],
)  # fmt: skip
def test_a_good_checksum_does_not_excuse_a_value_out_of_range(name, file_no, at, value):
    record = SAMPLES[name][0]
    with pytest.raises(FormatError):
        type(record).unpack(resealed(record.pack(), at, value, file_no))


def test_a_record_in_the_file_of_another_is_no_record():
    body = SAMPLES["purchase"][0].pack()[:-4]
    with pytest.raises(FormatError, match="checksum"):
        f.Purchase.unpack(f.seal(f.IDENTITY, body))


def test_the_bytes_of_a_purchase_are_those_agreed():
    expected = struct.pack("<BBHIQQI", 2, 0, 0, 7, 20_000_000, 5_000_000, 820_000_000)
    assert SAMPLES["purchase"][0].pack()[:-4] == expected


def test_the_bytes_of_a_write_back_are_those_agreed():
    back = f.WriteBack(
        number=9, key_version=4, utc_s=8, refused_cards=1, failed_logins=2, cover_openings=3, magnet_events=5,
        other_signs=10, import_counts=10, export_counts=11, rate_counts=tuple(range(20, 28)), credit_micro=-6,
        overdraft_counts=12, overdraft_micro=13, debt_micro=14, charges_micro=15, purchase_count=16, purchased_micro=17,
        status=18, months=(f.Month(2025, 3, 1 << 40),),
    )  # fmt: skip
    head = struct.pack(
        "<BBHHHHHIIQQ8QqQQQQIQI", 2, 4, 1, 2, 3, 5, 10, 9, 8, 10, 11, *range(20, 28), -6, 12, 13, 14, 15, 16, 17, 18
    )
    month = struct.pack("<H", 25 * 12 + 2) + (1 << 40).to_bytes(6, "little")
    assert back.pack()[:-4] == head + month + bytes(88)


def test_a_write_back_that_was_never_written_is_none():
    assert f.WriteBack.unpack(bytes(256)) is None


def test_the_status_word_comes_apart():
    back = f.WriteBack(status=0xABCD_0000 | 1 << 10 | 2 << 8 | 0x41)
    assert (back.claims, back.relay, back.emergency_credit, back.faults) == (0x41, 2, True, 0xABCD)


@pytest.mark.parametrize(
    "record",
    [
        f.Label(""), f.Label("1234567890123"), f.Label("12 34"), f.Label("Zähler"), f.Identity("1", 0, "EUR"),
        f.Identity("1", 256, "EUR"), f.Identity("1", 1, "EURO"), f.Purchase(1, 0), f.Purchase(0, 1),
        f.Purchase(0, 0, 1), f.Purchase(1, AMOUNT_MAX_MICRO + 1), f.Purchase(1, 1, AMOUNT_MAX_MICRO + 1),
        f.Purchase(2**32, 1), f.Purchase(1, -1), f.WriteBack(credit_micro=2**63), f.WriteBack(rate_counts=(0,)),
        f.WriteBack(months=(f.Month(2000, 1, 0),)), f.WriteBack(months=(f.Month(2025, 13, 0),)),
        u.Head(7, 0, 0, 0), u.Answer("", 0, 0, 1, 0),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_into_a_record_is_refused_in_words(record):
    with pytest.raises(FormatError, match=r"\w+ .*\."):
        record.pack()


def test_a_document_that_is_too_large_for_a_card_is_refused():
    with pytest.raises(FormatError, match="3073"):
        u.Head.of(u.SETTINGS, 1, bytes(3073))


def test_a_head_knows_its_document():
    head = u.Head.of(u.SETTINGS, 1, b"{}")
    assert head.matches(b"{}") and not head.matches(b"{]") and not head.matches(b"{} ")


# -- key change -----------------------------------------------------------------------------------

CURRENT = KeySet.demo().card_key(1, "00012345")
CHANGE = u.KeyChange("00012345", 2, 820_000_000, b"c" * 16, b"u" * 16)


def test_a_key_change_comes_back_as_it_went():
    document = CHANGE.pack(CURRENT)
    back = u.KeyChange.unpack(document, CURRENT)
    assert len(document) == 68
    assert (back.meter_number, back.version, back.serial) == ("00012345", 2, 820_000_000)
    assert (back.card_key, back.utility_key) == (b"c" * 16, b"u" * 16)


def test_a_key_change_shows_neither_key():
    document = CHANGE.pack(CURRENT)
    assert b"cccc" not in document and b"uuuu" not in document and "cccc" not in repr(CHANGE)


def test_a_key_change_with_any_byte_changed_is_refused():
    document = CHANGE.pack(CURRENT)
    for at in range(len(document)):
        bad = bytearray(document)
        bad[at] ^= 1
        with pytest.raises(FormatError):
            u.KeyChange.unpack(bytes(bad), CURRENT)


def test_a_key_change_opens_with_the_keys_of_its_meter_only():
    with pytest.raises(FormatError, match="other keys"):
        u.KeyChange.unpack(CHANGE.pack(CURRENT), KeySet.demo().card_key(1, "00012346"))


# -- money, energy, time --------------------------------------------------------------------------


@given(AMOUNTS)
def test_an_amount_comes_back_as_it_was_written(micro):
    assert parse_money(money_text(micro)) == micro


@pytest.mark.parametrize(
    ("text", "micro"),
    [("20", 20_000_000), ("0.000001", 1), ("0.1", 100_000), (" 7.50 ", 7_500_000), ("1.0000000", 1_000_000),
     ("1000000000", AMOUNT_MAX_MICRO)],
)  # fmt: skip
def test_amounts_are_exact(text, micro):
    assert parse_money(text) == micro


@pytest.mark.parametrize(
    ("text", "word"),
    [("-1", "negative"), ("0", "zero"), ("0.00", "zero"), ("1.0000001", "six decimals"), ("1,50", "not a number"),
     ("", "not a number"), ("1e3", "not a number"), ("nan", "not a number"), ("+5", "not a number"),
     ("1000000000.000001", "above the limit"), ("9" * 24, "above the limit"), ("٣", "not a number"),
     ("9" * 5000, "not a number")],
)  # fmt: skip
def test_what_is_no_amount_is_refused_in_plain_words(text, word):
    with pytest.raises(FormatError, match=word):
        parse_money(text)


@pytest.mark.parametrize(("micro", "text"), [(0, "0.00"), (-3_500_000, "-3.50"), (125_000, "0.125")])
def test_money_is_shown_with_all_that_is_not_zero(micro, text):
    assert money_text(micro) == text


def test_energy_and_time_are_shown_as_people_read_them():
    assert energy_text(320_000) == "1.000 kWh"
    assert time_text(0) == "clock not set"
    assert time_text(820_454_400) == "2025-12-31 00:00:00 UTC"
