# SPDX-License-Identifier: Apache-2.0
"""When a version on trial is confirmed, and what of a start is kept for the next; with the loader's part played here.

That the two go together on a meter: host_tests/system/test_slots.py.
"""

import importlib
import sys
import types

import pytest
from meter.core import codes

from host_tests.bench.run.board import load_board


class Reset(Exception):
    pass


@pytest.fixture
def it(monkeypatch):
    """.starts, .memory (of the RTC), .confirmed; .trial(slot, needs) makes that one on trial, .runs(slot) runs it."""
    it = types.SimpleNamespace(memory=b"\x01\x00", confirmed=0, broken=None, cause=1, ms=1)
    it.pins, it.sensed, it.pulses = {}, 1, []
    it.pin_level = lambda: it.sensed

    class RTC:
        def memory(self, data=None):
            if data is None:
                return it.memory
            it.memory = bytes(data)

    def reset():
        raise Reset

    def confirm():
        if it.broken:
            raise it.broken
        it.confirmed += 1
        return True

    machine = types.ModuleType("machine")
    class Pin:
        IN, OUT = 1, 3

        def __init__(self, number, mode, value=0):
            self.number = number
            if mode == self.OUT:
                self(value)

        def __call__(self, level=None):
            if level is None:
                return it.pin_level()
            it.pins[self.number] = level
            it.pulses += [(self.number, it.ms)] if level else []
            return None

    def sleep_ms(ms):
        it.ms += ms

    clock = types.SimpleNamespace(
        ticks_ms=lambda: it.ms, ticks_diff=lambda a, b: a - b, ticks_add=lambda a, b: a + b, sleep_ms=sleep_ms
    )
    machine.RTC, machine.reset, machine.reset_cause, machine.WDT_RESET = RTC, reset, lambda: it.cause, 3
    machine.Pin = Pin
    loader = types.ModuleType("loader")
    loader.confirm = confirm
    monkeypatch.setitem(sys.modules, "board", load_board())
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr(sys, "path", [*sys.path, "/a"])
    for name in ("starts", "memory"):
        monkeypatch.delitem(sys.modules, "meter.upkeep." + name, raising=False)
        monkeypatch.delattr(importlib.import_module("meter.upkeep"), name, raising=False)
    for name in [name for name in sys.modules if name.startswith("loader")]:
        monkeypatch.delitem(sys.modules, name)
    it.starts = importlib.import_module("meter.upkeep.starts")
    it.starts.time = importlib.import_module("meter.upkeep.memory").time = clock
    it.board = sys.modules["board"]
    monkeypatch.setattr(sys, "print_exception", lambda e: None, raising=False)

    def trial(slot, needs=0):
        monkeypatch.setitem(sys.modules, "loader", loader)
        monkeypatch.setattr(it.starts, "_state", lambda: b"PWS2" + bytes((1, slot, 1, needs)))

    it.trial, it.runs = trial, lambda slot: sys.path.append("/" + slot)
    trial(2)
    yield it
    for name in ("starts", "memory"):
        sys.modules.pop("meter.upkeep." + name, None)


def test_a_version_on_trial_that_lasts_is_confirmed(it):
    it.runs("b")
    it.starts.lasted(0)
    assert it.confirmed == 1 and it.memory == b""


@pytest.mark.parametrize("fault", [codes.FAULT_METER_IC, codes.FAULT_FRAM, codes.FAULT_RELAY])
def test_one_that_cannot_meter_starts_again_instead(it, fault):
    it.runs("b")
    with pytest.raises(Reset):
        it.starts.lasted(fault)
    assert it.confirmed == 0


def test_the_version_in_force_does_not_confirm_one_whose_start_could_not_be_counted(it):
    it.runs("a")
    it.starts.lasted(codes.FAULT_FRAM)
    it.starts.lasted(0)
    assert it.confirmed == 0


@pytest.mark.parametrize("needs, confirmed", [(0, 0), (1, 1)])
def test_to_have_come_up_is_enough_for_one_that_a_person_put_there(it, needs, confirmed):
    it.trial(2, needs)
    it.runs("b")
    it.starts.up()
    assert it.confirmed == confirmed


def test_a_flash_that_takes_nothing_leaves_it_on_trial_and_metering(it, capsys):
    it.broken = OSError(28)
    it.runs("b")
    it.starts.lasted(0)
    assert "not confirmed" in capsys.readouterr().out


def test_where_modules_are_looked_for_is_as_it_was_after_a_confirmation(it):
    it.runs("b")
    before = sys.path[:]
    it.starts.lasted(0)
    assert sys.path == before and "loader" not in sys.modules


