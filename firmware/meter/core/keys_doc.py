# SPDX-License-Identifier: Apache-2.0
"""keys.json, what this meter knows cards and their makers by: checked, and made again after a change.

    version, card_key, utility_key   secrets for cards, and which of the supplier's masters they come from
    sale, order                      [number, key]: whose signature is good for purchases, and for utility cards
    made                             seconds since 2000: when the meter was provisioned, or its keys last changed
    previous                         after a change: the card key before it, for the household's card, and until which
                                     day since 2000 (0: there was no clock then)

Loaded at a start and at a change. Byte by byte: storage/FORMAT.md.
"""

from micropython import const

from meter.core.errors import ConfigError

# Positions in what parse() gives.
VERSION = const(0)
CARD = const(1)
UTILITY = const(2)
CARD_BEFORE = const(3)  # None: none
VERSION_BEFORE = const(4)
UNTIL_DAY = const(5)
SALE_NO = const(6)
SALE = const(7)
ORDER_NO = const(8)
ORDER = const(9)
MADE = const(10)

_NUMBER_MAX = const(255)
_DAY_MAX = const(0xFFFF)
_SECRET_N = const(16)
_PUBLIC_N = const(32)
_FIELDS = ("version", "card_key", "utility_key", "sale", "order", "made", "previous")
_PREVIOUS = ("version", "card_key", "until")


def parse(doc) -> tuple:
    """Return the keys, by the positions above. Raise ConfigError for the first field that is wrong."""
    _known(doc, "", _FIELDS)
    before = doc.get("previous")
    if before is None:
        then = None, 0, 0
    else:
        _known(before, "previous.", _PREVIOUS)
        then = (
            _key(before.get("card_key"), "previous.card_key", _SECRET_N),
            _number(before.get("version"), "previous.version", 1, _NUMBER_MAX),
            _number(before.get("until"), "previous.until", 0, _DAY_MAX),
        )
    sale_no, sale = _signer(doc.get("sale"), "sale")
    order_no, order = _signer(doc.get("order"), "order")
    if sale == order:
        raise ConfigError("order", "must be another key than sale")
    return (
        _number(doc.get("version"), "version", 1, _NUMBER_MAX),
        _key(doc.get("card_key"), "card_key", _SECRET_N),
        _key(doc.get("utility_key"), "utility_key", _SECRET_N),
    ) + then + (sale_no, sale, order_no, order, _number(doc.get("made"), "made", 0, 0xFFFFFFFF))  # fmt: skip


def pack(keys) -> dict:
    """Return the document that parse() makes these keys of."""
    doc = {
        "version": keys[VERSION],
        "card_key": keys[CARD].hex(),
        "utility_key": keys[UTILITY].hex(),
        "sale": [keys[SALE_NO], keys[SALE].hex()],
        "order": [keys[ORDER_NO], keys[ORDER].hex()],
        "made": keys[MADE],
    }
    if keys[CARD_BEFORE]:
        doc["previous"] = {
            "version": keys[VERSION_BEFORE], "card_key": keys[CARD_BEFORE].hex(), "until": keys[UNTIL_DAY],
        }  # fmt: skip
    return doc


def _known(doc, path, known):
    if type(doc) is not dict:
        raise ConfigError(path[:-1] or "keys", "must be a JSON object")
    for name in doc:
        if name not in known:
            raise ConfigError(path + name, "is not known here")


def _number(value, path, low, high):
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(path, "must be a whole number from %d to %d" % (low, high))
    return value


def _key(text, path, n):
    try:
        # fromhex() overlooks spaces.
        if type(text) is str and len(text) == 2 * n and len(key := bytes.fromhex(text)) == n:
            return key
    except ValueError:
        pass
    raise ConfigError(path, "must be %d bytes in hexadecimal" % n)


def _signer(value, path):
    if type(value) is not list or len(value) != 2:
        raise ConfigError(path, "must be a number and a key")
    return _number(value[0], path + ".number", 1, _NUMBER_MAX), _key(value[1], path + ".key", _PUBLIC_N)
