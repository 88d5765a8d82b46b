# SPDX-License-Identifier: Apache-2.0
"""A meter that has nothing it may start, or a bundle that no start comes past. When: test_loader_hostile.py."""

import importlib
import sys
import types

import pytest


class Stop(Exception):
    pass


class Watchdog:
    def feed(self):
        raise Stop


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setitem(sys.modules, "machine", types.ModuleType("machine"))
    monkeypatch.delitem(sys.modules, "loader.start", raising=False)
    yield importlib.import_module("loader.start")
    sys.modules.pop("loader.start", None)


def test_production_firmware_says_why_there_is_no_file_system(start, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "_boot", types.SimpleNamespace(trouble="vfs: damaged"))
    with pytest.raises(Stop):
        start.rescue(Watchdog())
    assert "RESCUE vfs: damaged" in capsys.readouterr().out


def test_a_file_system_that_is_well_is_not_mentioned(start, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "_boot", types.SimpleNamespace(trouble=""))
    with pytest.raises(Stop):
        start.rescue(Watchdog())
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and said[0].startswith("RESCUE no slot can be started")


def test_a_bundle_that_hangs_each_start_is_not_tried_for_ever(start, tmp_path, capsys, monkeypatch):
    waiting = tmp_path / "update.pwb"
    waiting.write_bytes(b"PWB1")
    tried = []
    monkeypatch.setattr(start, "known", lambda *more: tried.append(1) or start._board)
    monkeypatch.setattr(start, "_board", lambda s: None)
    monkeypatch.setattr(start, "install", lambda *more: 1)
    start._install(str(waiting), start.SWITCH, None)
    assert tried and not waiting.exists()
    waiting.write_bytes(b"PWB1")
    start._install(str(waiting), start.SWITCH + 1, None)
    assert len(tried) == 1 and not waiting.exists()
    assert "bundle refused: no start came past it" in capsys.readouterr().out
