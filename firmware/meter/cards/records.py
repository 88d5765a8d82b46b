# SPDX-License-Identifier: Apache-2.0
"""What is on a card: application, keys, files, and the bytes of each record.

One DESFire application, five AES keys (0 master, 1 meter, 2 vending, 3 reader, 4 change), four files. The meter's
key is derived from one that only this meter has: what gets out of a meter opens no other meter's cards. What makes a
purchase is the supplier's signature (proof.py): no key in a meter or on a card does. Every record begins with its
format version and ends with a CRC-32 over the file's number and all bytes before (a signature follows it), so a record
in the wrong file is no record.

| file | kind | read | write | holds |
|---|---|---|---|---|
| 0 label | standard, plain | free | vending | meter number, untrusted: whose card, if no key opens it |
| 1 identity | backup, MACed | meter | vending | card kind, generation, meter number, currency |
| 2 purchase | backup, MACed | meter | vending | the last purchase sold: for whom, amount, debt; its signature |
| 3 write-back | backup, MACed | vending | meter | what the meter has to say |

Byte by byte: storage/FORMAT.md. Multi-byte numbers are little-endian. Money: millionths; energy: counts of 3125 uWh;
time: seconds since 2000.
"""

import struct
from binascii import crc32

from micropython import const

from meter import heap
from meter.core import codes
from meter.core.errors import BusError, CardError
from meter.core.state import others, times
from meter.storage.map import READINGS_A, READINGS_B
from meter.storage.readings import DAYS_AT, MAGIC, MONTHS_AT, SIZE  # numbers: it is not loaded for them

AID = b"\x01WP"
KEY_METER = const(1)

F_LABEL = const(0)
F_IDENTITY = const(1)
F_PURCHASE = const(2)
F_WRITEBACK = const(3)

KIND_USER = const(1)
_VERSION = const(1)
_AMOUNT_MAX = const(1_000_000_000_000_000)  # a thousand million units: beyond is damage, not money

_LABEL = "<B12s"
_IDENTITY = "<BBH12s3sB"
_PURCHASE = "<BBHIQQI12s3sB"
_WRITEBACK = "<BBHHHHHIIQQ8QqQQQQIQI96s"
_VERSION_2 = const(2)  # of the write-back
_VERSION_3 = const(3)  # of the purchase
LABEL_N = const(17)
IDENTITY_N = const(24)
PURCHASE_N = const(48)  # without the signature
HALF_N = const(32)  # of that, which follows: it is too long for one frame
WRITEBACK_N = const(256)
_MONTHS_N = const(96)


def _sealed(file_no, body) -> bytes:
    return body + struct.pack("<I", crc32(body, crc32(bytes((file_no,)))))


def _opened(file_no, n, layout, record, version=_VERSION):
    """The fields after the version byte, once length, CRC and version are right."""
    if len(record) != n or _sealed(file_no, record[:-4]) != record:
        raise CardError(codes.CARD_MALFORMED, "checksum")
    fields = struct.unpack(layout, record[:-4])
    if fields[0] != version:
        raise CardError(codes.CARD_MALFORMED, "version")
    return fields[1:]


def _text(field):
    """ASCII text from a field filled up with zeros."""
    text = field.rstrip(b"\0")
    for b in text:
        if not 32 < b < 127:
            raise CardError(codes.CARD_MALFORMED, "text")
    return text.decode()


def unpack_label(record: bytes) -> str:
    """The meter number a card claims to be for. CardError CARD_MALFORMED when it is no label."""
    return _text(_opened(F_LABEL, LABEL_N, _LABEL, record)[0])


def unpack_identity(record: bytes):
    """(kind, generation, meter number, currency). CardError CARD_MALFORMED."""
    kind, generation, number, currency, spare = _opened(F_IDENTITY, IDENTITY_N, _IDENTITY, record)
    if spare or generation > 255:  # the ledger keeps a byte of it
        raise CardError(codes.CARD_MALFORMED, "identity")
    return kind, generation, _text(number), _text(currency)


def unpack_purchase(record: bytes):
    """(number, amount_micro, debt_micro, sale key's number, meter number, currency, generation) of the last purchase
    sold; before any, the first four are zero. CardError CARD_MALFORMED."""
    fields = _opened(F_PURCHASE, PURCHASE_N, _PURCHASE, record, _VERSION_3)
    key_no, generation, count, amount_micro, debt_micro, _, number, currency, spare = fields
    none = not count
    if spare or max(amount_micro, debt_micro) > _AMOUNT_MAX or none != (not amount_micro) or none != (not key_no):
        raise CardError(codes.CARD_MALFORMED, "purchase")
    return count, amount_micro, debt_micro if count else 0, key_no, _text(number), _text(currency), generation


def pack_writeback(books, number: int, key_version: int, months: bytes) -> bytes:
    """What the books say now. number: of this write-back; months: of Readings."""
    s = books.s
    body = struct.pack(
        _WRITEBACK, _VERSION_2, key_version, min(s.refused_cards, 0xFFFF), s.failed_logins,
        times(s, codes.TAMPER_COVER), times(s, codes.TAMPER_MAGNET), min(others(s), 0xFFFF), number, books.utc_s or 0,
        s.import_counts, s.export_counts, *s.rate_counts,
        s.credit_micro, s.overdraft_counts, s.overdraft_micro, s.debt_micro, s.charges_micro,
        s.purchase_count, s.purchased_micro, status_word(s, books.faults), months,
    )  # fmt: skip
    return _sealed(F_WRITEBACK, body)


def status_word(s, faults: int) -> int:
    """Bits 0-7 claims on the supply, 8-9 relay (0 open, 1 closed, 2 not known), 10 emergency credit is in use,
    16-31 faults."""
    lent = 1 << 10 if s.latches & codes.LATCH_EMERGENCY else 0
    return (s.claims & 0xFF) | (s.relay_closed & 3) << 8 | lent | (faults & 0xFFFF) << 16


def months(books) -> bytes:
    """Return the ends of the last twelve months, as the write-back has them: u16 month (as MeterState.month), u48
    import_counts; newest first, zeros: none, or they cannot be read."""
    heap.borrow("months")
    try:
        from meter.storage.twin import Twin

        return bytes(Twin(books.fram, READINGS_A, READINGS_B, SIZE, MAGIC).buf[MONTHS_AT:DAYS_AT])
    except BusError:
        return bytes(_MONTHS_N)
    finally:
        heap.give_back("months")
