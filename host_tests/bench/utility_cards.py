# SPDX-License-Identifier: Apache-2.0
"""The supplier's utility cards on the bench, good and forged."""

import struct
import zlib

from scripts.vend.formats import seal
from scripts.vend.keys import MASTER, READER, UTILITY_AID, VENDING, KeySet
from scripts.vend.personalise import change_keys, make_application, make_files, utility_files
from scripts.vend.utility_formats import ANSWERS, DOCUMENT, DOCUMENT_MAX_N, HEAD, Answer, KeyChange

from .cards import DEMO, Terminal
from .chips.desfire import DesfireCard

UID = "04A1B2C3D4E5E0"


def head(kind: int, document: bytes = b"", serial: int = 1, number: str = "", version: int = 2) -> bytes:
    crc = zlib.crc32(document)
    return seal(HEAD, struct.pack("<BBHII12sI", version, kind, len(document), serial, crc, number.encode(), 0))


def utility_card(kind: int, document: bytes = b"", serial: int = 1, number: str = "", uid: str = UID,
                 keys: KeySet = DEMO, header=None, room: int = 4) -> DesfireCard:  # fmt: skip
    """A card as the supplier makes it. header: another head record; room: how many answers it takes."""
    card = DesfireCard(bytes.fromhex(uid))

    def known(role, version):
        return keys.utility_card_key(version, role, card.uid)

    t = Terminal(card)
    make_application(t, UTILITY_AID)
    change_keys(t, known, keys.newest)
    make_files(t, known(MASTER, keys.newest), utility_files(kind, DOCUMENT_MAX_N, room))
    t.login(VENDING, known(VENDING, keys.newest))
    t.write(HEAD, 0, header or head(kind, document, serial, number))
    if document:
        t.write(DOCUMENT, 0, document)
    t.commit()
    t.close()
    return card


def new_keys(number: str, version: int, card: bytes, utility: bytes, serial: int) -> bytes:
    """The document of a key change card."""
    return KeyChange(number, version, serial, card, utility).pack(DEMO.card_key(1, number))


def answers(card: DesfireCard) -> list[Answer]:
    """What meters wrote onto it, oldest first. FormatError when one is damaged."""
    t = Terminal(card)
    t.select(UTILITY_AID)
    t.login(MASTER, DEMO.utility_card_key(1, MASTER, card.uid))
    record_n = int.from_bytes(t.file_settings(ANSWERS)[4:7], "little")
    t.login(READER, DEMO.utility_card_key(1, READER, card.uid))
    records = t.read_records(ANSWERS, record_n)
    t.close()
    return [Answer.unpack(record) for record in records]
