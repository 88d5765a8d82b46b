# SPDX-License-Identifier: Apache-2.0
"""When a version on trial is confirmed, and what of a start is kept for the next; with the loader's part played here.

That the two go together on a meter: host_tests/system/test_slots.py.
"""

import importlib
import sys
import types

import pytest
from meter.core import codes

from host_tests.bench.board import load_board


class Reset(Exception):
    pass


@pytest.fixture
def it(monkeypatch):
    """.starts, .memory (of the RTC), .confirmed; .trial(slot, needs) makes that one on trial, .runs(slot) runs it."""
    it = types.SimpleNamespace(memory=b"\x01\x00", confirmed=0, broken=None)

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
    machine.RTC, machine.reset, machine.reset_cause, machine.WDT_RESET = RTC, reset, lambda: 1, 3
    loader = types.ModuleType("loader")
    loader.confirm = confirm
    monkeypatch.setitem(sys.modules, "board", load_board())
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr(sys, "path", [*sys.path, "/a"])
    monkeypatch.delitem(sys.modules, "meter.services.starts", raising=False)
    for name in [name for name in sys.modules if name.startswith("loader")]:
        monkeypatch.delitem(sys.modules, name)
    it.starts = importlib.import_module("meter.services.starts")

    def trial(slot, needs=0):
        monkeypatch.setitem(sys.modules, "loader", loader)
        monkeypatch.setattr(it.starts, "_state", lambda: b"PWS2" + bytes((1, slot, 1, needs)))

    it.trial, it.runs = trial, lambda slot: sys.path.append("/" + slot)
    trial(2)
    yield it
    sys.modules.pop("meter.services.starts", None)


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
