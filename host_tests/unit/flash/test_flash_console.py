# SPDX-License-Identifier: Apache-2.0
"""What a start says on the console, and what is made of it."""

from types import SimpleNamespace

import pytest

from scripts.board import console
from scripts.board.errors import BundleRefusedError, FlashError, StartError

SELFTEST = "SELFTEST board=b version=0.6.0 slot=a clock=unset fram=ok card=off relay=missing future=3 word result=fail"


class Said:
    """Lines of a board: text, or seconds that pass before the next."""

    def __init__(self, *lines):
        self.lines, self.now = list(lines), 0.0

    def read(self, until):
        while self.lines and isinstance(self.lines[0], int | float):
            self.now += self.lines.pop(0)
        if self.now > until or not self.lines:
            self.now = max(self.now, until)
            return None
        return self.lines.pop(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """follow() and the board have one clock."""
    said = Said()

    def board(*lines):
        said.lines, said.now = list(lines), 0.0
        return said

    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: said.now))
    return board


def test_the_line_is_taken_apart_and_keys_nobody_knows_are_kept(clock):
    start = console.follow(clock("boot noise", "selftest: relay: no voltage behind it", SELFTEST))
    assert start.parts["version"] == "0.6.0" and start.parts["future"] == "3" and "word" not in start.parts
    assert start.hints == ["relay: no voltage behind it"]
    assert start.missing == ["clock", "relay"]


def test_everything_the_board_says_is_handed_on_as_it_comes(clock):
    seen = []
    console.follow(clock("one", "", SELFTEST), seen.append)
    assert seen == ["one", SELFTEST]


def test_installing_takes_its_time_and_starting_does_not(clock):
    lines = ["loader: version 0.6.0 goes into slot b", 100, "loader: installed", 15, SELFTEST]
    assert console.follow(clock(*lines)).parts["result"] == "fail"
    with pytest.raises(StartError, match="the last it said was: loader: installed"):
        console.follow(clock(*lines[:3], 61, SELFTEST))
    with pytest.raises(StartError, match="within 60 s: it said nothing at all"):
        console.follow(clock(61, SELFTEST))


def test_a_board_that_takes_most_of_a_minute_has_come_up(clock):
    assert console.follow(clock(30, "selftest: hello", 28, SELFTEST)).parts["version"] == "0.6.0"


def test_who_waits_is_told_of_the_seconds_that_have_passed_and_of_how_many_there_may_be(clock):
    seen = []
    console.follow(clock(0.4, "one", 20, SELFTEST), waited=lambda *how: seen.append(how))
    assert seen[0] == (0, 60) and (0.4, 60) in seen and seen == sorted(seen)
    seen.clear()
    with pytest.raises(StartError):
        console.follow(clock(), waited=lambda *how: seen.append(how))
    assert len(seen) >= 100 and 59 < seen[-1][0] <= 60


def test_a_firmware_that_falls_and_starts_anew_does_not_hold_the_command_for_ever(clock):
    once = ["loader: version 0.6.0 in slot a", "Traceback (most recent call last):", "MemoryError: ", 3]
    with pytest.raises(StartError, match="it stopped with MemoryError"):
        console.follow(clock(*once * 50))


def test_a_loader_that_only_says_what_it_starts_is_no_installation(clock):
    with pytest.raises(StartError):
        console.follow(clock("loader: version 0.6.0 in slot a", 61, SELFTEST))


@pytest.mark.parametrize(
    "lines, error, text",
    [
        (["loader: bundle refused: it is for another board"], BundleRefusedError, "it is for another board. It runs"),
        (["Traceback (most recent call last):", '  File "main.py", line 1', "OSError: 19", "", "MicroPython v1.28.0"],
         StartError, "it stopped with OSError: 19"),
        (["MicroPython v1.28.0 on 2026-04-06; Generic ESP32"], StartError, "main.py came to its end"),
        (["RESCUE no slot can be started: run `make deploy`"], StartError, "it waits for one. Deploy again"),
    ],
)  # fmt: skip
def test_a_start_that_fails_says_how(clock, lines, error, text):
    with pytest.raises(error) as e:
        console.follow(clock(*lines))
    assert text in str(e.value)


def test_every_error_has_a_name_for_programs():
    found, names = [FlashError], set()
    while found:
        kind = found.pop()
        found += kind.__subclasses__()
        names.add(kind("text").name)
    assert {"no_port", "permission_denied", "port_busy", "unplugged", "chip", "flash_too_small", "no_answer",
            "download", "image_mismatch", "no_repl", "full", "bundle_refused", "start"} <= names  # fmt: skip
