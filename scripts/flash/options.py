# SPDX-License-Identifier: Apache-2.0
"""What the commands share: their options, and what is built for them."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.board.errors import FlashError, LayoutError
from scripts.common.refusals import refusals

from .. import bundle
from ..bundle.format import SIZE_MAX
from ..common import read_bytes
from .install import TRUST, Plan, absolute

PortOption = Annotated[str, typer.Option("--port", envvar="PENNYWATT_PORT", help="The board's serial port")]
BoardOption = Annotated[str, typer.Option("--board", help="Which of boards/")]
FirmwareOption = Annotated[
    Path | None, typer.Option("--firmware", help="A MicroPython image on this computer, instead of a download")
]
AnyImageOption = Annotated[
    bool, typer.Option("--any-image", help="Take a MicroPython image that is not the pinned one, at your own risk")
]
VersionOption = Annotated[str, typer.Option("--version", help="Of the firmware: 1.4.0")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="The key bundles are signed with (default: everybody's demo key)")
]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="A bundle made before, instead of one of this source tree")
]
TrustOption = Annotated[
    Path | None, typer.Option("--trust", help="With --bundle, for a bare board: the public half of its key")
]
PlaceOption = Annotated[
    bool, typer.Option("--place", help="The board has our own build of MicroPython, which runs slots in place")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]


class BuildError(FlashError):
    """Firmware, loader or file system could not be built."""


plain = refusals("flash", FlashError, code=1, interrupted="the board may be half written; run the same again")


def key_of(path: Path | None):
    """The signing key; None stays None: the demo key."""
    if path is None:
        return None
    try:
        return bundle.read_key(path)
    except bundle.BundleError as e:
        raise BuildError(f"{_sentence(e)}. Name the key with --key, its passphrase in {bundle.PASSPHRASE}.") from None


def plan(
    board: str, version: str, key: Path | None, file: Path | None = None, trust: Path | None = None
) -> Plan:
    """What goes onto a board. Built before anything on the board is touched."""
    signer = key_of(key)
    try:
        public = bundle.public_bytes(signer or bundle.demo_key())
        if file is None:
            content = bundle.build(board, version, signer)
        else:
            content = read_bytes(file, SIZE_MAX)
            made = _opened(file, content)
            if made.board != board:
                raise LayoutError(f"{file} is a bundle for {made.board}, and this is {board}. Say BOARD=, or another.")
            version = made.version
            if trust:
                public = bundle.read_public(trust).public_bytes_raw()
        loader = absolute(bundle.loader_files(board, public))
        if not bundle.signed_by(content, public):
            if key or trust:
                raise BuildError(f"{file} was signed with another key than {trust or key}. Name the right one.")
            del loader[TRUST]  # a bare board has to be told, any other knows itself whose bundles it takes
    except bundle.BundleError as e:
        raise BuildError(f"The firmware could not be built: {e}. Correct that, and start again.") from None
    except OSError as e:
        raise BuildError(f"{e.filename} cannot be read: {e.strerror}. Name another file.") from None
    return Plan(loader, content, version)


def _opened(file, content):
    try:
        return bundle.open_bundle(content)
    except bundle.BundleError as e:
        raise BuildError(f"{file} is no bundle for a meter: {e}. Name another file.") from None


def _sentence(e: Exception) -> str:
    text = str(e)
    return "T" + text[1:] if text.startswith("the") else text  # else it begins with a file's name
