# SPDX-License-Identifier: Apache-2.0
"""calibration.json: registers a meter's IC is started with, under a check sum, sealed or not.

The form and the check sum are those of firmware/meter/documents/calibration_doc.py, whose word counts: a document this
module writes has passed that check.
"""

import json
import os
import re
import zlib
from pathlib import Path

from ..common import meter_code, read_json
from ..common.errors import shown
from .errors import DocumentError

IC = "atm90e32"
_SERIAL = re.compile(r"[0-9A-Z-]{1,12}")


def check_sum(document: dict) -> str:
    rising = sorted((int(addr, 16), word) for addr, word in document["registers"].items())
    registers = ",".join(f"{addr:02X}={word:04X}" for addr, word in rising)
    sealed = 1 if document["sealed"] else 0
    text = f"{document['serial']}|{document['ic']}|{document['current_scale']}|{sealed}|{registers}"
    return f"{zlib.crc32(text.encode()):08X}"


def make(serial: str, scale: int, words: dict[int, int], sealed: bool = False, ic: str = IC) -> dict:
    """A document with its check sum. Raises DocumentError when a meter would not take it."""
    if not _SERIAL.fullmatch(serial):
        raise DocumentError(f"{shown(serial)} is no meter's number: 1 to 12 digits, capitals or '-'. Correct --meter.")
    if ic not in (known := meter_code.parts()):
        raise DocumentError(f"There is no IC {shown(ic)}. Say one of {', '.join(sorted(known))} with --ic.")
    registers = {f"{addr:02X}": word for addr, word in sorted(words.items())}
    document = {"serial": serial, "ic": ic, "current_scale": scale, "registers": registers, "sealed": sealed}
    document["crc32"] = check_sum(document)
    _check(document, "This calibration")
    return document


def words(document: dict) -> dict[int, int]:
    return {int(addr, 16): word for addr, word in document["registers"].items()}


def word(text: str) -> tuple[int, int]:
    """Address and word of "31=6B2A". Raises DocumentError."""
    if not (read := re.fullmatch(r"([0-9A-Fa-f]{2})=([0-9A-Fa-f]{1,4})", text)):
        raise DocumentError(f'{shown(text)} is no register and word. Write both in hexadecimal, like this: 31=6B2A.')
    return int(read[1], 16), int(read[2], 16)


def table(texts: list[str]) -> dict[int, int]:
    """All words of ["31=6B2A", "32=7C04"]. Raises DocumentError."""
    found: dict[int, int] = {}
    for addr, value in map(word, texts):
        if addr in found:
            raise DocumentError(f"Register {addr:02X} is given twice. Leave one of the two away.")
        found[addr] = value
    return found


def objection(document: dict, number: str = "") -> str:
    """What a meter with this IC and this range of currents would say against it; "": it would take it."""
    known = meter_code.parts()
    ic = document.get("ic") if isinstance(document, dict) else None
    if ic not in known:
        return f"ic: must be one of {', '.join(sorted(known))}"
    from meter.core.settings import Settings
    from meter.documents import calibration_doc

    settings = Settings()
    settings.meter_number = number
    settings.current_scale = 2 if document.get("current_scale") == 2 else 1
    try:
        meter_code.asked(calibration_doc.parse, document, settings, known[ic])
    except meter_code.Objection as e:
        return str(e)
    return ""


def _check(document: dict, what: str) -> None:
    if why := objection(document):
        raise DocumentError(f"{what} would be refused by its meter. {why}.")


def load(path: Path) -> dict:
    """A document that a meter would take. Raises DocumentError, and InputError for a file that is none."""
    if not path.exists():
        raise DocumentError(f"{path} cannot be read: there is no such file. Calibrate first, or name another file.")
    document = read_json(path)
    _check(document, str(path))
    return document


def refuse_other(path: Path, serial: str) -> dict | None:
    """The document there is, to be replaced; None: there is none. DocumentError if it is another meter's, is sealed, or
    cannot be told to be neither."""
    if not path.exists():
        if not os.access(path.parent, os.W_OK):  # found before an hour of calibrating, not after
            raise DocumentError(f"{path} cannot be written: there is no such folder. Name another file with --out.")
        return None
    there = load(path)
    if there["serial"] != serial:
        raise DocumentError(
            f"{path} is the calibration of meter {there['serial']}, and this is {serial}. Name another file with --out."
        )
    if there["sealed"]:
        raise DocumentError(
            f"{path} is sealed and is not overwritten: its meter takes no other calibration."
            " Name another file with --out; to calibrate the meter again, its FRAM must be replaced."
        )
    return there


def save(path: Path, document: dict) -> None:
    """Write it whole or not at all; a sealed one stays, and another meter's. Raises DocumentError."""
    refuse_other(path, document["serial"])
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(json.dumps(document, indent=1) + "\n")
        os.replace(new, path)
    except OSError as e:
        raise DocumentError(f"{path} cannot be written: {e.strerror}. Name another file with --out.") from e


def sealed(document: dict) -> dict:
    """The same calibration, sealed."""
    if document["sealed"]:
        raise DocumentError("This calibration is sealed already; there is nothing to do.")
    return make(document["serial"], document["current_scale"], words(document), sealed=True, ic=document["ic"])
