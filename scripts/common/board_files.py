# SPDX-License-Identifier: Apache-2.0
"""The folders of boards/ as the tools on the computer read them: which there are, constants of board.py, board.toml.

board.py is read, not run: it imports MicroPython's modules. Raises BoardFileError; root is another place of folders.
"""

import ast
import re
import tomllib
from pathlib import Path

BOARDS = Path(__file__).resolve().parents[2] / "boards"


class BoardFileError(Exception):
    """str() names the file, and says what is wrong with it and what to do."""


def names(root: Path = BOARDS) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/board.py"))


def text(board: str, file: str, root: Path = BOARDS) -> str:
    try:
        return (root / board / file).read_text()
    except OSError as e:
        raise BoardFileError(f"boards/{board}/{file} cannot be read: {e.strerror}. Every board needs one.") from None


def toml(board: str, root: Path = BOARDS) -> dict:
    try:
        return tomllib.loads(text(board, "board.toml", root))
    except tomllib.TOMLDecodeError as e:
        raise BoardFileError(f"boards/{board}/board.toml is incomplete ({e}). Correct it.") from None


def constants(board: str, root: Path = BOARDS) -> dict:
    return parse(text(board, "board.py", root), f"boards/{board}/board.py")


def parse(source: str, where: str) -> dict:
    """Constants of a board.py: NAME = value, NAME = const(value), MeterIc = its driver's name."""
    found = {}
    try:
        body = ast.parse(source, where).body
    except SyntaxError as e:
        raise BoardFileError(f"{where}, line {e.lineno}: {e.msg}. Correct it.") from None
    for node in body:
        if not isinstance(node, ast.Assign):
            continue
        target = ast.unparse(node.targets[0])
        value = re.sub(r"^const\((.*)\)$", r"\1", ast.unparse(node.value))
        if target in found:
            raise BoardFileError(f"{where}, line {node.lineno}: {target} is there twice. Remove one.")
        try:
            found[target] = ast.literal_eval(value)
        except ValueError:
            found[target] = value
    return found
