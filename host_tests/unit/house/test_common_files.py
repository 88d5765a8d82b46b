# SPDX-License-Identifier: Apache-2.0
"""The one reader of files that people hand to tools: what it takes, and what it refuses by line."""

import os

import pytest

from scripts.common import InputError, decimal, integer, read_csv, read_json, read_text

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "given"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(read, *args, **options):
    with pytest.raises(InputError) as found:
        made = read(*args, **options)
        list(made)
    said = str(found.value)
    assert str(args[0]) in said and "\n" not in said and said.endswith(".")
    return said


def test_an_object_is_read(file):
    assert read_json(file('{"a": [1, -2, "3.5", true, null, {"b": "Zähler \\ud83d\\ude00"}]}')) == {
        "a": [1, -2, "3.5", True, None, {"b": "Zähler \U0001f600"}]
    }


def test_a_byte_order_mark_is_dropped(file):
    assert read_json(file(BOM + b'{"a": 1}')) == {"a": 1}
    assert [row.cells for row in read_csv(file(BOM + b"n,x\n1,2\n"), ["n", "x"])] == [{"n": "1", "x": "2"}]
    assert read_text(file(BOM + b"word")) == "word"


def test_quotes_braces_and_colons_in_texts_count_for_nothing(file):
    assert read_json(file('{"a": "{\\"a\\": 1}", "b": "NaN: [[[", "c": "1e99"}'))["b"] == "NaN: [[["


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "empty"),
        (b" \n", "empty"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        ('{"a": 1}'.encode("utf-32"), "UTF-16 or UTF-32"),
        (b'{\n"a": "\xff"}', "line 2: it is not UTF-8"),
        (b'{\n"a": "\0"}', "line 2: it is not text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "it is not UTF-8"),
        (b"hello", "line 1: it is no JSON"),
        (b'{"a": 1,\n\n"b": 2,}', "line 3: it is no JSON"),
        (b'{"a": 1} {"b": 2}', "it is no JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{\n"a": NaN}', "line 2: NaN is no number"),
        (b'{\n"a": -Infinity}', "line 2: -Infinity is no number"),
        (b'{"a": 1.5}', "amounts are written in quotation marks"),
        (b'{"a": 1e999999}', '"1e999999" is no whole number'),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"a": 1,\n"a": 2}', 'line 2: "a" is there twice'),
        (b'{"a": 1,\n"\\u0061": 2}', 'line 2: "a" is there twice'),
        (b'{"x": {"a": 1, "b": {}, "a": 2}}', '"a" is there twice'),
        (b'{\n"a": "\\ud800"}', "line 2: a text in it has half a character"),
        (b'{"\\udc00": 1}', "half a character"),
        (b'{"a":' + b"[" * 100_000, "nested more than"),
        (b'{"a":' * 100_000, "nested more than"),
        ('{"a": ١٢}'.encode(), "it is no JSON"),
        (b'{"a": 1_0}', "it is no JSON"),
        (b'{"a": 012}', "it is no JSON"),
        (b'{"a": +1}', "it is no JSON"),
        (b'{"a": "one\ntwo"}', "line 1: it is no JSON"),
    ],
)
def test_json_that_readers_disagree_about_is_refused(file, content, why):
    assert why in refusal(read_json, file(content))


def test_a_fraction_is_taken_where_floats_are_asked_for(file):
    assert read_json(file(b'{"a": 0.5}'), floats=True) == {"a": 0.5}
    assert "exponent" in refusal(read_json, file(b'{"a": 1e999999}'), floats=True)


def test_the_same_key_in_two_objects_is_not_twice(file):
    assert read_json(file(b'{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}'))["b"][1] == {"a": 3}


