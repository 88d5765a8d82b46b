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
# One text, taken apart when it is wanted: a short word in the code would stay on the heap as a name for good.
_FIELDS = "version card_key utility_key sale order made previous until"
_PARTS = ".number .key"


def parse(doc) -> tuple:
    """Return the keys, by the positions above. Raise ConfigError for the first field that is wrong."""
    fields = _FIELDS.split(" ")
    version, card, utility, sale, order, made, previous, until = fields
    _known(doc, "", fields[:-1])
    before = doc.get(previous)
    then = None, 0, 0
    if before is not None:
        path = previous + "."
        _known(before, path, (version, card, until))
        then = (
            _key(before, card, _SECRET_N, path),
            _number(before, version, 1, _NUMBER_MAX, path),
            _number(before, until, 0, _DAY_MAX, path),
        )
    signers = _signer(doc, sale) + _signer(doc, order)
    if signers[1] == signers[3]:
        raise ConfigError(order, "must be another key than " + sale)
    return (
        _number(doc, version, 1, _NUMBER_MAX),
        _key(doc, card, _SECRET_N),
        _key(doc, utility, _SECRET_N),
    ) + then + signers + (_number(doc, made, 0, 0xFFFFFFFF),)  # fmt: skip


def pack(keys) -> dict:
    """Return the document that parse() makes these keys of."""
    version, card, utility, sale, order, made, previous, until = _FIELDS.split(" ")
    doc = {
        version: keys[VERSION],
        card: keys[CARD].hex(),
        utility: keys[UTILITY].hex(),
        sale: [keys[SALE_NO], keys[SALE].hex()],
        order: [keys[ORDER_NO], keys[ORDER].hex()],
        made: keys[MADE],
    }
    if keys[CARD_BEFORE]:
        doc[previous] = {version: keys[VERSION_BEFORE], card: keys[CARD_BEFORE].hex(), until: keys[UNTIL_DAY]}
    return doc


def _known(doc, path, known):
    if type(doc) is not dict:
        raise ConfigError(path[:-1] or "document", "must be a JSON object")
    for name in doc:
        if name not in known:
            raise ConfigError(path + name, "is not known here")


def _number(doc, name, low, high, path=""):
    value = doc.get(name)
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(path + name, "must be a whole number from %d to %d" % (low, high))
    return value


def _key(doc, name, n, path=""):
    text = doc.get(name)
    try:
        # fromhex() overlooks spaces.
        if type(text) is str and len(text) == 2 * n and len(key := bytes.fromhex(text)) == n:
            return key
    except ValueError:
        pass
    raise ConfigError(path + name, "must be %d bytes in hexadecimal" % n)


def _signer(doc, name):
    value = doc.get(name)
    if type(value) is not list or len(value) != 2:
        raise ConfigError(name, "must be a number and a key")
    number, key = _PARTS.split(" ")
    both = {number: value[0], key: value[1]}
    return _number(both, number, 1, _NUMBER_MAX, name), _key(both, key, _PUBLIC_N, name)
