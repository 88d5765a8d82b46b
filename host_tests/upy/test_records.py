# SPDX-License-Identifier: Apache-2.0
"""The bytes on a card and the card desk's table, as the meter's own interpreter packs, reads and steps."""

from binascii import unhexlify

from meter.cards import records
from meter.cards.states import step
from meter.core.codes import CARD_MALFORMED, LATCH_EMERGENCY
from meter.core.errors import CardError
from meter.core.state import MeterState

LABEL = unhexlify("0150572d303030303432000000b5a516d2")
IDENTITY = unhexlify("0101030050572d30303030343200000045555200f5a74e88")
PURCHASE = unhexlify(
    "0301030007000000002d310100000000c0c62d00000000003fad5d3250572d30303030343200000045555200dba95466"
)
MONTHS = unhexlify(
    "400100282e8cd1003f01ff272e8cd1003e01fe272e8cd1003d01fd272e8cd1003c01fc272e8cd1003b01fb272e8cd1003a01fa27"
    "2e8cd1003901f9272e8cd1003801f8272e8cd1003701f7272e8cd1003601f6272e8cd1003501f5272e8cd100"
)
WRITEBACK = unhexlify(
    "0209ffff0b000c000d00000000286bee68946732141a99be1c0000004d0000000000000000e876481700000001e8764817000000"
    "02e876481700000003e876481700000004e876481700000005e876481700000006e876481700000007e8764817000000000efad5"
    "feffffff00c409000000000020a1070000000000c0e1e40000000000a02526000000000007000000003b58080000000009050800"
    "400100282e8cd1003f01ff272e8cd1003e01fe272e8cd1003d01fd272e8cd1003c01fc272e8cd1003b01fb272e8cd1003a01fa27"
    "2e8cd1003901f9272e8cd1003801f8272e8cd1003701f7272e8cd1003601f6272e8cd1003501f5272e8cd100148ce214"
)


class Books:
    def __init__(self, s, utc_s, faults):
        self.s, self.utc_s, self.faults = s, utc_s, faults


def malformed(unpack, record):
    try:
        unpack(record)
    except CardError as e:
        return e.code == CARD_MALFORMED
    return False


def test_records_are_read():
    assert records.unpack_label(LABEL) == "PW-000042"
    assert records.unpack_identity(IDENTITY) == (1, 3, "PW-000042", "EUR")
    assert records.unpack_purchase(PURCHASE) == (7, 20_000_000, 3_000_000, 1, "PW-000042", "EUR", 3)


def test_damaged_records_are_refused():
    for unpack, record in (
        (records.unpack_label, LABEL),
        (records.unpack_identity, IDENTITY),
        (records.unpack_purchase, PURCHASE),
    ):
        for i in range(len(record)):
            damaged = bytearray(record)
            damaged[i] ^= 0x10
            assert malformed(unpack, bytes(damaged))
        assert malformed(unpack, record[1:])
        assert malformed(unpack, b"")


def test_a_write_back_is_packed_to_the_last_bit():
    s = MeterState()
    s.refused_cards = 70_000
    s.import_counts = 123_456_789_012
    s.rate_counts = [100_000_000_000 + i for i in range(8)]
    s.credit_micro = -5_000_000_000
    s.overdraft_counts = 640_000
    s.overdraft_micro = 500_000
    s.purchase_count = 7
    s.purchased_micro = 140_000_000
    s.claims = 9
    s.relay_closed = 1
    s.latches = LATCH_EMERGENCY
    s.failed_logins = 11
    s.tampers[:4] = b"\x0c\0\x0d\0"
    s.export_counts = 77
    s.debt_micro, s.charges_micro = 15_000_000, 2_500_000
    books = Books(s, 845_649_000, 8)
    assert records.pack_writeback(books, 4_000_000_000, 9, MONTHS) == WRITEBACK


def test_the_table_steps_and_refuses():
    good = 0
    for state in range(14):
        for event in range(16):
            try:
                assert 0 <= step(state, event) < 14
                good += 1
            except ValueError:
                pass
    assert good == 42
    assert step(5, 5) == 6  # ACCOUNT, BOOKED: WRITE_BACK
