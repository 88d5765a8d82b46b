# SPDX-License-Identifier: Apache-2.0
"""What a board's folder says of its chip and flash: board.toml, partitions.csv, and pins out of board.py.

Sizes and offsets in bytes. Raises LayoutError.
"""

from dataclasses import dataclass
from pathlib import Path

from scripts.board.errors import LayoutError
from scripts.common import board_files
from scripts.common.board_files import BOARDS, BoardFileError
from scripts.image.partition_table import APP, Row, TableError, parse_csv

ROOT = BOARDS.parent
BOARD = "esp32_devkit"
CHIP_IDS = {"esp32": 0, "esp32s3": 9}  # of Espressif's image header
_MIB = 1 << 20


@dataclass(frozen=True)
class Pinned:
    """A MicroPython image. size: 0 where it is not known."""

    version: str
    url: str
    sha256: str
    offset: int
    size: int = 0


@dataclass(frozen=True)
class Board:
    name: str
    chip: str
    flash_size: int
    micropython: Pinned
    table: tuple[Row, ...]
    pins: dict[str, int]

    def row(self, name: str) -> Row:
        for row in self.table:
            if row.name == name:
                return row
        raise LayoutError(f"The board {self.name} has no partition {name}. Add it to its partitions.csv.")

    @property
    def app(self) -> Row:
        """Where a MicroPython image has its program: the first partition for one."""
        rows = sorted((row for row in self.table if row.type == APP), key=lambda row: row.offset)
        if not rows:
            raise LayoutError(f"The board {self.name} has no partition for a program. Add it to its partitions.csv.")
        return rows[0]


def load(name: str, root: Path = BOARDS, place: bool = False) -> Board:
    """place: with the partitions of our own build, which runs slots in place."""
    csv = "partitions-place.csv" if place else "partitions.csv"
    known = board_files.names(root)
    if name not in known:
        raise LayoutError(f"There is no board {name}. Say one of these with BOARD=: {', '.join(known)}.")
    if place and not (root / name / csv).exists():
        built = [other for other in known if (root / other / csv).exists()]
        raise LayoutError(f"{name} is built as another board. PROFILE=place goes with BOARD=: {', '.join(built)}.")
    try:
        facts, constants = board_files.toml(name, root), board_files.constants(name, root)
        table = tuple(parse_csv(board_files.text(name, csv, root)))
        pinned = facts["micropython"]
        made = Board(
            name, facts["chip"], facts["flash_mib"] * _MIB,
            Pinned(pinned["version"], pinned["url"], pinned["sha256"], pinned["offset"], pinned.get("bytes", 0)),
            table, {key: value for key, value in constants.items() if isinstance(value, int)},
        )  # fmt: skip
    except BoardFileError as e:
        raise LayoutError(str(e)) from None
    except KeyError as e:
        raise LayoutError(f"boards/{name}/board.toml is incomplete ({e}). Compare it with that of {BOARD}.") from None
    except TableError as e:
        raise LayoutError(f"boards/{name}/{csv} is no partition table: {e}. Correct it.") from None
    if made.chip not in CHIP_IDS:
        raise LayoutError(f"boards/{name}/board.toml names the chip {made.chip}. Known are {', '.join(CHIP_IDS)}.")
    end = max(row.end for row in table)
    if end > made.flash_size:
        raise LayoutError(
            f"The partitions of {name} end at 0x{end:x}, and its flash at 0x{made.flash_size:x}. Correct its"
            " partitions.csv, or flash_mib in board.toml."
        )
    return made
