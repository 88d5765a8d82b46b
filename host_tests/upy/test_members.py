# SPDX-License-Identifier: Apache-2.0
"""A document read in parts: whatever is said of tariffs, settings and what is watched for, holds of parts, too."""

import io
import json

from meter import heap
from meter.core.errors import ConfigError
from meter.documents import members

try:
    from host_tests.upy import test_settings, test_tariff, test_watch
except ImportError:  # run.py
    import test_settings
    import test_tariff
    import test_watch


def outcome(read, doc):
    try:
        return read(doc), None
    except ConfigError as error:
        return None, error.args


def fields(made):
    return sorted(made.__dict__.items()) if made else None


def texts(doc):
    """As short as can be; and each list and object long enough to be read in parts."""
    text = json.dumps(doc)
    wide = text.replace("[", "[" + 130 * " ").replace("{", "{" + 130 * "\n")
    return text, wide


def readers():
    """(tariff_doc, settings_doc, watch_doc): loaded once, and not kept loaded for others."""
    for loan in READERS:
        heap.borrow(loan)
    from meter.documents import settings_doc, tariff_doc, watch_doc

    for loan in READERS:
        heap.give_back(loan)
    return tariff_doc, settings_doc, watch_doc


READERS = ("tariff_doc", "settings_doc", "watch_doc")
tariff_doc, settings_doc, watch_doc = readers()


def settings(doc):
    """As parse.settings(), without loading and collecting."""
    cfg = settings_doc.read(doc)
    cfg.watch = watch_doc.rows(cfg, doc.get("events"))
    cfg.tamper_trips = watch_doc.trips(doc.get("tamper_trips", []))
    return cfg


class InParts:
    """In place of parse: what comes of the document as it is must come of it in parts, too."""

    def __init__(self):
        self.calls = 0

    def tariff(self, doc):
        return self._both(tariff_doc.read, doc)

    def settings(self, doc):
        return self._both(settings, doc)

    def _both(self, read, doc):
        self.calls += 1
        made, refused = outcome(read, json.loads(json.dumps(doc)))
        for text in texts(doc):
            part = members.value(io.BytesIO(text.encode()))
            assert outcome(lambda part: fields(read(part)), part) == (fields(made), refused), text
        return read(doc)


def all_of(module):
    """Run the tests of a module with documents in parts. Return how many were read."""
    real = module.parse
    module.parse = in_parts = InParts()
    try:
        for name in dir(module):
            if name.startswith("test_") and name != "test_parser_is_not_kept_in_memory":
                getattr(module, name)()
    finally:
        module.parse = real
    return in_parts.calls


def test_tariffs():
    assert all_of(test_tariff) > 100


def test_settings_documents():
    assert all_of(test_settings) > 100


def test_what_is_watched_for():
    assert all_of(test_watch) > 20


LONG = ",".join(['{"a": [%d, "x]}\\\\", null]}' % n for n in range(20)])


def test_a_long_object_is_read_member_by_member():
    part = members.value(io.BytesIO(('{"b": [%s], "c": "\\",", "": {}, "d": 1.5}' % LONG).encode()))
    assert part.kind is dict and sorted(part) == ["", "b", "c", "d"] and len(part) == 4
    assert "b" in part and "e" not in part
    assert part["c"] == part.get("c") == '",' and part.get("e", 7) == 7
    assert part["b"].kind is list and len(part["b"]) == 20
    assert part["b"][3] == {"a": [3, "x]}\\", None]} and list(part["b"])[19]["a"][0] == 19


def test_what_is_short_is_what_json_makes_of_it():
    for doc in ({}, [], 1, "x", {"a": [1, {"b": None}]}):
        assert members.value(io.BytesIO(json.dumps(doc).encode())) == doc


def test_of_a_key_that_is_there_twice_the_last_counts():
    part = members.value(io.BytesIO(('{"a": 1, "b": [%s], "a": 2}' % LONG).encode()))
    assert part["a"] == 2 and len(part) == 2


def test_text_that_is_not_json_is_refused_wherever_it_is_not():
    for text in (
        '{"b": [%s}]', '{"b": [%s]', '{"b": [%s]}}', '{"b": [%s]} x', 'x {"b": [%s]}', '{"b": [%s],}', '{,"b": [%s]}',
        '{"b", [%s]}', '{"b": [%s], "c"}', '{"b": [%s]: 1}', '{1: [%s]}', '{"b": [%s,]}', '{"b": [,%s]}',
        '{"b": [%s, nul]}', '{"b": [%s], "c: 1}', '{"b": bad, "b": [%s]}', "]%s", "[%s}", '{"b": [%s], "c": 1 2}',
        '{"b": [%s], "c": }',
    ):  # fmt: skip
        try:
            members.value(io.BytesIO((text % LONG).encode()))
        except ValueError:
            continue
        raise AssertionError(text)
