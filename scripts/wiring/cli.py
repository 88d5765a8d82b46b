# SPDX-License-Identifier: Apache-2.0
"""python -m scripts.wiring: every board's wiring picture, and the table in boards/FIRST_BOARD.md, from board.py.

Exit codes: 0 done, or all is as it should be; 1 something is out of date; 2 misuse.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .boards import BOARDS, ROOT, WiringError, load, names
from .picture import picture
from .table import placed, table

SHOWN = "esp32_devkit"  # whose table is in FIRST_BOARD.md


def made(page: Path) -> dict[Path, str]:
    """Every file that is made here -> what must be in it."""
    files = {BOARDS / name / "wiring.svg": picture(load(name)) for name in names()}
    files[page] = placed(page.read_text(), load(SHOWN), page.name)
    return files


def stale(files: dict[Path, str]) -> list[Path]:
    return [path for path, text in files.items() if not path.exists() or path.read_text() != text]


def _run(
    board: Annotated[str, typer.Option(help="A folder of boards/, whose table is printed")] = SHOWN,
    write: Annotated[bool, typer.Option("--write", help="Write pictures and the page's table")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether they are up to date")] = False,
    page: Annotated[Path, typer.Option(help="Where the table goes")] = BOARDS / "FIRST_BOARD.md",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
):
    """Print a board's wiring table, or write or check pictures and page."""
    if write and check:
        raise typer.BadParameter("--write or --check, not both")
    try:
        if not write and not check:
            print(json.dumps({"board": board, "pins": load(board).pins}) if as_json else table(load(board)), end="")
            return
        files = made(page)
    except (OSError, WiringError) as e:
        print(f"wiring: {e}", file=sys.stderr)
        raise typer.Exit(1) from None
    old = stale(files)
    if write:
        for path in old:
            path.write_text(files[path])
    _tell(old, write, as_json)
    if check and old:
        print("wiring: board.py has changed since. Run: make wiring", file=sys.stderr)
        raise typer.Exit(1)


def _tell(old, written, as_json):
    listed = [path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path) for path in old]
    if as_json:
        print(json.dumps({"written" if written else "stale": listed}))
    elif listed:
        print(f"wiring: {'wrote' if written else 'out of date:'} {', '.join(listed)}")
    else:
        print("wiring: up to date")


def main() -> None:
    typer.run(_run)
