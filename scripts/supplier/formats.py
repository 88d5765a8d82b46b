# SPDX-License-Identifier: Apache-2.0
"""The records of a user card, bytes <-> dataclasses.

Numbers are little-endian; money in millionths (_micro), energy in counts of 3125 uWh (_counts), time in
seconds since 2000-01-01 UTC (_utc_s). Every record has a CRC-32 over its file number and the bytes before, so a
record in the wrong file is no record; of a purchase the supplier's signature follows. Text is ASCII, filled up with
zeros.

unpack raises FormatError when bytes are not the record, pack when a value does not fit into it.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from scripts.supplier.errors import FormatError
from scripts.supplier.signing import NO_SIGNATURE, NUMBER_MAX, SIGNATURE_N, SigningKeys, verify
from scripts.supplier.units import AMOUNT_MAX_MICRO

LABEL, IDENTITY, PURCHASE, WRITEBACK = range(4)  # file numbers
LABEL_N, IDENTITY_N, PURCHASE_N, WRITEBACK_N = 17, 24, 112, 256
PURCHASE_BODY_N = 44  # what the signature is over
PURCHASE_SIGNATURE_AT = 48
PURCHASE_PREFIX = b"PW purchase\0"

KIND_USER = 1
METER_NUMBER_MAX_N = 12
GENERATION_MAX = 255
MONTHS = 12
RELAY_OPEN, RELAY_CLOSED, RELAY_UNKNOWN = 0, 1, 2

_METER_NUMBER = re.compile(r"[0-9A-Z-]{1,12}")  # both as the meter's settings have them (documents/settings_doc.py)
_CURRENCY = re.compile(r"[A-Z]{3}")
_LABEL = struct.Struct("<B12s")
_IDENTITY = struct.Struct("<BBH12s3sB")
_PURCHASE = struct.Struct("<BBHIQQI12s3sB")
_WRITEBACK = struct.Struct("<BBHHHHHIIQQ8QqQQQQIQI12Q")


def seal(file_no: int, body: bytes) -> bytes:
    """body with the CRC that ties it to its file."""
    return body + struct.pack("<I", zlib.crc32(bytes((file_no,)) + body))


def opened(file_no: int, n: int, record: bytes, what: str) -> bytes:
    """The bytes before the CRC, once length and CRC are right."""
    if len(record) != n:
        raise FormatError(f"The {what} has {len(record)} bytes instead of {n}.")
    if seal(file_no, record[:-4]) != record:
        raise FormatError(f"The {what} is damaged: its checksum is wrong.")
    return record[:-4]


def packed(layout: struct.Struct, what: str, *fields) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as e:
        raise FormatError(f"A number does not fit into the {what}: {e}.") from e


def _canonical(text, form, what, words):
    """The one form a meter has it in, as bytes. It is not made: two cards must not differ by a typist's habit."""
    if form.fullmatch(text):
        return text.encode("ascii")
    near = text.strip().upper()
    hint = f" Did you mean {near}?" if form.fullmatch(near) else ""
    raise FormatError(f"The {what} {text!r} is none that a meter has: {words}.{hint}")


def text_of(field: bytes, what: str) -> str:
    text = field.rstrip(b"\0")
    if not all(32 < b < 127 for b in text):
        raise FormatError(f"The {what} is not plain text.")
    return text.decode("ascii")


def _expect(good: bool, what: str, why: str) -> None:
    if not good:
        raise FormatError(f"The {what} is not one of this format: {why}.")


def meter_number_bytes(number: str) -> bytes:
    return _canonical(number, _METER_NUMBER, "meter number", f"1 to {METER_NUMBER_MAX_N} digits, capitals or '-'")


def currency_bytes(currency: str) -> bytes:
    return _canonical(currency, _CURRENCY, "currency", "three capitals, such as EUR")


@dataclass(frozen=True)
class Label:
    """Whose card this is, for everyone to read, and not to be trusted."""

    meter_number: str

    def pack(self) -> bytes:
        return seal(LABEL, _LABEL.pack(1, meter_number_bytes(self.meter_number)))

    @classmethod
    def unpack(cls, record: bytes) -> "Label":
        version, number = _LABEL.unpack(opened(LABEL, LABEL_N, record, "label"))
        _expect(version == 1, "label", f"version {version}")
        _expect(number[0] != 0, "label", "no meter number")
        return cls(text_of(number, "meter number on the label"))


