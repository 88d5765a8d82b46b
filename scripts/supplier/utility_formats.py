# SPDX-License-Identifier: Apache-2.0
"""The records of a utility card, bytes <-> dataclasses; units and errors as in formats.py."""

import hashlib
import struct
from dataclasses import dataclass, replace

from scripts.supplier.crypto import aes_cbc_decrypt, aes_cbc_encrypt, cmac_div
from scripts.supplier.errors import FormatError
from scripts.supplier.formats import (
    METER_NUMBER_MAX_N,
    WRITEBACK_N,
    WriteBack,
    meter_number_bytes,
    opened,
    packed,
    seal,
    text_of,
)
from scripts.supplier.signing import NO_SIGNATURE, NUMBER_MAX, PUBLIC_N, SIGNATURE_N, SigningKeys, verify

HEAD, DOCUMENT, ANSWERS = 1, 2, 3  # file numbers
HEAD_N, ANSWER_N, READOUT_ANSWER_N = 136, 32, 288
HEAD_BODY_N = 68  # what the signature is over
HEAD_PREFIX, TRUST_PREFIX = b"PW order\0", b"PW keys\0"
DOCUMENT_MAX_N = 3072  # of file 2: the list of meters and the document
LISTED_MAX = 100
KEY_CHANGE_N = 36
TRUST_CHANGE_N = 132

SETTINGS, TARIFF, KEY_CHANGE, RELAY_TEST, READ_OUT, COVER_RESET, TRUST_CHANGE = range(1, 8)
KIND_WORDS = {
    SETTINGS: "settings",
    TARIFF: "tariff",
    KEY_CHANGE: "key change",
    RELAY_TEST: "relay test",
    READ_OUT: "read-out",
    COVER_RESET: "cover reset",
    TRUST_CHANGE: "supplier's public keys",
}
DONE, WAS_SO, NEXT_START, FAILED, REFUSED = range(5)
# Results from 5 on are the meter's reasons to refuse a card (the lower ones belong to purchases and to cards that
# cannot be answered); 255 stands for all others.
RESULT_WORDS = {
    DONE: "done",
    WAS_SO: "was so already",
    NEXT_START: "done with the next start",
    FAILED: "failed: the meter could not do it",
    REFUSED: "refused: the meter says why on its display",
    5: "refused: the card's contents are malformed",
    6: "refused: the card was pulled",
    7: "refused: wrong key",
    8: "refused: replaced by a newer card",
    9: "refused: above the credit limit",
    10: "refused: the meter's card reader failed",
    11: "refused: the meter could not store it",
    12: "refused: locked after too many cards that proved nothing",
    13: "refused: older than the last card that changed something",
    14: "refused: more than one card at once",
    15: "refused: for another currency",
    16: "refused: not signed by the meter's supplier",
    17: "refused: signed with a key that is not in force",
    18: "refused: made later than the meter's clock says",
    255: "refused",
}

_HEAD = struct.Struct("<BBHIBB2x12s12s32s")
_ANSWER = struct.Struct("<12sIIBB6s")
_KEY_CHANGE = struct.Struct("<BB2s")
_TRUST_CHANGE = struct.Struct("<BB2s32s32s")


def kind_word(kind: int) -> str:
    return KIND_WORDS.get(kind, f"kind {kind}")


def result_word(result: int) -> str:
    return RESULT_WORDS.get(result, f"refused, reason {result}")


def answer_n(kind: int) -> int:
    """Bytes of one answer on a card of this kind."""
    return READOUT_ANSWER_N if kind == READ_OUT else ANSWER_N


@dataclass(frozen=True)
class Meters:
    """For which meters a card is: from first to last (of the same length), those listed, or any ("" and none)."""

    first: str = ""
    last: str = ""
    listed: tuple[str, ...] = ()

    @classmethod
    def one(cls, number: str) -> "Meters":
        """This meter; "": any."""
        return cls(number, number)

    def check(self) -> None:
        """FormatError when no meter could be meant, or more are listed than fit."""
        for number in (self.first, self.last, *self.listed):
            if number:
                meter_number_bytes(number)
        if len(self.first) != len(self.last) or self.first > self.last:
            raise FormatError("A range of meters goes from a lower number to a higher one of the same length.")
        if len(self.listed) > LISTED_MAX or not all(self.listed):
            raise FormatError(f"A card lists at most {LISTED_MAX} meters.")

    def take(self, number: str) -> bool:
        """Is the card for this meter?"""
        if self.first and not (len(number) == len(self.first) and self.first <= number <= self.last):
            return False
        return not self.listed or number in self.listed

    @property
    def only(self) -> str:
        """The one meter a card is for; "" when there may be others."""
        return self.first if self.first == self.last else ""

    def contents(self, document: bytes) -> bytes:
        """File 2: the list, then the document."""
        numbers = (meter_number_bytes(number).ljust(METER_NUMBER_MAX_N, b"\0") for number in self.listed)
        return b"".join(numbers) + document


