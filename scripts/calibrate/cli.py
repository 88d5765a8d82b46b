# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m scripts.calibrate --help`. Each is a few lines over the library beside it.

Exit codes: 0 done and good, 1 an error is left or something is connected wrongly, 2 refused, with the reason.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import checkup, guide, options, show, verify
from . import document as documents
from .errors import CalibrateError
from .ic import Ic
from .options import (
    BOARD,
    OUT,
    BasicOption,
    BoardOption,
    File,
    HzOption,
    JsonOption,
    LimitOption,
    Meter,
    NominalOption,
    PhasesOption,
    PortOption,
    ReaderOption,
    ReferenceOption,
    ScaleOption,
    SimOption,
    YesOption,
    plain,
)

app = typer.Typer(
    help="Calibrate a meter's IC against a reference, and look at how a meter is connected.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
@plain
def run(
    meter: Meter,
    phases: PhasesOption = 1,
    scale: ScaleOption = 1,
    port: PortOption = "",
    board: BoardOption = BOARD,
    sim: SimOption = False,
    only: Annotated[
        str, typer.Option("--only", help="One phase, A, B or C; the others stay as the file has them")
    ] = "",
    offsets: Annotated[bool, typer.Option(help="Step 1, at 0 V: not with a meter that lives on this phase")] = True,
    un: NominalOption = 230,
    ib: BasicOption = 5,
    hz: HzOption = 50,
    reference: ReferenceOption = "",
    reader: ReaderOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The document")] = OUT,
    upload: Annotated[bool, typer.Option(help="Put it on the board, too, if it is within the limit")] = False,
    limit: LimitOption = 0.5,
    yes: YesOption = False,
    as_json: JsonOption = False,
):
    """Calibrate: step by step, write the document, and measure what error is left."""
    options.check_phases(phases, hz)
    if sim and upload:
        raise CalibrateError("A simulated part has no file system. Leave --upload away.")
    there = documents.refuse_other(out, meter)
    wanted = _phases(only, phases)
    words = _kept(there, scale) if only and there else {}
    plan = guide.Plan(round(un * 1000), round(ib * 1000), hz, offsets)
    with options.opened(sim, port, board, meter, phases) as link:
        source = options.source_of(link, reference, reader, yes)
        ic = Ic(link, phases, scale, words)
        for phase in wanted:
            guide.calibrate(ic, source, plan, phase, lambda text: print(text, file=sys.stderr))
        made = documents.make(meter, scale, ic.words)
        left = [r for phase in wanted for r in verify.residuals(ic, source, plan, phase)]
        documents.save(out, made)
        if upload and not _missed(left, limit):
            _to_board(link, made)
    _told(made, left, limit, as_json, file=str(out))


@app.command("verify")
@plain
def verify_(
    file: File = OUT,
    phases: PhasesOption = 1,
    port: PortOption = "",
    board: BoardOption = BOARD,
    sim: SimOption = False,
    un: NominalOption = 230,
    ib: BasicOption = 5,
    reference: ReferenceOption = "",
    reader: ReaderOption = None,
    limit: LimitOption = 0.5,
    yes: YesOption = False,
    as_json: JsonOption = False,
):
    """Start the part with a document, and measure what error is left. Writes no document."""
    options.check_phases(phases)
    found = _for_this_tool(documents.load(file))
    plan = guide.Plan(round(un * 1000), round(ib * 1000))
    with options.opened(sim, port, board, found["serial"], phases) as link:
        source = options.source_of(link, reference, reader, yes)
        ic = Ic(link, phases, found["current_scale"], documents.words(found))
        ic.configure()
        left = [r for phase in range(phases) for r in verify.residuals(ic, source, plan, phase)]
    _told(found, left, limit, as_json, file=str(file))


@app.command()
@plain
def seal(
    file: File = OUT,
    port: Annotated[str, typer.Option("--port", help="Also put it on the board there")] = "",
    board: BoardOption = BOARD,
    as_json: JsonOption = False,
):
    """Seal a document: from its next start on, the meter takes no other calibration."""
    made = documents.sealed(documents.load(file))
    if port:
        with options.opened(False, port, board) as link:
            _to_board(link, made)
    documents.save(file, made)
    print(json.dumps({"file": str(file), **made}) if as_json else f"{file}: sealed, check sum {made['crc32']}")


@app.command()
@plain
def upload(file: File = OUT, port: PortOption = "", board: BoardOption = BOARD, as_json: JsonOption = False):
    """Put a document on a board, as /calibration.json."""
    found = documents.load(file)
    with options.opened(False, port, board) as link:
        _to_board(link, found)
    print(json.dumps({"file": str(file), **found}) if as_json else f"{file}: on the board; it is in force now")


@app.command("show")
@plain
def show_(file: File = OUT, as_json: JsonOption = False):
    """What a document says, if its meter would take it."""
    found = documents.load(file)
    if as_json:
        print(json.dumps(found))
        return
    show.document(found)


@app.command()
@plain
def words(
    found: Annotated[list[str], typer.Argument(metavar="REGISTER=WORD...", help="In hexadecimal: 31=6B2A 32=7C04")],
    meter: Meter,
    ic: Annotated[str, typer.Option("--ic", help="The metering IC of its board, as atm90e26")],
    scale: ScaleOption = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="The document")] = OUT,
    as_json: JsonOption = False,
):
    """Write a document of words found by other means: for an IC this tool cannot measure."""
    documents.refuse_other(out, meter)
    made = documents.make(meter, scale, documents.table(found), ic=ic)
    documents.save(out, made)
    if as_json:
        print(json.dumps({"file": str(out), **made}))
        return
    show.document(made)