@dataclass(frozen=True)
class Identity:
    """For which meter a card is good. A meter refuses generations below the highest it has seen."""

    meter_number: str
    generation: int
    currency: str
    kind: int = KIND_USER

    def pack(self) -> bytes:
        if not 1 <= self.generation <= GENERATION_MAX:
            raise FormatError(f"The card's generation {self.generation} is outside 1 to {GENERATION_MAX}.")
        currency = currency_bytes(self.currency)
        number = meter_number_bytes(self.meter_number)
        return seal(IDENTITY, packed(_IDENTITY, "identity", 1, self.kind, self.generation, number, currency, 0))

    @classmethod
    def unpack(cls, record: bytes) -> "Identity":
        body = opened(IDENTITY, IDENTITY_N, record, "identity")
        version, kind, generation, number, currency, spare = _IDENTITY.unpack(body)
        _expect(version == 1, "identity", f"version {version}")
        _expect(kind == KIND_USER, "identity", f"card kind {kind}")
        _expect(1 <= generation <= GENERATION_MAX and spare == 0, "identity", "values out of range")
        return cls(text_of(number, "meter number"), generation, text_of(currency, "currency"), kind)


@dataclass(frozen=True)
class Purchase:
    """The last purchase sold. count 0: none yet. debt_micro is added to what the meter's customer owes."""

    count: int = 0
    amount_micro: int = 0
    debt_micro: int = 0
    sold_utc_s: int = 0

    def check(self) -> None:
        _expect(self.amount_micro <= AMOUNT_MAX_MICRO >= self.debt_micro, "purchase", "the amount is too large")
        _expect((self.count == 0) == (self.amount_micro == 0), "purchase", "number and amount do not go together")
        _expect(self.count != 0 or self.debt_micro == 0, "purchase", "a debt without a purchase")


@dataclass(frozen=True)
class SignedPurchase:
    """File 2 of a card: the last purchase, for which card of which meter it was sold, and the supplier's signature.

    Before anything is sold, key number and signature are zeros.
    """

    purchase: Purchase
    meter_number: str
    generation: int
    currency: str
    key_number: int = 0
    signature: bytes = NO_SIGNATURE

    @classmethod
    def of(
        cls, purchase: Purchase, identity: Identity, sale: SigningKeys, number: int | None = None
    ) -> "SignedPurchase":
        """Signed with the sale key of this number, or the newest."""
        purchase.check()
        place = identity.meter_number, identity.generation, identity.currency
        if not purchase.count:
            return cls(purchase, *place)
        number = sale.newest if number is None else number
        bare = cls(purchase, *place, number)
        return cls(purchase, *place, number, sale.sign(bare.message(), number))

    def body(self) -> bytes:
        sold = self.purchase
        return packed(
            _PURCHASE, "purchase", 3, self.key_number, self.generation, sold.count, sold.amount_micro, sold.debt_micro,
            sold.sold_utc_s, meter_number_bytes(self.meter_number), currency_bytes(self.currency), 0,
        )  # fmt: skip

    def message(self) -> bytes:
        """What is signed."""
        return PURCHASE_PREFIX + self.body()

    def _check(self) -> None:
        self.purchase.check()
        signed = self.key_number != 0
        _expect(signed == bool(self.purchase.count), "purchase", "number and key do not go together")
        _expect(signed or self.signature == NO_SIGNATURE, "purchase", "a signature without a purchase")
        _expect(0 <= self.key_number <= NUMBER_MAX and len(self.signature) == SIGNATURE_N, "purchase", "its key")
        _expect(1 <= self.generation <= GENERATION_MAX, "purchase", f"generation {self.generation}")

    def pack(self) -> bytes:
        self._check()
        return seal(PURCHASE, self.body()) + self.signature

    @classmethod
    def unpack(cls, record: bytes) -> "SignedPurchase":
        """Whether the signature is right is another question: signed_by()."""
        if len(record) != PURCHASE_N:
            raise FormatError(f"The purchase has {len(record)} bytes instead of {PURCHASE_N}.")
        body = opened(PURCHASE, PURCHASE_SIGNATURE_AT, record[:PURCHASE_SIGNATURE_AT], "purchase")
        version, key_number, generation, count, amount, debt, sold, number, currency, spare = _PURCHASE.unpack(body)
        _expect(version == 3 and not spare, "purchase", f"version {version}")
        place = text_of(number, "meter number"), generation, text_of(currency, "currency")
        _expect(place[0] != "", "purchase", "no meter number")
        found = cls(Purchase(count, amount, debt, sold), *place, key_number, record[PURCHASE_SIGNATURE_AT:])
        found._check()
        return found

    def signed_by(self, public: bytes) -> bool:
        return verify(public, self.signature, self.message())

    def belongs_to(self, identity: Identity) -> bool:
        """Was it sold for this very card?"""
        place = identity.meter_number, identity.generation, identity.currency
        return (self.meter_number, self.generation, self.currency) == place