@dataclass(frozen=True)
class Head:
    """What a utility card asks for. serial: when it was issued. contents_n, digest: length and SHA-256 of what
    file 2 holds; listed: how many meter numbers stand there before the document."""

    kind: int
    serial: int
    contents_n: int
    digest: bytes
    first: str = ""
    last: str = ""
    listed: int = 0
    key_number: int = 0
    signature: bytes = NO_SIGNATURE

    @classmethod
    def of(cls, kind: int, serial: int, document: bytes = b"", meters: Meters = Meters()) -> "Head":
        """Not signed yet."""
        meters.check()
        contents = meters.contents(document)
        if len(contents) > DOCUMENT_MAX_N:
            what = "document has" if not meters.listed else "list and the document have"
            raise FormatError(f"The {what} {len(contents)} bytes; a card holds {DOCUMENT_MAX_N}.")
        digest = hashlib.sha256(contents).digest()
        return cls(kind, serial, len(contents), digest, meters.first, meters.last, len(meters.listed))

    def signed(self, order: SigningKeys, number: int | None = None) -> "Head":
        """With the order key of this number, or the newest."""
        number = order.newest if number is None else number
        bare = replace(self, key_number=number)
        return replace(bare, signature=order.sign(bare.message(), number))

    def body(self) -> bytes:
        first, last = (meter_number_bytes(end) if end else b"" for end in (self.first, self.last))
        return packed(
            _HEAD, "head of the utility card", 3, self.kind, self.contents_n, self.serial, self.listed,
            self.key_number, first, last, self.digest,
        )  # fmt: skip

    def message(self) -> bytes:
        """What is signed."""
        return HEAD_PREFIX + self.body()

    def pack(self) -> bytes:
        if self.kind not in KIND_WORDS:
            raise FormatError(f"There is no utility card of kind {self.kind}.")
        if not 1 <= self.key_number <= NUMBER_MAX or len(self.signature) != SIGNATURE_N:
            raise FormatError("The head of the utility card is not signed.")
        return seal(HEAD, self.body() + self.signature)

    @classmethod
    def unpack(cls, record: bytes) -> "Head":
        """Whether the signature is right is another question: signed_by()."""
        body = opened(HEAD, HEAD_N, record, "head of the utility card")
        version, kind, n, serial, listed, key_number, first, last, digest = _HEAD.unpack(body[:HEAD_BODY_N])
        good = version == 3 and kind in KIND_WORDS and key_number > 0 and not any(body[10:12])
        good = good and n <= DOCUMENT_MAX_N and listed <= LISTED_MAX and listed * METER_NUMBER_MAX_N <= n
        if not good:
            raise FormatError("The head of the utility card is not one of this format.")
        ends = text_of(first, "meter number"), text_of(last, "meter number")
        Meters(*ends).check()
        return cls(kind, serial, n, digest, *ends, listed, key_number, body[HEAD_BODY_N:])

    def signed_by(self, public: bytes) -> bool:
        return verify(public, self.signature, self.message())

    def matches(self, contents: bytes) -> bool:
        """Is this what file 2 must hold?"""
        return len(contents) == self.contents_n and hashlib.sha256(contents).digest() == self.digest

    def document(self, contents: bytes) -> bytes:
        """What comes after the list."""
        return contents[self.listed * METER_NUMBER_MAX_N :]

    @property
    def meter_number(self) -> str:
        """The one meter it is for; "" when there may be others."""
        return Meters(self.first, self.last).only


@dataclass(frozen=True)
class Answer:
    """What a meter wrote onto the utility card."""

    meter_number: str
    serial: int  # of the card when it was answered
    utc_s: int
    kind: int
    result: int
    write_back: WriteBack | None = None  # read-out cards only

    def pack(self) -> bytes:
        number = meter_number_bytes(self.meter_number)
        fields = (number, self.serial, self.utc_s, self.kind, self.result, b"")
        body = packed(_ANSWER, "answer", *fields)
        if self.kind == READ_OUT:
            body += self.write_back.pack() if self.write_back else bytes(WRITEBACK_N)
        return seal(ANSWERS, body)

    @classmethod
    def unpack(cls, record: bytes) -> "Answer":
        n = READOUT_ANSWER_N if len(record) == READOUT_ANSWER_N else ANSWER_N
        body = opened(ANSWERS, n, record, "answer")
        number, serial, utc_s, kind, result, spare = _ANSWER.unpack(body[: _ANSWER.size])
        if any(spare) or not number.strip(b"\0") or answer_n(kind) != n:
            raise FormatError("An answer on the utility card is not one of this format.")
        back = WriteBack.unpack(body[_ANSWER.size :]) if kind == READ_OUT else None
        return cls(text_of(number, "meter number"), serial, utc_s, kind, result, back)


