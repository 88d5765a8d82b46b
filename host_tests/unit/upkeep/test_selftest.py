# SPDX-License-Identifier: Apache-2.0
"""What the self-test makes of wires without a part, and of a manifest that is none: without the whole firmware."""

import importlib
import random
import sys
import types
from contextlib import nullcontext

import pytest
from meter.core import codes
from meter.core.errors import BusError, ChipError
from meter.core.settings import Settings
from meter.core.state import RELAY_UNKNOWN
from meter.drivers import probe

from host_tests.bench.run.board import load_board

MODULES = ("meter.upkeep.selftest", "meter.upkeep.parts")


@pytest.fixture
def selftest(monkeypatch):
    monkeypatch.setitem(sys.modules, "board", load_board())
    machine = types.ModuleType("machine")
    monkeypatch.setitem(sys.modules, "machine", machine)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("meter.upkeep.selftest")
    yield module
    for name in MODULES:
        sys.modules.pop(name, None)


class Wire:
    """SPI without a part: what is read is what the wire happens to be at."""

    def __init__(self, byte):
        self._byte = byte

    def write_readinto(self, tx, rx):
        rx[:] = bytes(self._byte() for _ in rx)


@pytest.mark.parametrize("byte", [lambda: 0, lambda: 0xFF, random.Random(6).randrange], ids=["low", "high", "floating"])
@pytest.mark.parametrize("board", ["esp32_devkit", "esp32_atm90e26"])
def test_a_wire_is_no_metering_ic(byte, board):
    wire = Wire((lambda: byte(256)) if isinstance(getattr(byte, "__self__", None), random.Random) else byte)
    with pytest.raises(BusError):
        probe.metering_ic(load_board(board).MeterIc(wire, lambda level: None, Settings()))


class Bus:
    """One that `answer`s with a byte, or an error, after this many `naps` of the part."""

    def __init__(self, answer, naps=0):
        self._answer, self._naps = answer, naps
        self.asked = []

    def readfrom_into(self, addr, into):
        self.asked.append(addr)
        if isinstance(self._answer, OSError) or len(self.asked) <= self._naps:
            raise OSError(19)
        into[0] = self._answer

    def readfrom_mem_into(self, addr, register, into):
        assert register == 0x0F
        self.readfrom_into(addr, into)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(probe, "time", types.SimpleNamespace(sleep_ms=lambda ms: None))


@pytest.mark.parametrize("naps", [0, 1, 2])
def test_a_reader_that_must_be_woken_is_there(quick, naps):
    bus = Bus(0, naps)
    probe.pn532(bus)
    assert bus.asked == [0x24] * (naps + 1)


def test_a_reader_that_three_calls_do_not_wake_is_not(quick):
    bus = Bus(0, 3)
    with pytest.raises(BusError):
        probe.pn532(bus)
    assert bus.asked == [0x24] * 3


@pytest.mark.parametrize(
    ("answer", "error"), [(OSError(19), BusError), (0x80, ChipError), (0x88, ChipError), (0x08, None), (0, None)]
)
def test_a_clock_is_there_and_has_the_time_or_not(answer, error):
    bus = Bus(answer)
    with pytest.raises(error) if error else nullcontext():
        probe.ds3231(bus)
    assert bus.asked == [0x68]


@pytest.mark.parametrize(("answer", "error"), [(OSError(19), BusError), (0xFF, None)])
def test_of_display_and_fram_an_answer_is_all_there_is_to_see(answer, error):
    bus = Bus(answer)
    with pytest.raises(error) if error else nullcontext():
        probe.answers(bus, 0x27)
    assert bus.asked == [0x27]


# -- the table ------------------------------------------------------------------------------------


@pytest.fixture
def esp32(monkeypatch):
    """Has a partition for the rings, as long as `rings` says so."""
    found = types.SimpleNamespace(rings=True)
    found.Partition = types.SimpleNamespace(find=lambda type, label: [label] if found.rings else [])
    monkeypatch.setitem(sys.modules, "esp32", found)
    return found


def rows(selftest, faults=0, buses=None, panel="there", free_kib=100, ready=True, relay_closed=1):
    books = types.SimpleNamespace(faults=faults, ready=ready, s=types.SimpleNamespace(relay_closed=relay_closed))
    return {name: state for name, state, _ in selftest.table(books, panel, buses or (Bus(0),), free_kib)}


NAMES = ["meter_ic", "display", "clock", "fram", "card", "relay", "storage", "settings", "tariff", "keys"]


def test_rows_are_in_the_order_of_the_line_and_each_says_what_to_look_at(selftest, esp32):
    books = types.SimpleNamespace(faults=0, ready=True, s=types.SimpleNamespace(relay_closed=1))
    found = list(selftest.table(books, None, (Bus(0),), 100))
    assert [name for name, *_ in found] == NAMES
    assert all(hint and "%" not in hint for *_, hint in found)


@pytest.mark.parametrize(
    ("name", "state", "how"),
    [
        ("meter_ic", "missing", {"faults": codes.FAULT_METER_IC}),
        ("display", "missing", {"buses": (Bus(OSError(19)),)}),
        ("clock", "missing", {"buses": (Bus(OSError(19)),)}),
        ("clock", "unset", {"buses": (Bus(0x80),)}),
        ("fram", "missing", {"buses": (Bus(OSError(19)),), "faults": codes.FAULT_FRAM}),
        ("fram", "fault", {"faults": codes.FAULT_FRAM}),
        ("fram", "fault", {"faults": codes.FAULT_FRAM_KEEPS}),
        ("card", "missing", {"faults": codes.FAULT_CARD_READER}),
        ("card", "off", {"faults": codes.FAULT_CARD_READER | codes.FAULT_SAFE_MODE}),
        ("card", "off", {"panel": None}),
        ("relay", "fault", {"faults": codes.FAULT_RELAY}),
        ("relay", "fault", {"relay_closed": RELAY_UNKNOWN}),
        ("relay", "open", {"relay_closed": RELAY_UNKNOWN, "ready": False}),
        ("relay", "open", {"relay_closed": 0}),
        ("relay", "closed", {}),
        ("storage", "fault", {"free_kib": -1}),
        ("storage", "missing", {"rings": False}),
        ("storage", "fault", {"faults": codes.FAULT_FLASH}),
        ("storage", "ok", {"free_kib": 0}),
        ("settings", "none", {"faults": codes.FAULT_SETTINGS}),
        ("tariff", "none", {"faults": codes.FAULT_TARIFF}),
        ("keys", "none", {"faults": codes.FAULT_KEYS}),
        *[(name, "ok", {}) for name in NAMES if name != "relay"],
    ],
)
def test_a_row_says(selftest, esp32, name, state, how):
    esp32.rings = how.pop("rings", True)
    assert rows(selftest, **how)[name] == state


@pytest.mark.parametrize(
    "manifest", [None, b"", b"\xff" * 4096, bytes(4096), b" " * 200, b"x" * 70 + b"\n"], ids=range(6)
)
def test_a_manifest_that_is_none_gives_one_word_all_the_same(selftest, monkeypatch, tmp_path, manifest):
    if manifest is not None:
        (tmp_path / "manifest").write_bytes(manifest)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    version = selftest._version()
    assert version.split() == [version]
