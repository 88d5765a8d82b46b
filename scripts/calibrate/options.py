# SPDX-License-Identifier: Apache-2.0
"""What all commands share: their options, and the link they work on."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from scripts.common import board_files, meter_code
from scripts.common.refusals import refusals

from .document import IC
from .errors import CalibrateError, LinkError
from .link import Link
from .reference import Lines, Source, Typed
from .sim import SimLink

Meter = Annotated[str, typer.Option("--meter", help="The meter's number, as in its settings")]
PhasesOption = Annotated[int, typer.Option("--phases", min=1, max=3, help="1 or 3")]
ScaleOption = Annotated[int, typer.Option("--scale", min=1, max=2, help="1: up to 65 A, 2: up to 131 A")]
PortOption = Annotated[str, typer.Option("--port", envvar="PENNYWATT_PORT", help="The board's serial port")]
BoardOption = Annotated[str, typer.Option("--board", help="Which of boards/")]
SimOption = Annotated[bool, typer.Option("--sim", help="A simulated part with a wrong front end, to learn on")]
NominalOption = Annotated[float, typer.Option("--un", min=50, max=400, help="Nominal voltage, V")]
BasicOption = Annotated[float, typer.Option("--ib", min=0.5, max=60, help="Basic current, A")]
LimitOption = Annotated[float, typer.Option("--limit", min=0.05, max=5, help="Error allowed, percent")]
HzOption = Annotated[int, typer.Option("--hz", help="50 or 60")]
ReferenceOption = Annotated[
    str, typer.Option("--reference", help='What the reference shows at Un and Ib, if it stays: "230.12 V 5.003 A"')
]
ReaderOption = Annotated[
    Path | None, typer.Option("--reader", help="A reference meter's port or file with lines of U I P PF")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Ask nothing: the bench is set by somebody else")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The calibration document")]

OUT = Path("calibration.json")
BOARD = "esp32_devkit"
plain = refusals("calibrate", CalibrateError)


def check_phases(phases: int, hz: int = 50) -> None:
    if phases == 2:
        raise CalibrateError("There is no meter of two phases. Say --phases 1 or --phases 3.")
    if hz not in (50, 60):
        raise CalibrateError("Mains are of 50 or 60 Hz. Say --hz 50 or --hz 60.")


@contextlib.contextmanager
def opened(sim: bool, port: str, board: str, seed: str = "", phases: int = 1) -> Iterator[Link]:
    """The link a command works on."""
    if sim == bool(port):
        raise LinkError("Say where the part is: --port /dev/ttyUSB0 for a board, or --sim to learn without one.")
    if sim:
        part = meter_code.part_of(board) if board in board_files.names() else None
        if part is None or part[0] != IC:
            raise LinkError(f"The simulated part is an {IC}: there is no board {board} with one. Leave --board away.")
        link: Link = SimLink(seed, phases)
    else:
        from .board import BoardLink

        link = BoardLink(port, board)
    try:
        yield link
    finally:
        link.close()


def source_of(link: Link, reference: str, reader: Path | None, yes: bool) -> Source:
    """Where the reference's readings come from."""
    if isinstance(link, SimLink):
        if reference or reader is not None:
            raise CalibrateError(
                "With --sim the simulated bench says what it gives. Leave --reference and --reader away."
            )
        return link
    if reference and reader is not None:
        raise CalibrateError("Readings come from --reader, or stay what --reference says. Leave one of the two away.")

    def ask(question: str) -> str:
        if yes:
            print(question.partition(".")[0], file=sys.stderr)
            return ""
        return typer.prompt(question, default="", show_default=False, err=True)

    if reader is not None:
        return Lines(reader, ask)
    return Typed(ask, reference)
