# SPDX-License-Identifier: Apache-2.0
"""The board file the bench is wired by: the same one the device gets."""

import importlib.util
from pathlib import Path

BOARDS = Path(__file__).resolve().parents[3] / "boards"


def load_board(name: str = "esp32_devkit"):
    spec = importlib.util.spec_from_file_location("board", BOARDS / name / "board.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