def test_a_start_in_safe_mode_that_lasts_is_followed_by_one_with_everything(it):
    it.memory = b"\x06\x00"
    assert it.starts.mode()[0] == 1
    with pytest.raises(Reset):
        it.starts.lasted(0)
    assert it.memory[0] == 4


@pytest.mark.parametrize("starts, level", [(1, 0), (5, 0), (6, 1), (8, 1), (9, 2), (255, 2)])
def test_what_runs_after_so_many_starts_that_did_not_last(it, starts, level):
    it.memory = bytes((starts, 0))
    assert it.starts.mode()[0] == level


# -- starts that do not come to meter -------------------------------------------------------------


def start(it, cause=1, s=1):
    """A start of this many seconds that ends without metering: bitten by the watchdog (3) before this one, or not."""
    it.cause = cause
    fell = it.starts.mode()[3]
    it.ms += 1000 * s
    return fell


def falls(it, s=1):
    fell = start(it, s=s)
    with pytest.raises(Reset):
        it.starts.failed(ValueError("fallen"))
    return fell


def test_starts_that_fall_are_counted(it):
    assert [falls(it) for _ in range(4)] == [0, 1, 2, 3]
    assert it.starts.mode()[2] == "start ValueError"


def test_starts_that_the_watchdog_bites_are_counted_those_that_end_otherwise_are_not(it):
    assert [start(it, 3) for _ in range(3)] == [0, 1, 2]
    assert [start(it) for _ in range(3)] == [2, 2, 2]


class Books:
    def __init__(self):
        self.logged = []

    def log(self, code, value=0):
        self.logged.append((code, value))


def test_a_start_that_meters_ends_the_count(it, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        falls(it)
    books = Books()
    aside = importlib.import_module("meter.documents.aside")
    monkeypatch.setattr(aside, "NAME", str(tmp_path / "aside.json"))
    assert start(it) == 2
    monkeypatch.setattr(aside, "keep", lambda fell: aside.mask(aside.levels(fell)))
    it.starts.metered(books)
    assert books.logged == [(codes.LOG_DOCUMENTS_ASIDE, 1)]
    assert start(it) == 0
    start(it, 3)  # bitten after it had metered: not one of those
    it.memory = it.memory[:9] + bytes(4)
    assert start(it, 3) == 1


def test_an_hour_of_starts_that_fall_opens_the_relay_once_with_one_pulse(it):
    s = 0
    while not it.pulses:
        falls(it, 60)
        s += 60 + min(it.memory[0], 10) + 2  # the reset, and what is loaded first
    assert 3600 <= s <= 3600 + 2 * 70
    assert it.pulses[0][0] == it.board.RELAY_OPEN and it.pins[it.board.RELAY_OPEN] == 0
    assert it.pins[it.board.RELAY_CLOSE] == 0
    it.sensed = 0
    for _ in range(3):
        falls(it, 60)
    assert len(it.pulses) == 1


@pytest.mark.parametrize("lag_ms", range(0, 20, 3))
def test_the_relay_is_opened_though_its_sense_line_follows_half_waves(it, lag_ms):
    it.pin_level = lambda: 1 if (it.ms + lag_ms) % 20 < 9 else 0
    start(it)
    it.ms += 3_600_000
    it.starts.waits()
    assert len(it.pulses) == 1
    it.pulses.clear()
    it.pin_level = lambda: 0
    it.ms += 60_000
    it.starts.waits()
    assert it.pulses == []


def test_so_does_an_hour_of_starts_that_the_watchdog_bites(it):
    n = 0
    while not it.pulses:
        start(it, 3, 30)
        n += 1
    assert 120 <= n <= 122


def test_and_a_start_that_waits_for_an_hour(it):
    start(it)
    for _ in range(61):
        it.ms += 60_000
        it.starts.waits()
    assert len(it.pulses) >= 1


def test_a_bundle_given_up_and_an_hour_without_metering_are_reported_once(it, monkeypatch):
    monkeypatch.setattr(importlib.import_module("meter.documents.aside"), "keep", lambda fell: 0)
    it.memory = bytes((1, 0, 0, 0, 5, 0, 0, 0x10, 0x0E, 1, 0, 0, 0))
    books = Books()
    it.starts.metered(books)
    assert books.logged == [(codes.LOG_BUNDLE_GIVEN_UP, 5), (codes.LOG_NO_METERING, 2)]
    it.starts.metered(books)
    assert len(books.logged) == 2
