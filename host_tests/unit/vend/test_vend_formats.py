# SPDX-License-Identifier: Apache-2.0
"""Records of user and utility cards: their sizes, their way there and back, and what is no record."""

import contextlib
import hashlib
import struct
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from meter.cards import records
from meter.core import codes
from meter.core.errors import CardError, ConfigError
from meter.documents import checks, settings_doc

from host_tests.bench.cards import cards
from scripts.supplier import formats as f
from scripts.supplier import utility_formats as u
from scripts.supplier.errors import FormatError
from scripts.supplier.keys import KeySet
from scripts.supplier.units import AMOUNT_MAX_MICRO, energy_text, money_text, parse_money, time_text

U8, U16, U32, U64 = (st.integers(0, 2**n - 1) for n in (8, 16, 32, 64))
I64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.text("0123456789ABCXYZ-", min_size=1, max_size=12)
AMOUNTS = st.integers(1, AMOUNT_MAX_MICRO)
MONTHS = st.builds(f.Month, st.integers(2001, 2135), st.integers(1, 12), st.integers(0, 2**48 - 1))
LABELS = st.builds(f.Label, NUMBERS)
IDENTITIES = st.builds(f.Identity, NUMBERS, st.integers(1, 255), st.sampled_from(["EUR", "KES", "USD"]))
KEYS = KeySet.demo()
SALES = st.builds(f.Purchase, st.integers(1, 2**32 - 1), AMOUNTS, st.integers(0, AMOUNT_MAX_MICRO), U32)
PURCHASES = st.builds(f.SignedPurchase.of, SALES, IDENTITIES, st.just(KEYS.sale))
WRITEBACKS = st.builds(
    f.WriteBack, number=U32, key_version=U8, utc_s=U32, refused_cards=U16, failed_logins=U16, cover_openings=U16,
    magnet_events=U16, other_signs=U16, import_counts=U64, export_counts=U64, rate_counts=st.tuples(*[U64] * 8),
    credit_micro=I64, overdraft_counts=U64, overdraft_micro=U64, debt_micro=U64, charges_micro=U64, purchase_count=U32,
    purchased_micro=U64, status=U32, months=st.lists(MONTHS, max_size=12).map(tuple),
)  # fmt: skip
METERS = st.one_of(
    st.just(u.Meters()), st.builds(u.Meters.one, NUMBERS), st.just(u.Meters("001", "099")),
    st.builds(lambda numbers: u.Meters(listed=tuple(numbers)), st.lists(NUMBERS, min_size=1, max_size=100)),
)  # fmt: skip
HEADS = st.builds(
    lambda *of: u.Head.of(*of).signed(KEYS.order), st.integers(1, 7), U32, st.binary(max_size=100), METERS
)
ANSWERS = st.builds(u.Answer, NUMBERS, U32, U32, st.sampled_from([1, 2, 3, 4, 6]), U8)
READOUTS = st.builds(u.Answer, NUMBERS, U32, U32, st.just(u.READ_OUT), U8, st.one_of(st.none(), WRITEBACKS))

