# SPDX-License-Identifier: Apache-2.0
"""Documents that go into an image, each asked of the firmware itself: what its meter would refuse goes into none.

    settings.json   settings.old      tariff.json, tariff.old, later.json (a tariff whose time has not come)
    calibration.json, calibration.old     keys.json     trust.key

They must fit each other, too: one currency, one number, and for a meter in a house all that it cannot do without.
Raises ImageError, and InputError for files that cannot be read as what they are.
"""

from pathlib import Path

from scripts.common import parse_json, read_bytes
from scripts.common.text_file import without_mark

SETTINGS, TARIFF, KEYS, TRUST = "settings.json", "tariff.json", "keys.json", "trust.key"
TARIFFS = (TARIFF, "tariff.old", "later.json")
CALIBRATIONS = ("calibration.json", "calibration.old")
NAMES = (SETTINGS, "settings.old", *TARIFFS, *CALIBRATIONS, KEYS, TRUST)
BYTES_MAX = 1 << 14


class ImageError(Exception):
    """The image could not be built; str() says why in one sentence."""


def read(specs: list[str], board: str, demo_signed: bool) -> dict[str, bytes]:
    """Name on the meter -> content. specs: FILE, or NAME=FILE; demo_signed: so is the firmware."""
    paths = _paths(specs)
    documents = {name: _content(name, path) for name, path in paths.items()}
    for name, why in _objections(documents, paths, board, demo_signed):
        raise ImageError(f"{paths[name]}: {why}".removesuffix("."))
    return documents


def _paths(specs):
    found = {}
    for spec in specs:
        name, _, path = spec.rpartition("=")
        name = (name or Path(path).name).removeprefix("/")
        if name not in NAMES:
            raise ImageError(
                f"{path}: no meter knows a document {name}. Name it as one of these, or as NAME=FILE: "
                + ", ".join(NAMES)
            )
        if name in found:
            raise ImageError(f"{path}: there is a {name} already, {found[name]}. Name one of them")
        found[name] = Path(path)
    return found


def _content(name, path):
    if name == TRUST:
        from scripts.provision import trust
        from scripts.provision.errors import ProvisionError

        try:
            return trust.load(path)
        except ProvisionError as e:
            raise ImageError(str(e).removesuffix(".")) from None
    return without_mark(read_bytes(path, BYTES_MAX))


def _objections(documents, paths, board, demo_signed):
    """The first thing wrong, as (name, why); the order is that of a meter's start."""
    from scripts.provision import firmware
    from scripts.provision.errors import DocumentError

    name = ""
    parsed = {name: parse_json(content, paths[name]) for name, content in documents.items() if name != TRUST}
    try:
        meter = firmware.settings({"meter_number": "0"})
        for name in ("settings.old", SETTINGS):
            if name in parsed:
                meter = firmware.settings(parsed[name])
        for name in TARIFFS:
            if name in parsed:
                firmware.tariff(parsed[name], meter.currency)
        if SETTINGS not in parsed:
            meter.meter_number = ""  # nobody knows whose calibration and keys these must be
        for name in CALIBRATIONS:
            if name in parsed:
                firmware.calibration(parsed[name], board, meter)
        name = KEYS
        if name in parsed:
            firmware.keys(parsed[name], meter.meter_number, meter.provisioned)
    except DocumentError as e:
        yield name, e
        return
    if meter.provisioned:
        yield from _lacking(documents, demo_signed)


def _lacking(documents, demo_signed):
    from scripts.provision import firmware

    for name, what in ((TARIFF, "its tariff: without one it counts at no price"), (KEYS, "its keys")):
        if name not in documents:
            yield SETTINGS, f"a provisioned meter needs {what}. Add {name} to DOCUMENTS"
    if demo_signed or firmware.is_demo_trust(documents.get(TRUST, b"")):
        yield SETTINGS, (
            "a provisioned meter takes no firmware signed with the demo key, which everybody has. Name your key (KEY=,"
            " --key)"
        )