def test_what_is_no_ordinary_file_is_refused_and_not_waited_for(tmp_path):
    assert "it is a folder" in refusal(read_json, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe or a device" in refusal(read_json, tmp_path / "pipe")
    assert "a pipe or a device" in refusal(read_csv, tmp_path / "pipe", ["n"])
    assert "No such file" in refusal(read_json, tmp_path / "missing")


def test_a_file_nobody_may_read_is_refused(file, monkeypatch):
    def refused(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    path = file(b"{}")
    monkeypatch.setattr(os, "open", refused)  # root may read everything
    assert "Permission denied" in refusal(read_json, path)


def test_a_file_beyond_the_bound_is_refused(file):
    assert "too long" in refusal(read_json, file(b'{"a": "' + b"x" * 1000 + b'"}'), max_n=1000)
    assert "too long" in refusal(read_csv, file(b"n\n" * 1000), ["n"], max_n=1000)


# -- CSV ----------------------------------------------------------------------------------------------


def test_rows_come_by_name_with_their_lines(file):
    rows = list(read_csv(file('x, n\r\n\r\n2,"a, b"\r\n-0.50,c\n'), ["n", "x"]))
    assert [(row.line, row.cells["n"], row.decimal("x", 3, -9000, 9000)) for row in rows] == [
        (3, "a, b", 2000),
        (4, "c", -500),
    ]


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"n,x\n", "no rows"),
        ("n,x\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"n,x\n1,\xff\n", "line 2: it is not UTF-8"),
        (b"n,x\n1,\0\n", "line 2: it is not text"),
        (b"n;x\n1;2\n", "separated by semicolons"),
        (b"n\tx\n1\t2\n", "separated by tabs"),
        (b"n,y\n1,2\n", "no column x"),
        (b"n,x,n\n1,2,3\n", '"n" is there twice'),
        (b"n,x,\n1,2,3\n", "a column has no name"),
        (b"n,x,y\n1,2,3\n", '"y" is not known'),
        (b"n,x\n1,2\n\n1\n", "line 4: the row has 1 cells, and the head 2"),
        (b"n,x\n1,2,3\n", "line 2: the row has 3 cells"),
        (b'n,x\n1,"2\n3,4\n', "a quotation mark is not closed"),
        (b'n,x\n1,"2"3\n', "line 2: it is no CSV"),
        (b"n,x\r1,2\r", "it is no CSV"),
        (b"n,x\n1," + b"2" * 70_000 + b"\n", "line 2: it is longer than"),
    ],
)
def test_csv_that_is_not_whole_is_refused_by_line(file, content, why):
    assert why in refusal(read_csv, file(content), ["n", "x"])


def test_more_rows_than_allowed_are_refused(file):
    assert "more than 3 rows" in refusal(read_csv, file(b"n\n1\n2\n3\n4\n"), ["n"], max_rows=3)


def test_rows_with_too_many_or_too_few_cells_may_be_asked_for(file):
    rows = list(read_csv(file(b"n,x\n1\n1,2\n1,2,3\n"), ["n"], None, odd=True))
    assert [bool(row.odd) for row in rows] == [True, False, True]


NO_NUMBERS = ["1_0", "١٢", "1e3", "1e999999", "NaN", "inf", "", " 1", "0x10", "1,5", "--1", "9" * 30]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_is_ascii_digits_and_nothing_else(file, text):
    with pytest.raises(ValueError):
        integer(text, 0, 10**30)
    with pytest.raises(ValueError):
        decimal(text, 3, 0, 10**30)


def test_a_number_of_a_row_is_refused_by_line_and_name(file):
    row = next(iter(read_csv(file(b"n\n1_0\n"), ["n"])))
    with pytest.raises(InputError, match='line 2: n is "1_0", and a decimal number is expected'):
        row.decimal("n", 3, 0, 1000)
    with pytest.raises(ValueError, match='n is "12", and 0 to 9 is possible'):
        integer("12", 0, 9, "n")


def test_decimals_are_exact(file):
    assert decimal("-99999999999999.123456", 6, -(10**20), 0) == -99999999999999123456
    assert decimal("1.5000", 1, 0, 20) == 15
    with pytest.raises(ValueError, match="at most 1 digits"):
        decimal("1.55", 1, 0, 20)
    with pytest.raises(ValueError, match=r"-0\.05 to 1\.5 is possible"):
        decimal("2", 2, -5, 150)
