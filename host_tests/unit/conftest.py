# SPDX-License-Identifier: Apache-2.0
"""Raw flash for firmware in unit tests: esp32.Partition, over a chip of its own for each test. And, for tests that
go through months, firmware that does not drop what it needs for a moment only."""

import contextlib
import sys
import types

import pytest
from meter import heap

from host_tests.stands.flash_cuts import CutFlash


class Partition:
    """esp32.Partition as far as the firmware asks for it. dev: what the partition `rings` is."""

    dev: CutFlash

    @staticmethod
    def find(kind=0, label=None):
        assert (kind, label) == (1, "rings"), "there is no such partition"
        return [Partition.dev]


def new_rings() -> CutFlash:
    """An erased partition in place of the one before."""
    Partition.dev = CutFlash(256)
    return Partition.dev


_ESP32 = types.ModuleType("esp32")
_ESP32.Partition = Partition  # pyright: ignore[reportAttributeAccessIssue]
new_rings()


@pytest.fixture(scope="session", autouse=True)
def _esp32():
    """For what a whole file of tests shares."""
    before = sys.modules.get("esp32")
    sys.modules["esp32"] = _ESP32
    yield
    if before is None:
        sys.modules.pop("esp32", None)
    else:
        sys.modules["esp32"] = before


@pytest.fixture(autouse=True)
def rings(monkeypatch) -> CutFlash:
    """The partition, erased."""
    monkeypatch.setitem(sys.modules, "esp32", _ESP32)
    return new_rings()


def _firmware():
    return {name: module for name, module in sys.modules.items() if name.startswith("meter.")}


@contextlib.contextmanager
def modules_stay():
    """The firmware loads some of its code again each minute: on CPython that would take most of a test's time."""
    let_go, before = heap._let_go, _firmware()
    heap._let_go = lambda module: None
    try:
        yield
    finally:
        heap._let_go = let_go
        # What is inside a package before the package itself: it is taken out of it.
        for name in sorted(_firmware().keys() - before.keys(), reverse=True):
            let_go(name.partition(".")[2])


@pytest.fixture
def loaded():
    with modules_stay():
        yield
