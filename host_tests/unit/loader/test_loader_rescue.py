# SPDX-License-Identifier: Apache-2.0
"""What a meter says that has nothing it may start. When it comes to this: test_loader_hostile.py."""

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
