# SPDX-License-Identifier: Apache-2.0
"""The link to a real board: its agent on the 32-bit MicroPython, the raw REPL's exchange, the document on the board.

With mpremote installed (`make device-tools`) its own transport is what talks; else three calls like its. Not tested
here: a board's USB serial chip, an ESP32's watchdog and timer, the part itself.
"""

import importlib.util
import json
import sys

import pytest

from host_tests.stands.raw_repl import INTERPRETER, Board, PlainTransport
from scripts.calibrate import agent, document
from scripts.calibrate.board import BoardLink, open_transport
from scripts.calibrate.errors import DocumentError, LinkError

HAS_MPREMOTE = importlib.util.find_spec("mpremote") is not None
SETTINGS = {0x61: 0x8123, 0x62: 0x7FF0, 0x48: 0x8003}


@pytest.fixture
def board(tmp_path):
    if not INTERPRETER.exists():
        pytest.skip("there is no 32-bit MicroPython here")
    made = Board(tmp_path)
    yield made
    made.close()


@pytest.fixture
def link(board):
    transport = open_transport(board.port) if HAS_MPREMOTE else PlainTransport(board.port)
    made = BoardLink(board.port, "esp32_devkit", transport)
    yield made
    made._transport.close()


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    # The board's root is a folder here.
    monkeypatch.setattr("scripts.calibrate.board.FILE", str(tmp_path / "calibration.json"))


def test_registers_are_read_and_written(link, board):
    assert link.read(0x61) == 0x8000
    link.write(0x61, 0xE41B)
    assert link.read(0x61) == 0xE41B and link.read(0x78) == 0xE41B
    assert board.broken_rules == []


def test_the_board_is_not_reset_on_the_way_in_for_boot_py_counts_starts(link, board):
    assert board.soft_resets == 0


def test_a_firmware_that_was_stopped_gets_an_hour_before_its_watchdog_bites(board):
    (board.root / "meter.py").write_text("")
    first = PlainTransport(board.port)
    first.enter_raw_repl(False)
    first.exec("import meter, machine")
    first.close()
    link = BoardLink(board.port, "esp32_devkit", PlainTransport(board.port))
    try:
        assert "False" in link._exec("import sys; print('meter' in sys.modules)")  # its heap is free
        assert (board.root / "watchdog").read_text().split() == ["3600000", "600000"]
    finally:
        link._transport.close()


def test_addresses_beyond_ff_reach_the_part(link):
    link.write(0x2FF, 0x55AA)
    assert link.read(0x2FF) == 0x55AA


def test_the_watchdog_is_fed_by_every_access_and_set_to_ten_minutes(link):
    before = int(link._exec("print(machine.WDT.fed)"))
    link.read(0x61)
    link.write(0x61, 1)
    assert int(link._exec("print(machine.WDT.fed)")) == before + 2
    assert link._exec("print(_w.timeout)").strip() == "600000"


def test_chip_select_and_bus_are_those_of_the_board(link):
    assert link._exec("print(sorted(machine.Pin.made))").strip() == "[5, 18, 19, 23]"


def test_what_the_board_cannot_do_is_a_sentence(link):
    with pytest.raises(LinkError, match="start again"):
        link._exec("r('x')")
    assert link.read(0x61) == 0x8000


def test_the_board_is_restarted_at_the_end(link, board):
    link.close()
    assert board.execs > 1
    link._transport = PlainTransport(board.port)


# -- the document ------------------------------------------------------------------------------------


def test_a_document_is_put_whole_and_the_one_before_kept(link, board):
    first, second = document.make("PW1", 1, {0x61: 0x8001}), document.make("PW1", 1, SETTINGS)
    assert link.document() is None
    link.upload(first)
    link.upload(second)
    assert json.loads((board.root / "calibration.json").read_text()) == second == link.document()
    assert json.loads((board.root / "calibration.old").read_text()) == first
    assert not (board.root / "calibration.new").exists()


def test_the_same_document_again_changes_nothing(link, board):
    made = document.make("PW1", 1, SETTINGS)
    link.upload(made)
    link.upload(made)
    assert not (board.root / "calibration.old").exists()


def test_a_sealed_document_on_the_board_is_not_replaced(link):
    made = document.make("PW1", 1, SETTINGS)
    link.upload(made)
    link.upload(document.sealed(made))
    with pytest.raises(DocumentError, match="FRAM"):
        link.upload(document.make("PW1", 1, {0x61: 0x8001}))
    with pytest.raises(DocumentError, match="FRAM"):
        link.upload(made)
    assert link.document()["sealed"]


# -- without a board ---------------------------------------------------------------------------------


def test_without_mpremote_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpremote.transport_serial", None)
    with pytest.raises(LinkError, match="make device-tools"):
        open_transport("/dev/null")


def test_a_board_that_does_not_enter_the_raw_repl_is_named():
    class Dumb:
        closed = False

        def enter_raw_repl(self, soft_reset):
            raise RuntimeError("could not enter raw repl")

        def close(self):
            self.closed = True

    dumb = Dumb()
    with pytest.raises(LinkError, match="reset button"):
        BoardLink("/dev/x", "esp32_devkit", dumb)
    assert dumb.closed


@pytest.mark.parametrize("board, words", [("nowhere", "esp32_devkit"), ("esp32_atm90e26", "ATM90E32AS only")])
def test_boards_the_agent_cannot_serve(board, words):
    with pytest.raises(LinkError, match=words):
        agent.source(board)
