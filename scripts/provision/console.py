# SPDX-License-Identifier: Apache-2.0
"""What a meter says of itself after a restart: the line SELFTEST key=value …, and what that means in plain words.

Values of parts: ok, missing, fault, unset, none, off (not on this board); open or closed for the relay. Keys nobody
here knows are passed over.
Raises StartError and BoardError.
"""

import contextlib
from collections.abc import Callable

from .errors import BoardError, StartError, without_keys

_HOLDS = "The meter holds its documents, but how it came up is not known."
# What must be right for the meter to be who it is.
_IDENTITY = ("storage", "settings", "keys")
_PARTS = {
    "meter_ic": "the metering IC: check its supply and the four wires of SPI",
    "display": "the display: check its supply, SDA, SCL and address",
    "clock": "the clock: check SDA and SCL; set it if it only lost its time",
    "fram": "the FRAM: check SDA, SCL and its address pins",
    "card": "the card reader: check its wires, and that it is set to I2C",
    "relay": "the relay: check its coils and the sense wire",
    "storage": "the file system: flash the board again",
    "settings": "the settings: provision the meter again",
    "keys": "the keys: provision the meter again",
    "calibration": "the calibration: calibrate the meter, then seal it (provision seal)",
}


def lacking(report: dict[str, str]) -> list[str]:
    """One sentence for each part that is not as it should be."""
    return [
        f"{key}={value}: {_PARTS[key]}."
        for key, value in report.items()
        if key in _PARTS and value not in ("ok", "off", "open", "closed")
    ]


def judge(report: dict[str, str], board: str, provisioned: bool = True) -> None:
    """StartError unless this meter came up with its identity. Parts that are missing are no matter of it."""
    said = report.get("board", board)
    if said != board:
        raise StartError(f"The firmware on it is for the board {said}, and this is a {board}. Flash the right one.")
    for key in _IDENTITY:
        value = report.get(key, "ok" if key == "storage" else "not said")
        if value != "ok" and not (key == "keys" and value in ("none", "unset", "demo") and not provisioned):
            raise StartError(f"The meter came up without {_PARTS[key]} ({key}={value}).")


def wait(port: str, waited: Callable[[float, float], None] | None = None) -> dict[str, str]:
    """The self-test's report after one more restart, listened to from its first word: for as long as scripts.flash
    waits for a start. waited: see there, follow(). Raises StartError."""
    try:
        from scripts.board import console
        from scripts.board.errors import FlashError, PortError
    except ImportError as e:
        raise BoardError(f"The port cannot be listened to ({e}). Run 'make device-tools' once.") from None
    try:
        with contextlib.closing(console.restart(port)) as lines:
            return console.follow(lines, waited=waited).parts
    except PortError as e:
        raise BoardError(f"{_HOLDS} {without_keys(str(e))}") from None
    except FlashError as e:
        raise StartError(f"{_HOLDS} {without_keys(str(e))} Then run 'provision check'.") from None