SOLD = f.Purchase(7, 20_000_000, 5_000_000, 820_000_000)
SAMPLES = {
    "label": (f.Label("00012345"), 17),
    "identity": (f.Identity("00012345", 3, "EUR"), 24),
    "purchase": (f.SignedPurchase.of(SOLD, f.Identity("00012345", 3, "EUR"), KEYS.sale), 112),
    "write-back": (f.WriteBack(number=9, credit_micro=-1, months=(f.Month(2025, 12, 77),)), 256),
    "head": (u.Head.of(u.TARIFF, 820_000_000, b"{}", u.Meters.one("00012345")).signed(KEYS.order), 136),
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
        if type(record) is f.SignedPurchase and at >= f.PURCHASE_SIGNATURE_AT:
            assert not f.SignedPurchase.unpack(bytes(bad)).signed_by(KEYS.sale.public())
            continue
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
    for kind in (f.Label, f.Identity, f.SignedPurchase, f.WriteBack, u.Head, u.Answer, u.TrustChange):
        with contextlib.suppress(FormatError):
            kind.unpack(data)


def resealed(name: str, at: int, value: int, file_no: int) -> bytes:
    """A sample with another byte at this place and a checksum that fits."""
    record = SAMPLES[name][0].pack()
    end = f.PURCHASE_SIGNATURE_AT if name == "purchase" else len(record)
    body = bytearray(record[: end - 4])
    body[at] = value
    return bytes(body) + struct.pack("<I", zlib.crc32(bytes((file_no,)) + body)) + record[end:]


@pytest.mark.parametrize(
    ("name", "file_no", "at", "value"),
    [
        ("label", 0, 0, 2), ("label", 0, 1, 0x20), ("identity", 1, 0, 2), ("identity", 1, 1, 9),
        ("identity", 1, 3, 9), ("identity", 1, 19, 1), ("purchase", 2, 0, 2), ("purchase", 2, 1, 0),
        ("purchase", 2, 2, 0), ("purchase", 2, 15, 1), ("purchase", 2, 4, 0), ("purchase", 2, 28, 0),
        ("purchase", 2, 43, 1), ("write-back", 3, 0, 1), ("write-back", 3, 170, 1), ("head", 1, 0, 2),
        ("head", 1, 1, 8), ("head", 1, 3, 0xFF), ("head", 1, 8, 101), ("head", 1, 8, 1), ("head", 1, 9, 0),
        ("head", 1, 10, 1), ("head", 1, 24, 0x20), ("answer", 3, 26, 1), ("answer", 3, 20, 5),
    ],
)  # fmt: skip
def test_a_good_checksum_does_not_excuse_a_value_out_of_range(name, file_no, at, value):
    with pytest.raises(FormatError):
        type(SAMPLES[name][0]).unpack(resealed(name, at, value, file_no))


def test_a_record_in_the_file_of_another_is_no_record():
    body, rest = SAMPLES["purchase"][0].pack()[:44], bytes(64)
    with pytest.raises(FormatError, match="checksum"):
        f.SignedPurchase.unpack(f.seal(f.IDENTITY, body) + rest)


def test_the_bytes_of_a_purchase_are_those_agreed():
    body = struct.pack(
        "<BBHIQQI12s3sB", 3, 1, 3, 7, 20_000_000, 5_000_000, 820_000_000, b"00012345", b"EUR", 0
    )  # fmt: skip
    crc = struct.pack("<I", zlib.crc32(b"\x02" + body))
    signature = Ed25519PrivateKey.from_private_bytes(KEYS.sale.seed()).sign(b"PW purchase\0" + body)
    assert SAMPLES["purchase"][0].pack() == body + crc + signature


def test_before_anything_is_sold_the_purchase_has_no_signature():
    record = f.SignedPurchase.of(f.Purchase(), f.Identity("00012345", 3, "EUR"), KEYS.sale).pack()
    body = struct.pack("<BBHIQQI12s3sB", 3, 0, 3, 0, 0, 0, 0, b"00012345", b"EUR", 0)
    assert record == body + struct.pack("<I", zlib.crc32(b"\x02" + body)) + bytes(64)


def test_the_bytes_of_a_head_are_those_agreed():
    meters = u.Meters("001", "099", ("007", "042"))
    contents = b"007".ljust(12, b"\0") + b"042".ljust(12, b"\0") + b"{}"
    assert meters.contents(b"{}") == contents
    digest = hashlib.sha256(contents).digest()
    body = struct.pack("<BBHIBB2x12s12s32s", 3, u.TARIFF, 26, 820_000_000, 2, 1, b"001", b"099", digest)
    signature = Ed25519PrivateKey.from_private_bytes(KEYS.order.seed()).sign(b"PW order\0" + body)
    crc = struct.pack("<I", zlib.crc32(b"\x01" + body + signature))
    head = u.Head.of(u.TARIFF, 820_000_000, b"{}", meters).signed(KEYS.order)
    assert head.pack() == body + signature + crc
    assert head.document(contents) == b"{}"


def test_the_bytes_of_a_change_of_public_keys_are_those_agreed():
    order = KEYS.order.rolled()
    change = u.TrustChange.of(KEYS.sale, order)
    body = bytes((1, 2, 0, 0)) + KEYS.sale.public() + order.public(2)
    proof = Ed25519PrivateKey.from_private_bytes(order.seed(2)).sign(b"PW keys\0" + body)
    assert change.pack() == body + proof and len(change.pack()) == 132
    assert u.TrustChange.unpack(change.pack()) == change and change.proven()


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 40, 70, 131])
def test_a_change_of_public_keys_with_a_byte_changed_proves_nothing(at):
    bad = bytearray(u.TrustChange.of(KEYS.sale, KEYS.order).pack())
    bad[at] ^= 1
    with contextlib.suppress(FormatError):
        assert not u.TrustChange.unpack(bytes(bad)).proven()


