# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m scripts.flash --help`. Each is a few lines over the library beside it.

Exit codes: 0 done, and the firmware came up; 1 it did not, or something failed, with the reason; 2 misuse.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.board import console, ports
from scripts.board.device import Device
from scripts.board.errors import FlashedBeforeError, LayoutError
from scripts.flash import clock, download, install, layout, options, rom, show
from scripts.image import boards
from scripts.image import image as images
from scripts.image.boards import BOARD

from .options import (
    AnyImageOption,
    BoardOption,
    BuildError,
    BundleOption,
    FirmwareOption,
    JsonOption,
    KeyOption,
    PlaceOption,
    PortOption,
    TrustOption,
    VersionOption,
    plain,
)

VERSION = images.DEVELOPMENT
FIRST_START_S = 40  # MicroPython makes its file system then

app = typer.Typer(
    help="Put the firmware on a board: a bare one, one that has it already, or as an image for the factory.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
@plain
def flash(
    port: PortOption = "",
    board: BoardOption = BOARD,
    firmware: FirmwareOption = None,
    any_image: AnyImageOption = False,
    version: VersionOption = VERSION,
    key: KeyOption = None,
    bundle: BundleOption = None,
    trust: TrustOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what may be a meter: all it holds goes")
    ] = False,
    place: PlaceOption = False,
    baud: Annotated[int, typer.Option("--baud", help="While the flash is written")] = rom.BAUD,
    as_json: JsonOption = False,
):
    """A bare board: MicroPython, loader, firmware, clock. Everything on its flash is erased."""
    ports.check(port)
    wanted = boards.load(board, place=place)
    bars = show.Bars(as_json)
    with bars.shown():
        plan = options.plan(board, version, key, bundle, trust)
        content = _micropython(wanted, firmware, any_image, bars)
        written = layout.with_our_table(content, wanted)
        found = rom.probe(port, wanted)
        _may_erase(port, wanted, again, bars)
        bars.say(f"{wanted.chip} with {found >> 20} MiB of flash: erasing all of it, which takes up to two minutes")
        rom.write(port, wanted, written, wanted.micropython.offset, baud, bars.stage("flash", len(written)))
        bars.say("waiting for MicroPython; if your board does not restart by itself, press its reset button")
        console.wake(port, FIRST_START_S, back_s=10)
        device = Device(port)
        with install.stopped(device):
            install.check_file_system(device, wanted)
            install.put(device, plan, bars.stage)
            utc, ds3231 = clock.set_clock(device, wanted)
        bars.say("restarting; the loader installs the firmware")
        start = install.restart(device, plan, bars.say, bars.waiting("self-test"))
    more = {"micropython_sha256": download.digest(content), "utc": utc, "ds3231": ds3231}
    _told("flash", port, start, plan, as_json, more)


@app.command()
@plain
def deploy(
    port: PortOption = "",
    board: BoardOption = BOARD,
    version: VersionOption = VERSION,
    key: KeyOption = None,
    bundle: BundleOption = None,
    trust: TrustOption = None,
    place: PlaceOption = False,
    as_json: JsonOption = False,
):
    """A board that has MicroPython: the firmware of this tree, or a bundle, as an update."""
    ports.check(port)
    wanted = boards.load(board, place=place)
    bars = show.Bars(as_json)
    with bars.shown():
        plan = options.plan(board, version, key, bundle, trust)
        device = Device(port)
        with install.stopped(device):
            install.check_file_system(device, wanted)
            install.put(device, plan, bars.stage)
        bars.say("restarting; the loader installs the firmware")
        start = install.restart(device, plan, bars.say, bars.waiting("self-test"))
    _told("deploy", port, start, plan, as_json, {})


@app.command()
@plain
def image(
    document: Annotated[
        list[str] | None, typer.Argument(help="Documents for the root: FILE, or NAME=FILE", metavar="[NAME=]FILE")
    ] = None,
    board: BoardOption = BOARD,
    firmware: FirmwareOption = None,
    any_image: AnyImageOption = False,
    version: VersionOption = VERSION,
    key: KeyOption = None,
    place: PlaceOption = False,
    trim: Annotated[bool, typer.Option("--trim", help="Leave away what is blank at the end")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the image goes")] = None,
    as_json: JsonOption = False,
):
    """One image of the whole flash, for the factory: the same bytes each time. Writes to no board."""
    wanted = boards.load(board, place=place)
    bars = show.Bars(as_json)
    with bars.shown():
        content = _micropython(wanted, firmware, any_image, bars)
    try:
        documents = images.read_documents(document or [], board, key is None)
        files = images.collect(documents, board, version=version, key=options.key_of(key))
        files, romfs = images.partitions(files, wanted, place)
        vfs = images.pack(files, wanted.row("vfs").size)
    except images.ImageError as e:
        raise BuildError(f"The file system could not be built. {e}.") from None
    parts = layout.regions(wanted, content, vfs, romfs)
    data = layout.whole(parts, wanted.flash_size, trim)
    target = out or boards.ROOT / "build" / f"flash-{board}.bin"
    try:
        images.write_image(target, data)
    except OSError as e:
        raise BuildError(f"{target} cannot be written: {e.strerror}. Name another place with --out.") from None
    typed = rom.command(wanted, str(target), trim)
    if as_json:
        print(json.dumps({
            "command": "image", "image": str(target), "bytes": len(data), "sha256": download.digest(data),
            "board": board, "chip": wanted.chip, "version": version, "micropython": wanted.micropython.version,
            "micropython_sha256": download.digest(content), "write": typed,
            "regions": [{"name": r.name, "offset": r.offset, "size": r.size, "content": len(r.content),
                         "sha256": hashlib.sha256(r.content.ljust(r.size, b"\xff")).hexdigest()} for r in parts],
            "files": {name: len(body) for name, body in sorted(files.items())},
        }))  # fmt: skip
        return
    show.flash_map(parts)
    print(f"image: {target}: {len(data):,} bytes, SHA-256 {download.digest(data)}")
    print(f"To write it: {typed}")


def _micropython(board, file, any_image, bars):
    content = download.get(board, file, any_image, progress=bars.stage("MicroPython", board.micropython.size))
    try:
        download.check_chip(content, board)
    except LayoutError as e:
        raise LayoutError(f"{file}: {e}" if file else str(e)) from None
    return content


def _may_erase(port, board, again, bars):
    """What may be somebody's meter is erased only when somebody says so."""
    why = "" if again else rom.maybe_a_meter(port, board)
    if not why:
        return
    what = f"{why} Settings, keys, calibration and records on it would be erased."
    if not bars.quiet and sys.stdin.isatty():
        bars.pause()
        if typer.confirm(f"{what} Go on?", err=True):
            bars.resume()
            return
    raise FlashedBeforeError(
        f"{what} For new firmware only, run 'make deploy'; to erase it all, say --again (AGAIN=1)."
    )


def _told(command, port, start, plan, as_json, more):
    if as_json:
        print(json.dumps({
            "command": command, "port": port, "version": plan.version, "changed": plan.changed,
            "bundle_bytes": len(plan.bundle), **more, "selftest": start.parts, "missing": start.missing,
            "hints": start.hints, "loader": start.loader,
        }))  # fmt: skip
        return
    show.started(start, port)
    if "ds3231" in more:
        chip = {"ok": "and its DS3231, too", "none": "no DS3231 answers", "fault": "its DS3231 does not keep it"}
        print(f"clock set to {more['utc']}; {chip[more['ds3231']]}")
    if start.missing:
        print(f"The firmware is up. Not there or not right yet: {', '.join(start.missing)}.")
    else:
        print("The firmware is up, with all its parts.")