@dataclass(frozen=True, repr=False)
class KeyChange:
    """New keys for one meter, readable by nobody else: encrypted under the card key the meter has now. serial: of
    the card, whose signature says that the keys are the supplier's."""

    meter_number: str
    version: int
    serial: int
    card_key: bytes
    utility_key: bytes
    replaces: int  # version of the keys the meter has now: with others wrong keys would come out

    def pack(self, current_card_key: bytes) -> bytes:
        versions_fit = 1 <= self.version <= 255 and 1 <= self.replaces <= 255
        if not versions_fit or len(self.card_key) != 16 or len(self.utility_key) != 16:
            raise FormatError("A key change needs versions from 1 to 255 and two keys of 16 bytes.")
        wrap = _wrapping_key(current_card_key, self.meter_number)
        sealed = aes_cbc_encrypt(wrap, _start(self.serial), self.card_key + self.utility_key)
        return packed(_KEY_CHANGE, "key change", self.version, self.replaces, b"") + sealed

    @classmethod
    def unpack(cls, document: bytes, current_card_key: bytes, meter_number: str, serial: int) -> "KeyChange":
        """With another key, meter or serial wrong keys come out: the signature of the card stands for them."""
        if len(document) != KEY_CHANGE_N:
            raise FormatError(f"A key change has {KEY_CHANGE_N} bytes, not {len(document)}.")
        version, replaces, spare = _KEY_CHANGE.unpack(document[: _KEY_CHANGE.size])
        if not version or not replaces or any(spare):
            raise FormatError("The key change is not one of this format.")
        wrap = _wrapping_key(current_card_key, meter_number)
        keys = aes_cbc_decrypt(wrap, _start(serial), document[_KEY_CHANGE.size :])
        return cls(meter_number, version, serial, keys[:16], keys[16:], replaces)


def _wrapping_key(card_key, number):
    """Good for this meter and this key version only."""
    return cmac_div(card_key, b"WRAP" + meter_number_bytes(number))


def _start(serial):
    """Start value of the encryption: no two cards have the same."""
    return packed(struct.Struct("<I12x"), "key change", serial)


@dataclass(frozen=True)
class TrustChange:
    """The supplier's new public keys. The new order key proves itself; the one before signs the card that brings it."""

    sale_number: int
    order_number: int
    sale: bytes
    order: bytes
    proof: bytes = NO_SIGNATURE

    @classmethod
    def of(cls, sale: SigningKeys, order: SigningKeys, sale_number: int | None = None,
           order_number: int | None = None) -> "TrustChange":  # fmt: skip
        """Make it of the private keys of these numbers, or the newest."""
        numbers = (sale_number or sale.newest, order_number or order.newest)
        bare = cls(*numbers, sale.public(numbers[0]), order.public(numbers[1]))
        return replace(bare, proof=order.sign(bare.message(), bare.order_number))

    def body(self) -> bytes:
        if len(self.sale) != PUBLIC_N or len(self.order) != PUBLIC_N:
            raise FormatError(f"A public key has {PUBLIC_N} bytes.")
        fields = (self.sale_number, self.order_number, b"", self.sale, self.order)
        return packed(_TRUST_CHANGE, "change of public keys", *fields)

    def message(self) -> bytes:
        """What the new order key signs."""
        return TRUST_PREFIX + self.body()

    def pack(self) -> bytes:
        if not (self.sale_number and self.order_number):
            raise FormatError("A signing key has a number from 1 to 255.")
        return self.body() + self.proof

    @classmethod
    def unpack(cls, document: bytes) -> "TrustChange":
        if len(document) != TRUST_CHANGE_N:
            raise FormatError(f"A change of public keys has {TRUST_CHANGE_N} bytes, not {len(document)}.")
        sale_number, order_number, spare, sale, order = _TRUST_CHANGE.unpack(document[: _TRUST_CHANGE.size])
        if not sale_number or not order_number or any(spare):
            raise FormatError("The change of public keys is not one of this format.")
        return cls(sale_number, order_number, sale, order, document[_TRUST_CHANGE.size :])

    def proven(self) -> bool:
        """Has its maker the new order key's private half?"""
        return verify(self.order, self.proof, self.message())
