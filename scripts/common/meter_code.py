# SPDX-License-Identifier: Apache-2.0
"""The firmware's own code, for tools: its rules run on this computer, so that no tool has a second wording of them.

use() comes first; then `meter` and `loader` can be imported. Raises NoFirmwareError, Objection, BoardFileError.
"""

import importlib
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

from . import board_files
from .errors import NoFirmwareError

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "firmware"
_DRIVER = re.compile(r"^from (meter\.drivers[.\w]+) import (\w+)$(?=.*^MeterIc = \2$)", re.M | re.S)


class Objection(Exception):
    """str() is what a meter would say to a document."""


class Stumble(Objection):
    """It would not say anything but fail: the document has a form that its check does not expect."""


def is_here() -> bool:
    return PLACE.is_dir()


def use() -> None:
    """Make the firmware importable, and the one name of MicroPython it needs everywhere. Raise NoFirmwareError."""
    if not is_here():
        raise NoFirmwareError
    if str(PLACE) not in sys.path:
        sys.path.insert(0, str(PLACE))
    try:
        import micropython  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("micropython")
        stand_in.const = lambda value: value  # type: ignore[attr-defined]
        sys.modules["micropython"] = stand_in


def asked(check: Callable, *given):
    """Return what a check of the firmware makes of a document. Raise Objection."""
    from meter.core.errors import ConfigError

    try:
        return check(*given)
    except ConfigError as e:
        raise Objection(e.text) from None
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError, RecursionError, MemoryError) as e:
        raise Stumble(str(e)) from None


def part_of(board: str) -> tuple | None:
    """What the driver of a board's metering IC lets a calibration set; None: the board names none."""
    use()
    driver = _DRIVER.search(board_files.source(board))
    return getattr(importlib.import_module(driver[1]), driver[2]).calibrated() if driver else None


def parts() -> dict[str, tuple]:
    """Name of a metering IC -> what its driver lets a calibration set, for all that boards/ has."""
    found = [part_of(board) for board in board_files.names()]
    return {part[0]: part for part in found if part}
