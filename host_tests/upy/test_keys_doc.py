# SPDX-License-Identifier: Apache-2.0
"""keys.json: what is taken, what is refused, and that what is written is what is read."""

import json

from meter.core.errors import ConfigError
from meter.documents import keys_doc

WHOLE = {
    "version": 2,
    "card_key": "11" * 16,
    "utility_key": "22" * 16,
    "sale": [3, "33" * 32],
    "order": [4, "44" * 32],
    "made": 820_000_000,
    "previous": {"version": 1, "card_key": "55" * 16, "until": 9900},
}


def refusal(doc):
    try:
        keys_doc.parse(json.loads(json.dumps(doc)))
    except ConfigError as error:
        return error.path
    raise AssertionError(doc)


def changed(name, value):
    """The document with one field another, or left out; "previous.until" is one inside."""
    doc = json.loads(json.dumps(WHOLE))
    where, _, inner = name.partition(".")
    place = doc
    if inner:
        place = doc[where]
        where = inner
    if value is None:
        place.pop(where, None)
    else:
        place[where] = value
    return doc


def test_each_field_has_its_position():
    keys = keys_doc.parse(WHOLE)
    assert len(keys) == 11
    assert (keys[keys_doc.VERSION], keys[keys_doc.VERSION_BEFORE], keys[keys_doc.UNTIL_DAY]) == (2, 1, 9900)
    assert (keys[keys_doc.CARD], keys[keys_doc.UTILITY]) == (b"\x11" * 16, b"\x22" * 16)
    assert (keys[keys_doc.SALE_NO], keys[keys_doc.SALE]) == (3, b"\x33" * 32)
    assert (keys[keys_doc.ORDER_NO], keys[keys_doc.ORDER]) == (4, b"\x44" * 32)
    assert (keys[keys_doc.CARD_BEFORE], keys[keys_doc.MADE]) == (b"\x55" * 16, 820_000_000)


def test_without_keys_before_these_are_none():
    keys = keys_doc.parse(changed("previous", None))
    assert (keys[keys_doc.CARD_BEFORE], keys[keys_doc.VERSION_BEFORE], keys[keys_doc.UNTIL_DAY]) == (None, 0, 0)


def test_what_is_written_is_what_is_read():
    for doc in (WHOLE, changed("previous", None)):
        assert keys_doc.pack(keys_doc.parse(doc)) == doc


def test_a_field_that_is_missing_is_refused_by_its_name():
    for name in ("version", "card_key", "utility_key", "sale", "order", "made"):
        assert refusal(changed(name, None)) == name
    for name in ("version", "card_key", "until"):
        assert refusal(changed("previous." + name, None)) == "previous." + name


def test_a_field_that_is_wrong_is_refused_by_its_name():
    for value in (0, 256, -1, True, "1", [1]):
        assert refusal(changed("version", value)) == "version"
        assert refusal(changed("previous.version", value)) == "previous.version"
    for value in (-1, 1 << 32, "0", True):
        assert refusal(changed("made", value)) == "made"
    for value in (-1, 0x10000, "0", True):
        assert refusal(changed("previous.until", value)) == "previous.until"
    for value in ("", "11" * 15, "11" * 17, "1" * 31, "g1" * 16, "11 " * 10 + "11", 5, [1]):
        assert refusal(changed("card_key", value)) == "card_key"
        assert refusal(changed("utility_key", value)) == "utility_key"
        assert refusal(changed("previous.card_key", value)) == "previous.card_key"


def test_a_signer_that_is_wrong_is_refused_by_its_name():
    good = "66" * 32
    for name in ("sale", "order"):
        for value in ("", good, [], [1], [1, good, 1], {"1": good}):
            assert refusal(changed(name, value)) == name
        for number in (0, 256, -1, True, "1"):
            assert refusal(changed(name, [number, good])) == name + ".number"
        for key in ("", "66" * 31, "66" * 33, "zz" * 32, 6):
            assert refusal(changed(name, [1, key])) == name + ".key"


def test_the_shop_s_key_is_not_the_office_s():
    assert refusal(changed("order", [9, "33" * 32])) == "order"


def test_what_is_not_known_is_refused_by_its_name():
    assert refusal(changed("utility", 1)) == "utility"
    assert refusal(changed("previous.utility_key", "22" * 16)) == "previous.utility_key"
    for value in ([], "", 0, False):
        assert refusal(changed("previous", value)) == "previous"
    for doc in ([], "", 5):
        assert refusal(doc) == "document"
