# SPDX-License-Identifier: Apache-2.0
"""Many meters from a table; folders that are whole or not there; no number twice."""

import contextlib
import os
import stat
import string
from pathlib import Path

import meter.commands.change  # noqa: F401  # what the fixture `loaded` finds here it leaves here
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tests.unit.provision.test_provision_board import SOURCE
from scripts.common import InputError
from scripts.provision import batch, folder, identity, numbers
from scripts.provision.errors import FileError, RefusedError
from scripts.provision.numbers import Numbers

pytest.importorskip("segno")


@pytest.fixture(autouse=True)
def desk(loaded, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(text, name="t.csv"):
    Path(name).write_text(text)
    return Path(name)


def run(text, out="out", book="j.sqlite"):
    with Numbers(Path(book)) as open_book:
        found = list(batch.run(batch.read(table(text)), SOURCE, Path(out), "0.6.0", 2026, open_book))
    return [(r.number, r.what) for r in found]


def test_each_row_becomes_a_folder_with_documents_and_label():
    assert run("number,initial_credit\nA-1,12.00\n0002,\n") == [("A-1", "made"), ("0002", "made")]
    made = identity.make(SOURCE, "A-1", {"initial_credit": "12.00"})
    made = made.as_made(folder.keys_made(Path("out/A-1"), identity.KEYS))  # the second may have turned since
    kept = {path.name: path.read_bytes() for path in Path("out/A-1").iterdir()}
    assert {name: kept[name] for name in made.files} == made.files
    assert b">A-1</text>" in kept["label.svg"] and set(kept) == {*made.files, "label.svg"}


def test_columns_are_keys_of_the_settings_and_an_empty_cell_is_the_template():
    rows = batch.read(table('number,phases,dst,friendly,alarm1\n1,3,eu,"{""weekend"": true}",9\n2,,,,\n'))
    assert rows[0].changes == {"phases": 3, "dst": "eu", "friendly": {"weekend": True}, "alarm1": "9"}
    assert rows[1].changes == {}


def test_a_row_no_meter_would_take_is_refused_alone():
    assert run("number,phases\n1,2\nlower,\n3,1\n4,1,1\n5,[[[\n") == [
        ("1", "refused"), ("lower", "refused"), ("3", "made"), ("4", "refused"), ("5", "refused")
    ]  # fmt: skip
    assert [path.name for path in Path("out").iterdir()] == ["3"]


def test_a_number_twice_in_one_table_is_made_once():
    assert run("number\n7\n7\n") == [("7", "made"), ("7", "refused")]


def test_a_number_of_another_run_is_refused():
    run("number\n7\n")
    assert run("number\n7\n", out="elsewhere") == [("7", "refused")]
    assert not Path("elsewhere/7").exists()


def test_the_same_table_again_makes_what_is_missing():
    run("number\n7\n")
    assert run("number\n7\n8\n") == [("7", "there already"), ("8", "made")]


def test_a_folder_changed_since_is_left_alone():
    run("number\n7\n")
    Path("out/7/settings.json").write_text("mine")
    assert run("number\n7\n") == [("7", "refused")]
    assert Path("out/7/settings.json").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "\n", "nummer\n1\n", "number,number\n1,2\n", "number\n",
                                  "number,provisioned\n1,false\n", 'number\n"1\n'])  # fmt: skip
def test_a_table_that_is_none_is_refused_before_anything_is_made(text):
    with pytest.raises(InputError):
        batch.read(table(text))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error_in_words(content):
    path = Path("any.csv")
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert batch.read(path)


@given(st.lists(st.text(string.ascii_uppercase + string.digits + "-", min_size=1, max_size=12), min_size=1, max_size=9))
def test_numbers_come_out_as_they_are_written_leading_zeros_and_all(wanted):
    assert [row.number for row in batch.read(table("number\n" + "\n".join(wanted) + "\n"))] == wanted


# -- crashes --------------------------------------------------------------------------------------


class Crash(BaseException):
    pass


def crash_at(monkeypatch, name, n):
    """The nth call of a function of os is the last thing the program does."""
    genuine, calls = getattr(os, name), [0]

    def call(*args, **options):
        calls[0] += 1
        if calls[0] == n:
            raise Crash
        return genuine(*args, **options)

    monkeypatch.setattr(os, name, call)
    return calls


@pytest.mark.parametrize("name", ["open", "fsync", "rename", "mkdir", "link"])
def test_a_crash_anywhere_leaves_whole_folders_or_none_and_the_next_run_finishes(monkeypatch, tmp_path, name):
    n = 0
    while True:
        n += 1
        place = tmp_path / f"{name}{n}"
        place.mkdir()
        monkeypatch.chdir(place)
        with monkeypatch.context() as patch:
            patch.setattr("shutil.rmtree", lambda *args, **options: None)  # nothing is cleared after a crash
            calls = crash_at(patch, name, n)
            with contextlib.suppress(Crash):
                run("number\n1\n2\n")
        for path in Path("out").glob("[12]"):
            assert set(os.listdir(path)) == {"settings.json", "tariff.json", "keys.json", "trust.key", "label.svg"}
        assert {what for _, what in run("number\n1\n2\n")} <= {"made", "there already"}
        if calls[0] < n:
            break


def test_what_a_killed_run_left_of_a_meter_is_removed_by_the_next(tmp_path):
    left = Path("out/.pennywatt-7.999999999.aa")
    left.mkdir(parents=True)
    (left / "keys.json").write_text("secret")
    run("number\n7\n")
    assert os.listdir("out") == ["7"]


def test_a_full_disk_leaves_no_part_of_a_meter_and_gives_the_number_back(monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("scripts.provision.folder.os.fsync", full)
        with pytest.raises(FileError, match="No space left"):
            run("number\n7\n")
    assert os.listdir("out") == []
    assert run("number\n7\n") == [("7", "made")]


def test_only_the_owner_may_read_what_was_made():
    run("number\n7\n")
    paths = [Path("out/7"), *Path("out/7").iterdir(), Path("j.sqlite")]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths} == {0}


def test_a_folder_that_is_there_is_never_touched():
    Path("d").mkdir()
    with pytest.raises(RefusedError, match="there already"):
        folder.write(Path("d"), {"a": b"b"})
    assert os.listdir("d") == []


# -- the journal ----------------------------------------------------------------------------------


def test_a_number_begun_and_not_finished_may_be_begun_again():
    with Numbers(Path("j")) as book:
        with pytest.raises(ValueError), book.giving("1", b"", {}):
            raise ValueError
        with book.giving("1", b"", {}) as done:
            done()
        assert book.given("1")


def test_of_two_at_once_one_gets_the_number():
    with Numbers(Path("j")) as one, Numbers(Path("j")) as two:
        late = pytest.raises(RefusedError)
        with one.giving("1", b"\x01", {}) as done_one, late, two.giving("1", b"\x02", {}) as done_two:
            done_one()
            done_two()
        assert one.given("1").uid == "01"


def test_the_same_board_keeps_its_number_and_another_needs_again():
    with Numbers(Path("j")) as book:
        for uid, again in ((b"\x01", False), (b"\x01", False), (b"\x02", True)):
            with book.giving("1", uid, {}, again) as done:
                done()
        with pytest.raises(RefusedError, match=r"given on .* to the board 02"), book.giving("1", b"\x01", {}):
            raise AssertionError
        assert numbers.whose("") == "a folder of documents"
