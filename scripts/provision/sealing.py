# SPDX-License-Identifier: Apache-2.0
"""Sealing a meter. There is one seal, the calibration's: scripts/calibrate writes a sealed document, and the firmware
keeps its SHA-256 in FRAM at the next start and takes no other from then on (firmware/meter/storage/seal.py).

Here that is done for a meter that has its identity, and looked at afterwards in the FRAM itself. A board without FRAM
has no place for it: there the document alone says that it is sealed.
Raises BoardError, RefusedError, StartError.
"""

import time
from collections.abc import Callable
from hashlib import sha256

from scripts.calibrate import document as calibrations
from scripts.calibrate.errors import DocumentError as CalibrationError
from scripts.common import board_files, meter_code

from . import agent, firmware
from .board import CALIBRATION, Board
from .errors import BoardError, RefusedError, StartError
from .found import Found

HELD, NO_FRAM, OTHER, EMPTY, UNKNOWN = "held", "no FRAM", "another", "not sealed yet", "not readable"
_ANOTHER = "Put the one from then back, or replace the FRAM."
_LACKS = {
    OTHER: f"Its FRAM holds the seal of another calibration, so this one is not in force. {_ANOTHER}",
    EMPTY: "Its FRAM does not hold the seal of its calibration. Seal it again ('provision seal').",
    UNKNOWN: "The seal in its FRAM cannot be read. Check the FRAM, then seal the meter again ('provision seal').",
}
_SETTLE_S = 5  # from the self-test's line until the seal has been written, and more


def prepare(found: Found) -> dict:
    """The sealed form of the calibration on a board. RefusedError when it must not be sealed."""
    if not found.known or not found.provisioned:
        raise RefusedError("This meter is not provisioned. Provision it first ('provision meter'), then seal it.")
    if found.calibration is None:
        raise RefusedError("This meter has no calibration. Calibrate it first ('make calibrate'), then seal it.")
    if why := _objection(found, found.calibration):
        raise RefusedError(why)
    if found.calibration["sealed"]:
        return found.calibration
    try:
        return calibrations.sealed(found.calibration)
    except CalibrationError as e:
        raise RefusedError(str(e)) from None


def _objection(found, calibration):
    why = calibrations.objection(calibration, found.number)
    if not why and found.provisioned:
        scale = firmware.settings(found.settings).current_scale
        if calibration["current_scale"] != scale:
            why = f"current_scale: is {calibration['current_scale']}, and by the settings' max_a it is {scale}"
    return why and f"The meter itself would refuse its calibration. {why}. Calibrate it again, then seal it."


def judge(board: Board, found: Found, name: str) -> tuple[str, str]:
    """(what a meter's calibration is, why that is not for a house; "": it is)."""
    if found.calibration is None:
        return "none", "It has no calibration. Calibrate it ('make calibrate'), then seal it ('provision seal')."
    if why := _objection(found, found.calibration):
        return "refused", why
    if not found.sealed_for:
        return "not sealed", "Its calibration is not sealed. Seal it ('provision seal')."
    held = in_fram(board, name, found.calibration)
    return f"sealed, FRAM: {held}", _LACKS.get(held, "")


def write(board: Board, found: Found, sealed: dict) -> None:
    """Put the sealed document in place of the other; the file is replaced in one step."""
    if sealed != found.calibration:
        board.put(CALIBRATION, firmware.packed(sealed))
        if firmware.parse(board.get(CALIBRATION) or b"", CALIBRATION) != sealed:
            raise BoardError("The board has not kept the sealed calibration. Check its free space, and start again.")


def in_fram(board: Board, name: str, document: dict) -> str:
    """HELD, or why the FRAM does not hold this document's seal."""
    place = _fram(name)
    if place is None:
        return NO_FRAM
    meter_code.use()
    from meter.storage import seal

    said = board.ask(agent.read_fram(*place, seal.BASE, seal.SIZE), "The FRAM was not read")
    if not isinstance(said, str):
        return UNKNOWN
    kept = seal.read(_Record(bytes.fromhex(said)))
    if kept is None:
        return UNKNOWN
    if not kept:
        return EMPTY
    return HELD if kept == _digest(document) else OTHER


def confirm(board: Board, name: str, document: dict, sleep: Callable[[float], None] = time.sleep) -> str:
    """HELD or NO_FRAM, after a restart; StartError for anything else."""
    sleep(_SETTLE_S)
    state = in_fram(board, name, document)
    if state == OTHER:
        raise StartError(
            "Another calibration has been sealed in this meter's FRAM before, and this one will never be in force."
            f" {_ANOTHER}"
        )
    if state not in (HELD, NO_FRAM):
        raise StartError(
            f"The calibration is sealed, and the FRAM does not hold the seal ({state})."
            " Check the FRAM, restart the meter, and give the same command again."
        )
    return state


class _Record:
    """The seal's record where the firmware's code looks for the part."""

    def __init__(self, content):
        self._content = content

    def read_into(self, offset, buf):
        buf[:] = self._content


def _digest(document):
    rising = sorted((int(addr, 16), word) for addr, word in document["registers"].items())
    registers = ",".join(f"{addr:02X}={word:04X}" for addr, word in rising)
    return sha256(
        f"{document['serial']}|{document['ic']}|{document['current_scale']}|1|{registers}".encode()
    ).digest()


def _fram(name):
    """(scl, sda, frequency, address) of a board's FRAM; None: it has none."""
    try:
        found = board_files.constants(name)
    except board_files.BoardFileError as e:
        raise BoardError(str(e)) from None
    addr = found["FRAM_ADDR"]
    return None if addr is None else (found["I2C_SCL"], found["I2C_SDA"], found["I2C_FREQ"], addr)