@app.command()
@plain
def check(
    port: PortOption = "",
    board: BoardOption = BOARD,
    sim: SimOption = False,
    wiring: Annotated[str, typer.Option(help=", ".join(checkup.WIRINGS))] = "1P2W",
    scale: ScaleOption = 1,
    un: NominalOption = 230,
    exports: Annotated[bool, typer.Option(help="This household may feed in: negative power is no fault")] = False,
    neutral_a: Annotated[
        float, typer.Option("--neutral", min=-1, max=200, help="Current in the neutral, A, if you measured it")
    ] = -1,
    as_json: JsonOption = False,
):
    """Look at how the meter is connected, while some load runs. Writes nothing into the part."""
    if wiring not in checkup.WIRINGS:
        raise CalibrateError(f"There is no wiring {wiring}. Say one of {', '.join(checkup.WIRINGS)}.")
    phases = 1 if wiring == "1P2W" else 3
    with options.opened(sim, port, board, "", phases) as link:
        ic = Ic(link, phases, scale)
        if sim:
            _some_load(ic, link, phases)
        seen = checkup.look(ic, round(neutral_a * 1000) if neutral_a >= 0 else -1)
    found = checkup.findings(seen, wiring, un, exports)
    if as_json:
        print(json.dumps([{"code": f.code, "phase": "ABC"[f.phase] if f.phase >= 0 else None, "advice": f.advice}
                          for f in found]))  # fmt: skip
    elif found:
        print("\n".join(f.advice for f in found))
    else:
        print("Nothing is wrong with how this meter is connected, as far as its own figures show.")
    if found:
        raise typer.Exit(1)


def _some_load(ic, link, phases):
    # What there is to see without a house: the first current transformer is the wrong way round.
    ic.configure()
    for n in range(phases):
        link.load(n, 230_000, -1_500_000 if n == 0 else 1_200_000, -300_000 if n == 0 else 250_000)
    link.wait(1000)


def _phases(only: str, phases: int) -> list[int]:
    if not only:
        return list(range(phases))
    n = "ABC".find(only.upper())
    if len(only) != 1 or not 0 <= n < phases:
        raise CalibrateError(f"There is no phase {only} here. Say one of {', '.join('ABC'[:phases])}.")
    return [n]


def _kept(there, scale):
    """The words of a document whose other phases stay."""
    if there["current_scale"] != scale:
        raise CalibrateError(
            f"The other phases are calibrated for --scale {there['current_scale']}. Say that, or leave --only away."
        )
    return documents.words(_for_this_tool(there))


def _for_this_tool(document):
    if document["ic"] != documents.IC:
        raise CalibrateError(
            f"This is a calibration of an {document['ic']}, and this tool reaches the {documents.IC} only."
            " Put it into the meter's image (make image, DOCUMENTS)."
        )
    return document


def _to_board(link, made):
    put = getattr(link, "upload", None)
    if put is None:
        raise CalibrateError("A simulated part has no file system. Leave --upload away.")
    put(_for_this_tool(made))


def _missed(left, limit):
    return [r for r in left if r.worst_ppm() > round(limit * 10_000)]


def _told(made, left, limit, as_json, **more):
    limit_ppm = round(limit * 10_000)
    missed = _missed(left, limit)
    if as_json:
        print(json.dumps({**more, **made, "limit_ppm": limit_ppm, "met": not missed,
                          "residuals": [show.residual_dict(r) for r in left]}))  # fmt: skip
    else:
        show.document(made)
        show.residuals(left, limit_ppm)
    if missed:
        points = "; ".join(str(r.point) for r in missed)
        print(f"calibrate: the error left is above {limit:g} %: {points}. Calibrate again, or check the front end.",
              file=sys.stderr)  # fmt: skip
        raise typer.Exit(1)