@pytest.mark.parametrize(
    ("meters", "its", "others"),
    [
        (u.Meters(), ["1", "PW1"], []),
        (u.Meters.one("007"), ["007"], ["7", "0070", "008"]),
        (u.Meters("100", "299"), ["100", "200", "299"], ["099", "300", "10", "1000", "1A"]),
        (u.Meters(listed=("5", "7")), ["5", "7"], ["6"]),
        (u.Meters("1", "6", ("5", "7")), ["5"], ["7", "6"]),
    ],
)  # fmt: skip
def test_a_card_is_for_a_range_a_list_or_any(meters, its, others):
    assert all(meters.take(number) for number in its) and not any(meters.take(number) for number in others)


@pytest.mark.parametrize(
    "meters",
    [u.Meters("2", "1"), u.Meters("1", "10"), u.Meters("1", ""), u.Meters(listed=("1",) * 101), u.Meters(listed=("",)),
     u.Meters("pw1", "pw2")],
)  # fmt: skip
def test_meters_that_no_card_could_mean_are_refused(meters):
    with pytest.raises(FormatError):
        u.Head.of(u.TARIFF, 1, b"{}", meters)


def test_a_list_and_a_document_fit_together_or_are_refused():
    listed = tuple(f"{n:012d}" for n in range(100))
    u.Head.of(u.TARIFF, 1, bytes(3072 - 1200), u.Meters(listed=listed))
    with pytest.raises(FormatError, match="3073"):
        u.Head.of(u.TARIFF, 1, bytes(3073 - 1200), u.Meters(listed=listed))


def test_the_shop_sells_what_a_meter_takes_and_no_more():
    assert records.unpack_purchase(cards.purchase(1, AMOUNT_MAX_MICRO)[:48])
    with pytest.raises(CardError):
        records.unpack_purchase(cards.purchase(1, AMOUNT_MAX_MICRO + 1)[:48])


def test_every_reason_of_a_meter_to_refuse_a_card_has_words():
    reasons = {value for name, value in vars(codes).items() if name.startswith("CARD_") and value > u.REFUSED}
    assert len(reasons) > 10 and not [code for code in reasons if "reason" in u.result_word(code)]


# -- one form of numbers and currencies -----------------------------------------------------------


@given(st.one_of(st.text(max_size=14), st.text("0123456789ABCXYZ-abc/ ", max_size=14)))
def test_a_number_is_taken_as_the_meter_takes_it(text):
    assert takes(f.meter_number_bytes, FormatError, text) == takes(settings_doc._meter_number, ConfigError, text)


@given(st.one_of(st.text(max_size=4), st.text("ABCXYZabc1 ", max_size=4)))
def test_a_currency_is_taken_as_the_meter_takes_it(text):
    assert takes(f.currency_bytes, FormatError, text) == takes(
        lambda value: checks.currency(value, "currency"), ConfigError, text
    )


def takes(check, error, text):
    try:
        check(text)
    except error:
        return False
    return True


