# SPDX-License-Identifier: Apache-2.0
"""Which slot a start is for, in every state: the table of loader/state.py, and what is stored of it."""

import itertools
import struct
import zlib

import pytest
from loader import state
from loader.state import SWITCH, TRIES, State, begin, confirm, load, store

A, B, NONE = b"a" * 32, b"b" * 32, bytes(32)


def make(active, trial=0, tries=0, held="ab", needs=0):
    s = State()
    s.active, s.trial, s.tries, s.needs = active, trial, tries, needs
    s.heads = [NONE, A if "a" in held else NONE, B if "b" in held else NONE]
    return s


def chosen(s):
    return s.trial or s.active


@pytest.mark.parametrize("tries", range(TRIES))
@pytest.mark.parametrize("active, trial", [(1, 2), (2, 1)])
@pytest.mark.parametrize("starts", [1, 5, SWITCH + 1, 255])
def test_on_trial_with_starts_left_it_is_one_more_of_them(tries, active, trial, starts):
    s = make(active, trial, tries)
    assert begin(s, starts)
    assert (chosen(s), s.active, s.tries) == (trial, active, tries + 1)


@pytest.mark.parametrize("tries", [TRIES, TRIES + 1, 255])
@pytest.mark.parametrize("active, trial", [(1, 2), (2, 1)])
@pytest.mark.parametrize("starts", [1, SWITCH + 1, 255])
def test_on_trial_without_it_has_failed_and_is_not_started_again(tries, active, trial, starts):
    s = make(active, trial, tries)
    assert begin(s, starts)
    assert (s.active, s.trial, s.tries) == (active, 0, 0) and not s.holds(trial) and s.holds(active)


@pytest.mark.parametrize("starts", range(SWITCH + 1))
@pytest.mark.parametrize("held", ["ab", "a"])
def test_in_force_it_is_started_again(starts, held):
    s = make(1, held=held)
    assert not begin(s, starts) and chosen(s) == 1


@pytest.mark.parametrize("starts", [SWITCH + 1, SWITCH + 2, 255])
@pytest.mark.parametrize("active", [1, 2])
def test_in_force_with_too_many_starts_the_other_is(starts, active):
    s = make(active)
    assert begin(s, starts) and chosen(s) == s.active == 3 - active
    assert not begin(s, 1) and s.holds(active)


@pytest.mark.parametrize("starts", [SWITCH + 1, 255])
def test_in_force_with_too_many_starts_and_no_other_it_stays(starts):
    s = make(1, held="a")
    assert not begin(s, starts) and chosen(s) == 1


@pytest.mark.parametrize("active, trial, held, expected", [
    (0, 0, "a", 1), (0, 0, "b", 2), (0, 0, "ab", 1), (0, 0, "", 0),
    (1, 0, "b", 2), (2, 0, "a", 1), (1, 0, "", 0),
    (0, 2, "ab", 2), (0, 1, "ab", 1), (0, 2, "a", 1), (1, 2, "b", 2),
    (1, 2, "a", 1), (1, 1, "ab", 1), (2, 2, "a", 1),
])  # fmt: skip
def test_nothing_in_force_or_on_trial_but_what_is_held(active, trial, held, expected):
    s = make(active, trial, held=held)
    changed = begin(s, 1)
    assert (s.active, s.trial) == (expected, 0)
    assert changed == ((active, trial) != (expected, 0))


def test_in_every_state_there_is_a_slot_if_one_is_held_and_a_second_look_finds_it_settled():
    for active, trial, tries, held, starts in itertools.product(
        range(3), range(3), (0, 1, 2, 3, 255), ("", "a", "b", "ab"), (0, 1, SWITCH, SWITCH + 1, 255)
    ):
        s = make(active, trial, tries, held)
        before = s.active, s.trial, s.tries, list(s.heads)
        changed = begin(s, starts)
        where = f"{active} {trial} {tries} {held} {starts}"
        assert bool(chosen(s)) == bool(held), where
        assert not chosen(s) or s.holds(chosen(s)), where
        assert not s.trial or (s.trial != s.active and s.holds(s.active)), where
        assert changed == (before != (s.active, s.trial, s.tries, s.heads)), where


@pytest.mark.parametrize("starts", range(1, 9))
def test_a_trial_ends_after_three_starts_whatever_else_happens(tmp_path, starts):
    s = make(1, 2)
    slots = []
    for _ in range(5):
        if begin(s, starts):
            store(s, str(tmp_path))
        s = load(str(tmp_path))
        assert s
        slots.append(chosen(s))
    assert slots == [2, 2, 2, 1, 1]


def test_what_is_stored_is_88_bytes_as_the_table_says(tmp_path):
    s = make(1, 2, 300, needs=1)
    s.waits = [0x04030201, 2, 19, 0, 0, 255]
    store(s, str(tmp_path))
    data = (tmp_path / "boot.bin").read_bytes()
    assert data[:84] == b"PWS2" + bytes((1, 2, 255, 1)) + A + B + bytes((1, 2, 3, 4, 2, 19, 0, 0, 0, 0, 0, 255))
    assert struct.unpack("<I", data[84:]) == (zlib.crc32(data[:84]),)
    again = load(str(tmp_path))
    assert again and again.waits == s.waits
    assert [p.name for p in tmp_path.iterdir()] == ["boot.bin"]


def test_any_damage_to_it_is_noticed(tmp_path):
    store(make(1, 2), str(tmp_path))
    right = (tmp_path / "boot.bin").read_bytes()
    for bit in range(len(right) * 8):
        data = bytearray(right)
        data[bit >> 3] ^= 1 << (bit & 7)
        (tmp_path / "boot.bin").write_bytes(data)
        assert load(str(tmp_path)) is None, bit
    for length in range(len(right)):
        (tmp_path / "boot.bin").write_bytes(right[:length])
        assert load(str(tmp_path)) is None, length
    (tmp_path / "boot.bin").write_bytes(right + b"\0")
    assert load(str(tmp_path)) is None


@pytest.mark.parametrize("name", ["boot.bin", "boot.new"])
def test_a_folder_in_its_place_is_removed(tmp_path, name):
    (tmp_path / name / "deep" / "er").mkdir(parents=True)
    (tmp_path / name / "file").write_bytes(b"")
    store(make(2), str(tmp_path))
    s = load(str(tmp_path))
    assert s and s.active == 2


def test_flash_that_takes_nothing_is_said(tmp_path, monkeypatch):
    def rename(a, b):
        raise OSError(28)

    monkeypatch.setattr(state.os, "rename", rename)
    with pytest.raises(OSError):
        store(make(1), str(tmp_path))


@pytest.mark.parametrize("active, trial", [(1, 2), (2, 1)])
def test_confirming_puts_the_trial_in_force_and_keeps_the_one_before(tmp_path, active, trial):
    store(make(active, trial, 2), str(tmp_path))
    assert confirm(str(tmp_path))
    s = load(str(tmp_path))
    assert s and (s.active, s.trial, s.tries) == (trial, 0, 0) and s.holds(active)
    assert not confirm(str(tmp_path))


def test_with_no_boot_state_nothing_is_confirmed(tmp_path):
    assert not confirm(str(tmp_path))
    assert not list(tmp_path.iterdir())