@dataclass(frozen=True)
class Month:
    """The meter's import register when a month ended."""

    year: int
    month: int
    import_counts: int

    def pack(self) -> int:
        number = (self.year - 2000) * 12 + self.month - 1  # 0, January 2000, stands for none
        if not (0 < number <= 0xFFFF and 1 <= self.month <= 12 and 0 <= self.import_counts < 1 << 48):
            raise FormatError(f"The month {self.year}-{self.month} does not fit into the write-back.")
        return number | self.import_counts << 16

    @classmethod
    def unpack(cls, word: int) -> "Month":
        years, month = divmod(word & 0xFFFF, 12)
        return cls(2000 + years, month + 1, word >> 16)


@dataclass(frozen=True)
class WriteBack:
    """What the meter says about itself: the only voice of a meter without a network. number counts them."""

    number: int = 0
    key_version: int = 1
    utc_s: int = 0  # 0: its clock is not valid
    refused_cards: int = 0
    failed_logins: int = 0
    cover_openings: int = 0
    magnet_events: int = 0
    other_signs: int = 0  # of tampering
    import_counts: int = 0
    export_counts: int = 0
    rate_counts: tuple[int, ...] = (0,) * 8
    credit_micro: int = 0
    overdraft_counts: int = 0
    overdraft_micro: int = 0
    debt_micro: int = 0
    charges_micro: int = 0
    purchase_count: int = 0
    purchased_micro: int = 0
    status: int = 0
    months: tuple[Month, ...] = ()  # newest first, at most 12

    @property
    def claims(self) -> int:
        """A bit for each reason why the supply is off."""
        return self.status & 0xFF

    @property
    def relay(self) -> int:
        return self.status >> 8 & 3

    @property
    def emergency_credit(self) -> bool:
        return bool(self.status >> 10 & 1)

    @property
    def faults(self) -> int:
        return self.status >> 16

    def pack(self) -> bytes:
        if len(self.rate_counts) != 8 or len(self.months) > MONTHS:
            raise FormatError("A write-back has eight rates and at most twelve months.")
        months = [month.pack() for month in self.months]
        body = packed(
            _WRITEBACK, "write-back", 2, self.key_version, self.refused_cards, self.failed_logins,
            self.cover_openings, self.magnet_events, self.other_signs, self.number, self.utc_s,
            self.import_counts, self.export_counts, *self.rate_counts, self.credit_micro, self.overdraft_counts,
            self.overdraft_micro, self.debt_micro, self.charges_micro, self.purchase_count,
            self.purchased_micro, self.status, *months, *(0,) * (MONTHS - len(months)),
        )  # fmt: skip
        return seal(WRITEBACK, body)

    @classmethod
    def unpack(cls, record: bytes) -> "WriteBack | None":
        """None when the file is still as it was created: the card has never been to its meter."""
        if len(record) == WRITEBACK_N and not any(record):
            return None
        f = _WRITEBACK.unpack(opened(WRITEBACK, WRITEBACK_N, record, "write-back"))
        _expect(f[0] == 2, "write-back", f"version {f[0]}")
        words = f[27:]
        used = [word for word in words if word]
        gapless = not any(words[len(used) :]) and all(word & 0xFFFF for word in used)
        _expect(gapless, "write-back", "a gap in the months")
        return cls(
            key_version=f[1], refused_cards=f[2], failed_logins=f[3], cover_openings=f[4], magnet_events=f[5],
            other_signs=f[6], number=f[7], utc_s=f[8], import_counts=f[9], export_counts=f[10], rate_counts=f[11:19],
            credit_micro=f[19], overdraft_counts=f[20], overdraft_micro=f[21], debt_micro=f[22],
            charges_micro=f[23], purchase_count=f[24], purchased_micro=f[25], status=f[26],
            months=tuple(Month.unpack(word) for word in used),
        )  # fmt: skip
