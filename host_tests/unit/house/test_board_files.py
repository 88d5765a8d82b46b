# SPDX-License-Identifier: Apache-2.0
"""The folders of boards/ as the tools read them. That board.py is read as it runs: test_boards.py."""

import pytest

from scripts.common import board_files
from scripts.common.board_files import BoardFileError


@pytest.fixture
def mine(tmp_path):
    """A folder of boards with one, `mine`, which has no board.toml yet."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/board.py").write_text("")
    (tmp_path / "no_board").mkdir()
    return tmp_path


def test_a_board_is_a_folder_with_a_board_py(mine):
    assert board_files.names(mine) == ["mine"]
    assert "esp32_devkit" in board_files.names()


@pytest.mark.parametrize(
    "source, value",
    [
        ("A = const(0x27)", 0x27),
        ("A = const(100_000)  # hertz", 100_000),
        ("A = 7", 7),
        ("A = None", None),
        ("A = 'esp32'", "esp32"),
        ("A = Atm90e32", "Atm90e32"),
    ],
)
def test_a_constant_has_the_value_it_has_on_the_board(source, value):
    assert board_files.parse(f"from micropython import const\n{source}\n", "board.py") == {"A": value}


def test_constants_and_facts_of_a_board_in_this_tree():
    assert board_files.constants("esp32_nofram")["FRAM_ADDR"] is None
    assert board_files.toml("esp32_devkit")["chip"] == "esp32"


@pytest.mark.parametrize(
    "source, says",
    [
        ("A = const(1)\nA = const(2)", r"mine/board\.py, line 2: A is there twice"),
        ("A = 1\nB = 2\nA = 3", "line 3"),
        ("A = 1\nB = const(", r"mine/board\.py, line 2: .* Correct it"),
    ],
)
def test_a_board_py_that_is_none_is_named_with_its_line(mine, source, says):
    (mine / "mine/board.py").write_text(source)
    with pytest.raises(BoardFileError, match=says):
        board_files.constants("mine", mine)


def test_a_board_toml_that_is_none_is_named(mine):
    (mine / "mine/board.toml").write_text("chip = ")
    with pytest.raises(BoardFileError, match=r"boards/mine/board\.toml is incomplete"):
        board_files.toml("mine", mine)


def test_a_file_that_is_not_there_is_named(mine):
    with pytest.raises(BoardFileError, match=r"boards/mine/board\.toml cannot be read: No such file"):
        board_files.toml("mine", mine)


# -- boards that take what another one says -------------------------------------------------------


def test_a_board_has_what_it_takes_and_what_it_says_itself_counts(mine):
    (mine / "base.py").write_text("from micropython import const\nA = const(1)\nB = const(2)\n")
    (mine / "mine/board.py").write_text("from boards.base import *\nB = const(3)\nC = 4\n")
    (mine / "yours").mkdir()
    (mine / "yours/board.py").write_text("from boards.mine.board import *\nA = None\n")
    assert board_files.constants("mine", mine) == {"A": 1, "B": 3, "C": 4}
    assert board_files.constants("yours", mine) == {"A": None, "B": 3, "C": 4}


def test_the_meter_gets_one_module_with_each_constant_once_and_the_driver_it_names(mine):
    (mine / "base.py").write_text("from a import Drop\nfrom micropython import const\nIc = Drop\nPIN = const(5)\n")
    (mine / "mine/board.py").write_text("from boards.base import *\nfrom b import Take\nIc = Take\n")
    assert board_files.source("mine", mine) == (
        "from micropython import const\nfrom b import Take\nIc = Take\nPIN = const(5)\n"
    )


def test_a_board_elsewhere_may_take_one_of_this_tree(mine):
    (mine / "mine/board.py").write_text("from boards.esp32_devkit.board import *\nFRAM_ADDR = None\n")
    assert board_files.constants("mine", mine) == board_files.constants("esp32_devkit") | {"FRAM_ADDR": None}


@pytest.mark.parametrize(
    "source, says",
    [
        ("from boards.nobody.board import *\n", r"boards/nobody/board\.py cannot be read"),
        ("from boards.mine.board import *\n", r"boards/mine/board\.py takes what it says itself"),
    ],
)
def test_a_board_that_takes_what_is_not_there_is_named(mine, source, says):
    (mine / "mine/board.py").write_text(source)
    with pytest.raises(BoardFileError, match=says):
        board_files.constants("mine", mine)