@pytest.mark.parametrize(("number", "hint"), [("pw00000001", "Did you mean PW00000001"), ("PW/1", "capitals or '-'")])
def test_another_form_of_a_number_is_refused_with_the_right_one(number, hint):
    with pytest.raises(FormatError, match=hint):
        f.Label(number).pack()


def test_another_form_of_a_currency_is_refused_with_the_right_one():
    with pytest.raises(FormatError, match="Did you mean EUR"):
        f.Identity("1", 1, "eur").pack()


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
        f.Identity("1", 256, "EUR"), f.Identity("1", 1, "EURO"), f.SignedPurchase(f.Purchase(1, 5), "1", 1, "EUR"),
        f.SignedPurchase(SOLD, "1", 1, "EUR", 1, b""), f.SignedPurchase(SOLD, "1", 0, "EUR", 1),
        f.WriteBack(credit_micro=2**63), f.WriteBack(rate_counts=(0,)),
        f.WriteBack(months=(f.Month(2000, 1, 0),)), f.WriteBack(months=(f.Month(2025, 13, 0),)),
        u.Head(8, 0, 0, bytes(32), key_number=1), u.Head(1, 0, 0, bytes(32)), u.Answer("", 0, 0, 1, 0),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_into_a_record_is_refused_in_words(record):
    with pytest.raises(FormatError, match=r"\w+ .*\."):
        record.pack()


@pytest.mark.parametrize(
    "sale",
    [f.Purchase(1, 0), f.Purchase(0, 1), f.Purchase(0, 0, 1), f.Purchase(1, AMOUNT_MAX_MICRO + 1),
     f.Purchase(1, 1, AMOUNT_MAX_MICRO + 1), f.Purchase(2**32, 1), f.Purchase(1, -1)],
    ids=repr,
)  # fmt: skip
def test_what_is_no_purchase_is_not_signed(sale):
    with pytest.raises(FormatError, match=r"\w+ .*\."):
        f.SignedPurchase.of(sale, f.Identity("1", 1, "EUR"), KEYS.sale)


def test_a_document_that_is_too_large_for_a_card_is_refused():
    with pytest.raises(FormatError, match="3073"):
        u.Head.of(u.SETTINGS, 1, bytes(3073))


def test_a_head_knows_its_document():
    head = u.Head.of(u.SETTINGS, 1, b"{}")
    assert head.matches(b"{}") and not head.matches(b"{]") and not head.matches(b"{} ")


# -- key change -----------------------------------------------------------------------------------

CURRENT = KeySet.demo().card_key(1, "00012345")
CHANGE = u.KeyChange("00012345", 2, 820_000_000, b"c" * 16, b"u" * 16, 1)


def test_a_key_change_comes_back_as_it_went():
    document = CHANGE.pack(CURRENT)
    back = u.KeyChange.unpack(document, CURRENT, "00012345", 820_000_000)
    assert len(document) == 36 and document[:4] == b"\x02\x01\0\0"
    assert (back.version, back.card_key, back.utility_key) == (2, b"c" * 16, b"u" * 16)


def test_a_key_change_shows_neither_key():
    document = CHANGE.pack(CURRENT)
    assert b"cccc" not in document and b"uuuu" not in document and "cccc" not in repr(CHANGE)


@pytest.mark.parametrize(
    ("number", "serial", "of"), [("00012346", 820_000_000, "00012345"), ("00012345", 820_000_001, "00012345"),
                                 ("00012345", 820_000_000, "00012346")],
)  # fmt: skip
def test_a_key_change_opens_for_its_meter_its_serial_and_its_key_only(number, serial, of):
    back = u.KeyChange.unpack(CHANGE.pack(CURRENT), KeySet.demo().card_key(1, of), number, serial)
    assert back.card_key != b"c" * 16


@pytest.mark.parametrize("bad", [b"", bytes(35), bytes(37), bytes(36), b"\2\0\0\1" + bytes(32)])
def test_what_is_no_key_change_is_refused(bad):
    with pytest.raises(FormatError):
        u.KeyChange.unpack(bad, CURRENT, "00012345", 1)


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
