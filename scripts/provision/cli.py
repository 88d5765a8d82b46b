# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m scripts.provision --help`. Each is a few lines over the library beside it.

Exit codes: 0 done and good, 1 it did not come to its end or is not good, 2 refused, with the reason.
"""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from scripts.vend.options import KEYS, JournalOption, JsonOption, KeysOption, PassphraseOption

from . import batch as batches
from . import board as boards
from . import console, folder, identity, label, options, sealing, show, zones
from . import firmware as firmwares
from .errors import FileError, RefusedError
from .found import refuse
from .options import (
    BOARD,
    AgainOption,
    BoardOption,
    DemoOption,
    FirmwareOption,
    Number,
    PortOption,
    SettingsOption,
    TariffOption,
    TrustOption,
    VersionOption,
    YearOption,
    plain,
)

app = typer.Typer(
    help="Give meters their identity: number, keys, tariff, settings; verified, sealed, labelled.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
@plain
def meter(
    number: Number,
    board: BoardOption = BOARD,
    port: PortOption = "",
    out: Annotated[Path | None, typer.Option("--documents", help="A new folder instead, for make image")] = None,
    settings: SettingsOption = None,
    tariff: TariffOption = None,
    trust: TrustOption = None,
    keys: KeysOption = KEYS,
    passphrase_file: PassphraseOption = None,
    key_version: VersionOption = None,
    journal: JournalOption = None,
    again: AgainOption = False,
    demo: DemoOption = False,
    as_json: JsonOption = False,
):
    """Give one meter its identity: on a board (--port), or as a folder of documents."""
    if bool(port) == (out is not None):
        raise RefusedError("Say where to: --port /dev/ttyUSB0 for a board, or --documents DIR for a folder.")
    made = identity.make(
        options.source(board, settings, tariff, trust, keys, passphrase_file, key_version, demo), number
    )
    if out is not None:
        made = made.as_made(folder.keys_made(out, identity.KEYS))
        with options.numbers(keys, journal, demo) or nullcontext() as book:
            _to_folder(made, out, book, again)
        show.made({**made.summary(), "documents": str(out)}, as_json)
        return
    with boards.opened(port) as link:
        found = link.look()
        made = found.as_there(made)
        changes = refuse(found, made, again)
        show.changes(changes, as_json)
        if made.key_version < (found.key_version or 0) and key_version is None and changes:
            raise RefusedError(
                f"The meter has keys of version {found.key_version}, and the key file's newest are {made.key_version}."
                " Use the newest key file, or say --key-version."
            )
        with options.numbers(keys, journal, demo) or nullcontext() as book:
            _to_board(made, link, found, book, again, as_json)
        with show.waiting(as_json) as waited:
            report = console.wait(port, waited)
    show.made({**made.summary(), "port": port, "changed": changes, "selftest": report}, as_json)
    show.lacking(console.lacking(report))
    console.judge(report, board, made.provisioned)


def _to_folder(made, out, book, again):
    if book is None:
        folder.write(out, made.files)
        return
    data = {"board": made.board, "key_version": made.key_version, "way": "folder"}
    with book.giving(made.number, b"", data, again) as done:
        if folder.same(out, made.files):  # a crash came just before the number was noted
            done()
        else:
            folder.write(out, made.files, done)


def _to_board(made, link, found, book, again, as_json):
    told = show.told(as_json)
    if book is None:
        link.write(made, found, told)
        return
    if not found.differs(made) and not found.stale() and book.given(made.number):
        return  # else a crash came just before the number was noted
    uid = bytes.fromhex(found.uid)
    data = {"board": made.board, "key_version": made.key_version, "way": "port"}
    with book.giving(made.number, uid, data, again) as done:
        link.write(made, found, told)
        done()


@app.command()
@plain
def seal(port: PortOption = "", board: BoardOption = BOARD, as_json: JsonOption = False):
    """Seal a provisioned meter: from now on it takes no other calibration. Cannot be undone without a new FRAM."""
    _needs(port, board)
    with boards.opened(port) as link:
        found = link.look()
        document = sealing.prepare(found)
        if sealing.in_fram(link, board, document) == sealing.OTHER:
            raise RefusedError(
                "This meter's FRAM holds the seal of another calibration, and this one would never be in force."
                " Put the one from then back, or replace the FRAM."
            )
        sealing.write(link, found, document)
        with show.waiting(as_json) as waited:
            report = console.wait(port, waited)
    with boards.opened(port) as link:
        state = sealing.confirm(link, board, document)
        link.reset()
    show.sealed({"number": found.number, "crc32": document["crc32"], "seal": state, "selftest": report}, as_json)


@app.command("label")
@plain
def label_(
    number: Number,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="SVG file (default: NUMBER.svg)")] = None,
    board: BoardOption = BOARD,
    firmware: FirmwareOption = "",
    year: YearOption = 0,
    as_json: JsonOption = False,
):
    """The label for the housing, with the number as text and QR code. Nothing on it is secret."""
    drawn = label.svg(number, board, options.version_or(firmware), options.year_or(year))
    path = out or Path(f"{number}.svg")
    try:
        path.write_text(drawn)
    except OSError as e:
        raise FileError(f"{path} cannot be written: {e.strerror}. Name another file with --out.") from e
    words = label.text(number, board, options.version_or(firmware), options.year_or(year))
    print(json.dumps({"file": str(path), "says": words}) if as_json else f"{path}: {words}")


@app.command()
@plain
def batch(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV: number, and keys of the settings")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder; each meter's gets its number for a name")],
    board: BoardOption = BOARD,
    settings: SettingsOption = None,
    tariff: TariffOption = None,
    trust: TrustOption = None,
    keys: KeysOption = KEYS,
    passphrase_file: PassphraseOption = None,
    key_version: VersionOption = None,
    journal: JournalOption = None,
    firmware: FirmwareOption = "",
    year: YearOption = 0,
    demo: DemoOption = False,
    as_json: JsonOption = False,
):
    """Documents and labels of many meters. All or nothing per meter, and no number twice."""
    rows = batches.read(table)
    source = options.source(board, settings, tariff, trust, keys, passphrase_file, key_version, demo)
    with options.numbers(keys, journal, demo) or nullcontext() as book:
        work = batches.run(rows, source, out, options.version_or(firmware), options.year_or(year), book)
        results = list(show.progress(work, len(rows), as_json))
    show.batch(results, out, as_json)
    if any(result.what == batches.REFUSED for result in results):
        raise typer.Exit(1)


@app.command()
@plain
def check(port: PortOption = "", board: BoardOption = BOARD, as_json: JsonOption = False):
    """Who is the meter on a port, and may it go into a house? Changes nothing, and lets it start again."""
    _needs(port, board)
    with boards.opened(port) as link:
        report, wrong = show.report(link, link.look(), board)
        link.reset()
    show.checked(report, wrong, as_json)
    if wrong:
        raise typer.Exit(1)


@app.command()
@plain
def zone(name: Annotated[str, typer.Argument(metavar="NAME", help="As the database calls it: Africa/Cairo")]):
    """What of the settings a place's time is: utc_offset_min and dst, to copy into settings.json."""
    print(json.dumps(zones.settings(name), indent=2))


def _needs(port, board):
    if not port:
        raise RefusedError("Say which board: --port /dev/ttyUSB0.")
    firmwares.check_board(board)
