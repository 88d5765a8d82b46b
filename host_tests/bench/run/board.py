# SPDX-License-Identifier: Apache-2.0
"""The board file the bench is wired by: the same one the device gets."""

from types import ModuleType

from scripts.common import board_files

BOARDS = board_files.BOARDS


def load_board(name: str = "esp32_devkit"):
    module = ModuleType("board")
    exec(compile(board_files.source(name, BOARDS), f"boards/{name}/board.py", "exec"), vars(module))
    return module
