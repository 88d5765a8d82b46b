# SPDX-License-Identifier: Apache-2.0
"""The supplier's utility cards on the bench, good and forged."""

import hashlib
import struct

from host_tests.bench.cards.cards import DEMO, Terminal
from scripts.chips.desfire import DesfireCard
from scripts.supplier.formats import seal
from scripts.supplier.keys import MASTER, READER, UTILITY_AID, VENDING, KeySet
from scripts.supplier.signing import SigningKeys, sign
from scripts.supplier.utility_formats import (
    ANSWERS,
    DOCUMENT,
    DOCUMENT_MAX_N,
    HEAD,
    HEAD_PREFIX,
    Answer,
    KeyChange,
    Meters,
    TrustChange,
)
from scripts.vend.personalise import change_keys, make_application, make_files, utility_files

ORDER_KEY = DEMO.order.seed()  # private: number 1
UID = "04A1B2C3D4E5E0"
SERIAL = 821_400_000  # seconds since 2000: the day before a bench's clock begins


def head(kind: int, document: bytes = b"", serial: int = SERIAL, number: str = "", version: int = 3, *,
         last: str | None = None, listed: tuple[str, ...] = (), key: bytes = ORDER_KEY, key_number: int = 1,
         signature: bytes | None = None) -> bytes:  # fmt: skip
    """The head of a card. number: the meter, or the first one up to `last`; listed: meters that stand before the
    document; key: a private one; key_number: what the head says of it; signature: in place of the right one."""
    contents = Meters(listed=listed).contents(document)
    ends = number.encode(), (number if last is None else last).encode()
    digest = hashlib.sha256(contents).digest()
    fields = (version, kind, len(contents), serial, len(listed), key_number, *ends, digest)
    body = struct.pack("<BBHIBB2x12s12s32s", *fields)
    return seal(HEAD, body + (sign(key, HEAD_PREFIX + body) if signature is None else signature))


def utility_card(kind: int, document: bytes = b"", serial: int = SERIAL, number: str = "", uid: str = UID,
                 keys: KeySet = DEMO, header=None, room: int = 4, listed: tuple[str, ...] = (),
                 **options) -> DesfireCard:  # fmt: skip
    """A card as the supplier makes it. header: another head record; room: how many answers it takes; options: as of
    head(), for forgeries."""
    card = DesfireCard(bytes.fromhex(uid))

    def known(role, version):
        return keys.utility_card_key(version, role, card.uid)

    t = Terminal(card)
    make_application(t, UTILITY_AID)
    change_keys(t, known, keys.newest)
    make_files(t, known(MASTER, keys.newest), utility_files(kind, DOCUMENT_MAX_N, room))
    t.login(VENDING, known(VENDING, keys.newest))
    t.write(HEAD, 0, header or head(kind, document, serial, number, listed=listed, **options))
    contents = Meters(listed=listed).contents(document)
    if contents:
        t.write(DOCUMENT, 0, contents)
    t.commit()
    t.close()
    return card


def put_head(card: DesfireCard, record: bytes) -> None:
    """Another head for a card of the demo keys."""
    t = Terminal(card)
    t.select(UTILITY_AID)
    t.login(VENDING, DEMO.utility_card_key(1, VENDING, card.uid))
    t.write(HEAD, 0, record)
    t.commit()
    t.close()


def new_keys(number: str, version: int, card: bytes, utility: bytes, serial: int, replaces: int = 1) -> bytes:
    """The document of a key change card."""
    return KeyChange(number, version, serial, card, utility, replaces).pack(DEMO.card_key(1, number))


def new_trust(sale: SigningKeys, order: SigningKeys, proof: bytes | None = None) -> bytes:
    """The document of a card that brings the supplier's public keys, the newest of each. proof: in place of the
    new order key's signature."""
    made = TrustChange.of(sale, order).pack()
    return made if proof is None else made[: -len(proof)] + proof


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
