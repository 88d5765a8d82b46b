# SPDX-License-Identifier: Apache-2.0
"""The firmware's sources: how it configures its IC, and its own check of a calibration document."""

import importlib
import re
import sys
import types
from pathlib import Path

from scripts.common import board_files

from .errors import CalibrateError

ROOT = Path(__file__).resolve().parents[2]
_DRIVER = re.compile(r"^from (meter\.drivers[.\w]+) import (\w+)$(?=.*^MeterIc = \2$)", re.M | re.S)


def use() -> None:
    """Make `meter` importable. Raises CalibrateError."""
    place = ROOT / "firmware"
    if not place.is_dir():
        raise CalibrateError("The firmware's sources are not here. Run this from the source tree.")
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
    try:
        import micropython  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("micropython")
        stand_in.const = lambda value: value  # type: ignore[attr-defined]
        sys.modules["micropython"] = stand_in


def settings(phases: int = 1, scale: int = 1, words: dict[int, int] | None = None, number: str = ""):
    """The settings of a meter with this calibration, as its driver takes them."""
    use()
    from meter.core.settings import Settings

    made = Settings()
    made.phases = phases
    made.current_scale = scale
    made.meter_number = number
    if words:
        made.calibrated = tuple(zip(*sorted(words.items()), strict=True))
    return made


def init_table(phases: int, scale: int, words: dict[int, int]) -> list[tuple[int, int]]:
    """(address, value) of every configuration register, in the order the firmware writes them."""
    made = settings(phases, scale, words)
    from meter.drivers.atm90e32.table import init_table as rows

    return [(addr, value) for _, addr, value in rows(made)]


def part_of(board: str) -> tuple | None:
    """What the driver of a board's metering IC lets a calibration set; None: the board names none."""
    use()
    driver = _DRIVER.search(board_files.source(board))
    return getattr(importlib.import_module(driver[1]), driver[2]).calibrated() if driver else None


def parts() -> dict[str, tuple]:
    """Name of a metering IC -> what its driver lets a calibration set, for all that boards/ has."""
    found = [part_of(board) for board in board_files.names()]
    return {part[0]: part for part in found if part}


def objection(document: dict, number: str = "") -> str:
    """What a meter with this IC and this range of currents would say against a calibration document; "" when it would
    take it."""
    known = parts()
    ic = document.get("ic") if isinstance(document, dict) else None
    if ic not in known:
        return f"ic: must be one of {', '.join(sorted(known))}"
    made = settings(scale=2 if document.get("current_scale") == 2 else 1, number=number)
    from meter.core.errors import ConfigError
    from meter.documents import calibration_doc

    try:
        calibration_doc.parse(document, made, known[ic])
    except ConfigError as e:
        return e.text
    return ""
