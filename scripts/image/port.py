# SPDX-License-Identifier: Apache-2.0
"""`make port`: our own build of MicroPython (boards/port), by an installed ESP-IDF 5.5 or in a container of it.

It fetches the pinned MicroPython into build/port, applies boards/port/patches and builds the board. What is done is a
list of commands, made before the first of them runs; --dry-run prints it. Nothing outside build/port is written.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from scripts.board.errors import FlashError, LayoutError
from scripts.common.refusals import refusals
from scripts.image import boards

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/port"
SOURCE = BUILD / "micropython"
PATCHES = ROOT / "boards/port/patches"
MICROPYTHON = "https://github.com/micropython/micropython"
COMMIT = "e0e9fbb17ed6fd06bb76e266ae554784c9c80804"  # of the tag v1.28.0
TAG = "v1.28.0"
IDF = (5, 5)
CONTAINER = "espressif/idf:v5.5.1"  # what MicroPython 1.28 is made with


class PortError(FlashError):
    """Why it cannot be built; str() says what to do."""


class Idf(NamedTuple):
    """folder: of an installed ESP-IDF, or None: engine, podman or docker, runs a container."""

    folder: Path | None
    engine: str = ""


def find_idf(environment, which=shutil.which) -> Idf:
    """Raises PortError when there is neither."""
    folder = environment.get("IDF_PATH")
    if folder:
        found = version(Path(folder))
        if found != IDF:
            said = "no ESP-IDF" if found is None else "ESP-IDF {}.{}".format(*found)
            raise PortError(f"IDF_PATH={folder} is {said}; 5.5 is needed. Unset it to build in a container.")
        return Idf(Path(folder))
    for engine in ("podman", "docker"):
        if which(engine):
            return Idf(None, engine)
    raise PortError(
        "There is no ESP-IDF 5.5 here, and neither podman nor docker to run it in. Install one of them, or say"
        " where an installed ESP-IDF is with IDF_PATH=."
    )


def version(idf: Path) -> tuple[int, int] | None:
    try:
        text = (idf / "tools/cmake/version.cmake").read_text()
    except OSError:
        return None
    found = [re.search(rf"IDF_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    return (int(found[0][1]), int(found[1][1])) if found[0] and found[1] else None


def steps(board: str, variant: str, idf: Idf) -> list[list[str]]:
    """The commands, in their order."""
    target = BUILD / (f"{board}-{variant}" if variant else board)
    make = ["make", "-C", str(SOURCE / "ports/esp32"), f"BOARD_DIR={ROOT / 'boards' / board}", f"BUILD={target}"]
    make += [f"BOARD_VARIANT={variant}"] if variant else []
    found = [
        ["git", "init", "--quiet", str(SOURCE)],
        ["git", "-C", str(SOURCE), "fetch", "--quiet", "--depth", "1", MICROPYTHON, f"refs/tags/{TAG}"],
        ["git", "-C", str(SOURCE), "checkout", "--quiet", "--force", COMMIT],
    ]
    found += [["git", "-C", str(SOURCE), "apply", str(patch)] for patch in sorted(PATCHES.glob("*.patch"))]
    inside = [["make", "-C", str(SOURCE / "mpy-cross")], [*make, "submodules"], make]
    return found + [_with_idf(command, idf) for command in inside]


def _with_idf(command, idf):
    if idf.folder:
        return ["bash", "-c", f". {shlex.quote(str(idf.folder / 'export.sh'))} > /dev/null && {shlex.join(command)}"]
    # In the container the tree is where it is outside, so that paths in what is built are right in both.
    user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"] if idf.engine == "docker" else []
    return [idf.engine, "run", "--rm", "--volume", f"{ROOT}:{ROOT}", *user, CONTAINER, *command]


@refusals("port", FlashError, code=1, interrupted="run the same again: it begins with what is there")
def main(
    board: Annotated[str, typer.Option(help="A folder of boards/ that can be built")] = boards.BOARD,
    variant: Annotated[str, typer.Option(help="DEVELOPMENT: with a REPL; not for a meter that is sold")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the commands")] = False,
):
    """Build MicroPython for a board, with slots that run in place."""
    boards.load(board, place=True)
    if variant and not (ROOT / f"boards/{board}/mpconfigvariant_{variant}.cmake").exists():
        raise LayoutError(f"{board} has no variant {variant}. DEVELOPMENT is one.")
    commands = steps(board, variant, find_idf(os.environ))
    if dry_run:
        print(*(shlex.join(command) for command in commands), sep="\n")
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    for command in commands:
        try:
            done = subprocess.run(command, check=False).returncode
        except FileNotFoundError:
            raise PortError(f"{command[0]} is not installed.") from None
        if done:
            raise PortError(f"This failed with code {done}: {shlex.join(command)}")
    image = BUILD / (f"{board}-{variant}" if variant else board) / "firmware.bin"
    content = image.read_bytes()
    print(f"port: {image}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    print(f"port: next: make flash PROFILE=place BOARD={board} FIRMWARE={image} ARGS=--any-image PORT=...")


if __name__ == "__main__":
    typer.run(main)
