# SPDX-License-Identifier: Apache-2.0
"""The folders of boards/ as the tools on the computer read them: which there are, board.py, board.toml.

A board.py may take what another one says (`from boards.base import *`): source() is all of it in one module, as the
meter has it. It is read, not run: it imports MicroPython's modules. Raises BoardFileError; root is another place of
folders, which may take what boards/ has.
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
    return _text(f"{board}/{file}", root)


def toml(board: str, root: Path = BOARDS) -> dict:
    try:
        return tomllib.loads(text(board, "board.toml", root))
    except tomllib.TOMLDecodeError as e:
        raise BoardFileError(f"boards/{board}/board.toml is incomplete ({e}). Correct it.") from None


def source(board: str, root: Path = BOARDS) -> str:
    """The module `board` of the meter: each constant once, and the imports they need."""
    imports, constants = {}, {}
    _take(f"{board}/board.py", root, imports, constants, ())
    needed = [line for name, line in imports.items() if any(re.search(rf"\b{name}\b", c) for c in constants.values())]
    return "\n".join(dict.fromkeys([*needed, *constants.values()])) + "\n"


def constants(board: str, root: Path = BOARDS) -> dict:
    return parse(source(board, root), f"boards/{board}/board.py")


def parse(source: str, where: str) -> dict:
    """Constants of a board.py: NAME = value, NAME = const(value), MeterIc = its driver's name."""
    found = {}
    for name, node in _assigned(_body(source, where), where).items():
        value = re.sub(r"^const\((.*)\)$", r"\1", ast.unparse(node.value))
        try:
            found[name] = ast.literal_eval(value)
        except ValueError:
            found[name] = value
    return found


def _take(file, root, imports, constants, by):
    """Put a file's imports and constants, and first those it takes of others, into the two: name -> line. by: files
    that take it."""
    where = f"boards/{file}"
    if file in by:
        raise BoardFileError(f"{where} takes what it says itself. Let it take boards/base.py.")
    body = _body(_text(file, root if (root / file).exists() else BOARDS), where)
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and node.names[0].name == "*":
            _take("/".join(node.module.split(".")[1:]) + ".py", root, imports, constants, (*by, file))
        elif isinstance(node, ast.ImportFrom):
            imports.update((alias.name, ast.unparse(node)) for alias in node.names)
    constants.update((name, ast.unparse(node)) for name, node in _assigned(body, where).items())


def _text(file, root):
    try:
        return (root / file).read_text()
    except OSError as e:
        raise BoardFileError(f"boards/{file} cannot be read: {e.strerror}. Every board needs one.") from None


def _body(source, where):
    try:
        return ast.parse(source, where).body
    except SyntaxError as e:
        raise BoardFileError(f"{where}, line {e.lineno}: {e.msg}. Correct it.") from None


def _assigned(body, where):
    """Name -> the statement that gives it its value."""
    found = {}
    for node in body:
        if isinstance(node, ast.Assign):
            name = ast.unparse(node.targets[0])
            if name in found:
                raise BoardFileError(f"{where}, line {node.lineno}: {name} is there twice. Remove one.")
            found[name] = node
    return found
