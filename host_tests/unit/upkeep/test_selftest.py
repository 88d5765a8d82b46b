# SPDX-License-Identifier: Apache-2.0
"""What the self-test makes of wires without a part, and of a manifest that is none: without the whole firmware."""

import importlib
import random
import sys
import types

import pytest

from host_tests.bench.run.board import load_board


@pytest.fixture
def selftest(monkeypatch):
    monkeypatch.setitem(sys.modules, "board", load_board())
    machine = types.ModuleType("machine")
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.delitem(sys.modules, "meter.upkeep.selftest", raising=False)
    module = importlib.import_module("meter.upkeep.selftest")
    yield module
    sys.modules.pop("meter.upkeep.selftest", None)


class Wire:
    """SPI without a part: what is read is what the wire happens to be at."""

    def __init__(self, byte):
        self._byte = byte

    def write_readinto(self, tx, rx):
        rx[:] = bytes(self._byte() for _ in rx)


@pytest.mark.parametrize("byte", [lambda: 0, lambda: 0xFF, random.Random(6).randrange], ids=["low", "high", "floating"])
def test_a_wire_is_no_metering_ic(selftest, byte):
    wire = Wire((lambda: byte(256)) if isinstance(getattr(byte, "__self__", None), random.Random) else byte)
    assert selftest._metering_ic(wire, lambda level: None) == "missing"


@pytest.mark.parametrize("naps", [0, 1, 2])
def test_a_reader_that_must_be_woken_is_there(selftest, monkeypatch, naps):
    monkeypatch.setattr(selftest, "time", types.SimpleNamespace(sleep_ms=lambda ms: None))
    asked = []

    class Bus:
        def readfrom_into(self, addr, into):
            asked.append(addr)
            if len(asked) <= naps:
                raise OSError(19)

    assert selftest._reader(Bus()) == "ok"
    assert asked == [0x24] * (naps + 1)


@pytest.mark.parametrize(
    "manifest", [None, b"", b"\xff" * 4096, bytes(4096), b" " * 200, b"x" * 70 + b"\n"], ids=range(6)
)
def test_a_manifest_that_is_none_gives_one_word_all_the_same(selftest, monkeypatch, tmp_path, manifest):
    if manifest is not None:
        (tmp_path / "manifest").write_bytes(manifest)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    version = selftest._version()
    assert version.split() == [version]
