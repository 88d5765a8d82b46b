# SPDX-License-Identifier: Apache-2.0
"""Documents in parts against json.loads as the oracle: the same values, or both refuse."""

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from meter.core.errors import ConfigError
from meter.documents import files, members

from host_tests.bench.cards.largest import all_watched, as_bytes, largest

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=20), inner, max_size=30),
    max_leaves=60,
)
SPACE = st.text(" \t\n\r", max_size=3) | st.just(" " * 130)


@st.composite
def texts(draw):
    """An object as JSON, written in one of the ways there are; a key may be there twice."""
    doc = draw(st.dictionaries(st.text(max_size=20), VALUES, max_size=12))
    ascii_only, gap = draw(st.booleans()), draw(SPACE)

    def written(value):
        return json.dumps(value, ensure_ascii=ascii_only, separators=(gap + ",", ":" + gap))

    pairs = [f"{gap}{written(key)}{gap}:{written(value)}{gap}" for key, value in doc.items()]
    if pairs and draw(st.booleans()):
        pairs.append(f"{written(draw(st.sampled_from(list(doc))))}:{written(draw(VALUES))}")
    return gap + "{" + ",".join(pairs) + "}" + gap


@st.composite
def damaged(draw):
    """The same cut short, or with a few bytes taken out and others put there."""
    text = draw(texts()).encode()
    at = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from([b"", *(bytes([byte]) for byte in b',:[]{}"\\ 1x\xff\0')]))
    rest = draw(st.sampled_from([len(text), at, at + 1, at + 3]))
    return text[:at] + put + text[rest:]


def walked(value):
    """What a part holds, all of it."""
    kind = getattr(value, "kind", None)
    if kind is dict:
        return {key: walked(value[key]) for key in value}
    return [walked(entry) for entry in value] if kind is list else value


def in_parts(data: bytes):
    try:
        return walked(members.value(io.BytesIO(data)))
    except ValueError:
        return ValueError


def as_json(data: bytes):
    try:
        return json.loads(str(data, "utf-8"))
    except ValueError:
        return ValueError


@given(texts())
@example(as_bytes(largest()).decode())
@example(as_bytes(all_watched()).decode())
def test_any_object_is_read_as_json_reads_it(text):
    found = in_parts(text.encode())
    assert found == json.loads(text) and list(found) == list(json.loads(text))


@given(damaged())
def test_text_that_is_damaged_is_read_as_json_reads_it_or_both_refuse(data):
    assert in_parts(data) == as_json(data)


@pytest.mark.parametrize("document", [largest, all_watched])
def test_no_document_cut_short_is_taken(document):
    whole = as_bytes(document())
    assert [n for n in range(0, len(whole), 29) if in_parts(whole[:n]) is not ValueError] == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[%s]" % (b"1," * 99 + b"1"), None])
def test_a_file_is_refused_in_the_words_it_is_refused_in_as_a_whole(tmp_path, data):
    if data is not None:
        (tmp_path / "tariff.json").write_bytes(data)
    said = []
    for how in ((), (members.value, walked)):
        with pytest.raises(ConfigError) as refused:
            files.load(str(tmp_path), "tariff.json", "the tariff", *how)
        said.append(refused.value.args)
    assert said[0] == said[1]


def test_a_file_is_open_while_something_is_made_of_it_and_no_longer(tmp_path):
    (tmp_path / "tariff.json").write_bytes(as_bytes(largest()))
    parts = []
    made = files.load(str(tmp_path), "tariff.json", "", members.value, lambda doc: parts.append(doc) or walked(doc))
    assert made == largest() and parts[0].file.closed
