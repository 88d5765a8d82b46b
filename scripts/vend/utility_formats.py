# SPDX-License-Identifier: Apache-2.0
"""The records of a utility card, bytes <-> dataclasses; units and errors as in formats.py."""

import hmac
import struct
import zlib
from dataclasses import dataclass

from .crypto import ZERO, aes_cbc_decrypt, aes_cbc_encrypt, cmac, cmac_div
from .errors import FormatError
from .formats import WRITEBACK_N, WriteBack, meter_number_bytes, opened, packed, seal, text_of

HEAD, DOCUMENT, ANSWERS = 1, 2, 3  # file numbers
HEAD_N, ANSWER_N, READOUT_ANSWER_N = 32, 32, 288
DOCUMENT_MAX_N = 3072
KEY_CHANGE_N = 68

SETTINGS, TARIFF, KEY_CHANGE, RELAY_TEST, READ_OUT, COVER_RESET = range(1, 7)
KIND_WORDS = {
    SETTINGS: "settings",
    TARIFF: "tariff",
    KEY_CHANGE: "key change",
    RELAY_TEST: "relay test",
    READ_OUT: "read-out",
    COVER_RESET: "cover reset",
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
    255: "refused",
}

_HEAD = struct.Struct("<BBHII12sI")
_ANSWER = struct.Struct("<12sIIBB6s")
_KEY_CHANGE = struct.Struct("<12sB3sI")


def kind_word(kind: int) -> str:
    return KIND_WORDS.get(kind, f"kind {kind}")


def result_word(result: int) -> str:
    return RESULT_WORDS.get(result, f"refused, reason {result}")


def answer_n(kind: int) -> int:
    """Bytes of one answer on a card of this kind."""
    return READOUT_ANSWER_N if kind == READ_OUT else ANSWER_N


@dataclass(frozen=True)
class Head:
    """What a utility card asks for. serial: when it was issued. meter_number "": any meter."""

    kind: int
    serial: int
    document_n: int
    document_crc: int
    meter_number: str = ""

    @classmethod
    def of(cls, kind: int, serial: int, document: bytes = b"", meter_number: str = "") -> "Head":
        if len(document) > DOCUMENT_MAX_N:
            raise FormatError(f"The document has {len(document)} bytes; a card holds {DOCUMENT_MAX_N}.")
        return cls(kind, serial, len(document), zlib.crc32(document), meter_number)

    def pack(self) -> bytes:
        if self.kind not in KIND_WORDS:
            raise FormatError(f"There is no utility card of kind {self.kind}.")
        number = meter_number_bytes(self.meter_number) if self.meter_number else b""
        fields = (2, self.kind, self.document_n, self.serial, self.document_crc, number, 0)
        return seal(HEAD, packed(_HEAD, "head of the utility card", *fields))

    @classmethod
    def unpack(cls, record: bytes) -> "Head":
        body = opened(HEAD, HEAD_N, record, "head of the utility card")
        version, kind, document_n, serial, crc, number, spare = _HEAD.unpack(body)
        if version != 2 or spare or kind not in KIND_WORDS or document_n > DOCUMENT_MAX_N:
            raise FormatError("The head of the utility card is not one of this format.")
        return cls(kind, serial, document_n, crc, text_of(number, "meter number"))

    def matches(self, document: bytes) -> bool:
        return len(document) == self.document_n and zlib.crc32(document) == self.document_crc


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
    """New keys for one meter, readable by nobody else. Written under the card key the meter has now."""

    meter_number: str
    version: int
    serial: int
    card_key: bytes
    utility_key: bytes

    def pack(self, current_card_key: bytes) -> bytes:
        number = meter_number_bytes(self.meter_number)
        if not 1 <= self.version <= 255 or len(self.card_key) != 16 or len(self.utility_key) != 16:
            raise FormatError("A key change needs a version from 1 to 255 and two keys of 16 bytes.")
        wrap, sealing = _wrapping_keys(current_card_key, number)
        body = packed(_KEY_CHANGE, "key change", number, self.version, b"", self.serial)
        body += aes_cbc_encrypt(wrap, ZERO, self.card_key + self.utility_key)
        return body + cmac(sealing, body)

    @classmethod
    def unpack(cls, document: bytes, current_card_key: bytes) -> "KeyChange":
        if len(document) != KEY_CHANGE_N:
            raise FormatError(f"A key change has {KEY_CHANGE_N} bytes, not {len(document)}.")
        body, mac = document[:-16], document[-16:]
        field, version, spare, serial = _KEY_CHANGE.unpack(body[: _KEY_CHANGE.size])
        wrap, sealing = _wrapping_keys(current_card_key, field.rstrip(b"\0"))
        if not hmac.compare_digest(cmac(sealing, body), mac) or any(spare):
            raise FormatError("The key change is damaged or made for other keys.")
        keys = aes_cbc_decrypt(wrap, ZERO, body[_KEY_CHANGE.size :])
        return cls(text_of(field, "meter number"), version, serial, keys[:16], keys[16:])


def _wrapping_keys(card_key, number):
    """(to encrypt, to seal), both good for this meter and this key version only."""
    return cmac_div(card_key, b"WRAP" + number), cmac_div(card_key, b"SEAL" + number)
