# SPDX-License-Identifier: Apache-2.0
"""The supplier's preset cards: one settings or tariff document each. Bytes written down a second time on purpose."""

import struct
import zlib

from .cards import DEMO_ROLE_KEYS, METER, Terminal
from .chips.desfire import DesfireCard
from .chips.desfire_crypto import ZERO, an10922

AID = bytes.fromhex("025750")
HEAD, DOCUMENT = 1, 2
SETTINGS, TARIFF = 1, 2
_MAX = 3072


def key(uid: bytes, role_keys=DEMO_ROLE_KEYS) -> bytes:
    return an10922(role_keys[METER], uid + AID + b"\x02")


def head(kind: int, document: bytes, version: int = 1) -> bytes:
    body = struct.pack("<BBHI", version, kind, len(document), zlib.crc32(document))
    return body + struct.pack("<I", zlib.crc32(bytes((HEAD,)) + body))


def preset_card(kind: int, document: bytes, uid: str = "04A1B2C3D4E5E0", role_keys=DEMO_ROLE_KEYS, header=None):
    """A card as the supplier makes it. header: another head record, for cards it would not make."""
    if len(document) > _MAX:
        raise ValueError(f"a preset card holds {_MAX} bytes")
    card = DesfireCard(bytes.fromhex(uid))
    t = Terminal(card)
    t.ask(b"\xca" + AID + b"\x09\x82")
    t.select(AID)
    t.login(0, ZERO)
    t.change_key(1, key(card.uid, role_keys), ZERO)
    # read with key 1, written and changed with the master key
    rights = 1 << 12 | 0 << 8 | 0 << 4 | 0
    t.ask(b"\xcb" + struct.pack("<BBH", HEAD, 1, rights) + (12).to_bytes(3, "little"))
    t.ask(b"\xcd" + struct.pack("<BBH", DOCUMENT, 1, rights) + _MAX.to_bytes(3, "little"))
    t.write(HEAD, 0, header or head(kind, document))
    for at in range(0, len(document), 40):
        t.write(DOCUMENT, at, document[at : at + 40])
    t.commit()
    t.close()
    return card
