# SPDX-License-Identifier: Apache-2.0
"""What all commands share: their options, and what they are made into."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.common.refusals import refusals
from scripts.supplier.errors import VendError
from scripts.supplier.keys import KeySet
from scripts.vend import options as shop

from . import firmware, trust
from .errors import ProvisionError, RefusedError
from .identity import Source
from .numbers import NAME, Numbers

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The meter's number: 1 to 12 digits, capitals or '-'")]
BoardOption = Annotated[str, typer.Option("--board", help="Board variant: which of boards/")]
PortOption = Annotated[str, typer.Option("--port", envvar="PENNYWATT_PORT", help="The board's serial port")]
TariffOption = Annotated[Path | None, typer.Option("--tariff", help="Tariff document")]
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Template of the settings document (default: the house's)")
]
TrustOption = Annotated[
    Path | None, typer.Option("--trust", envvar="PENNYWATT_TRUST", help="Public key of your firmware bundles")
]
VersionOption = Annotated[int | None, typer.Option("--key-version", help="Of the master keys (default: the newest)")]
DemoOption = Annotated[bool, typer.Option("--demo", help="A development board: demo keys, and never provisioned")]
AgainOption = Annotated[bool, typer.Option("--again", help="Also on a meter that has been somebody: says what changes")]
FirmwareOption = Annotated[str, typer.Option("--firmware", help="Firmware version on the label (default: this tree's)")]
YearOption = Annotated[int, typer.Option("--year", help="Year made, on the label (default: this one)")]

BOARD = "esp32_devkit"
plain = refusals("provision", ProvisionError, VendError)


def source(
    board: str,
    settings: Path | None,
    tariff: Path | None,
    trust_key: Path | None,
    keys: Path,
    passphrase_file: Path | None,
    key_version: int | None,
    demo: bool,
) -> Source:
    """What the options come to. The passphrase is asked last, when all else is there."""
    if keys == shop.DEMO and not demo:
        raise RefusedError(
            "Everybody knows the demo keys. Name your own with --keys; for a development board, say --demo."
        )
    template = firmware.load(settings) if settings else None
    tariff_document = firmware.load(tariff) if tariff else None
    key = trust.load(trust_key) if trust_key else None
    if not demo and (tariff_document is None or key is None):
        return Source(KeySet.demo(), board, template, tariff_document, key)  # check_source() says what is missing
    masters = KeySet.demo() if demo else shop.open_keys(keys, passphrase_file)
    files = str(settings or ""), str(tariff or "")
    return Source(masters, board, template, tariff_document, key, key_version, demo, *files)


def numbers(keys: Path, journal: Path | None, demo: bool) -> Numbers | None:
    """The journal beside the keys; None for development boards, whose numbers nobody keeps."""
    return None if demo else Numbers(keys.with_name(NAME) if journal is None else journal)


def version_or(text: str) -> str:
    import tomllib

    return text or tomllib.loads((firmware.ROOT / "pyproject.toml").read_text())["project"]["version"]


def year_or(year: int) -> int:
    import datetime

    return year or datetime.date.today().year
