# SPDX-License-Identifier: Apache-2.0
"""Build the meter's file system: loader, firmware, boot state and documents in one LittleFS image.

The image is what the ESP32 port finds in its `vfs` partition. Geometry is that of `vfs.VfsLfs2` there
(4096-byte blocks, read and program 32, look-ahead 32, cache 128), on-disk format 2.1. The same input gives
the same bytes: files go in sorted by name and nothing carries a time.
"""

import hashlib
import json
import struct
import zlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.board.errors import FlashError
from scripts.bundle import BundleError, demo_key, explain, head_of, loader_files, public_bytes, seal, slot_files
from scripts.bundle.firmware import write_whole
from scripts.common import read_bytes
from scripts.common.refusals import refusals
from scripts.image import boards, romfs
from scripts.image.documents import ImageError
from scripts.image.documents import read as read_documents

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 4096
LOG = 512  # bytes of a folder's log, written again beyond that: finding a file reads it, up to where its name would be
CONSOLE_MAX = 1 << 24
DEVELOPMENT = "0.0.0.dev"  # version of firmware that is nobody's release
_OURS = ("a/", "b/", "boot/", "board.", "meter/", "loader/")


def collect(
    documents: dict[str, bytes],
    board: str = boards.BOARD,
    firmware: Path | None = None,
    version: str = DEVELOPMENT,
    key: Ed25519PrivateKey | None = None,
    instead: dict[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Path on the meter -> content, for everything that goes into the image: loader, firmware in slot a, documents.

    key: what the firmware is signed with, and bundles for this meter will be; without one, the demo key.
    instead: other contents for files of the slot."""
    key = key or demo_key()
    try:
        slot = slot_files(board, firmware) | (instead or {})
        head = head_of(seal(slot, board, version, key))
        files = loader_files(board, public_bytes(key), firmware)
    except BundleError as e:
        raise ImageError(str(e)) from e
    files.update({f"a/{path}": content for path, content in slot.items()})
    files["a/manifest"] = head
    files["boot.bin"] = boot_state(head)
    for name, content in documents.items():
        name = name.lstrip("/")
        if name == "trust.key" and content != files[name]:
            raise ImageError(
                "the firmware is not signed with the key whose public half is the document trust.key: name that"
                " operator's key (KEY=, --key)"
            )
        if (name in files and name != "trust.key") or name.startswith(_OURS):
            raise ImageError(f"the document {name} would hide a part of the firmware")
        files[name] = content
    return files


def in_place(files: dict[str, bytes], board: str = boards.BOARD, firmware: Path | None = None):
    """What collect() gave, for a meter that runs slots in place: (files of its file system, slot -> files)."""
    slots = {name: {p[2:]: c for p, c in files.items() if p.startswith(f"{name}/")} for name in romfs.SLOTS}
    left = {path: content for path, content in files.items() if path[:2] not in ("a/", "b/")}
    left |= {"boot/loader.mpy": loader_files(board, left["trust.key"], firmware, True)["boot/loader.mpy"]}
    return left, slots


def partitions(files: dict[str, bytes], board: boards.Board, place: bool) -> tuple[dict[str, bytes], bytes]:
    """What collect() gave, by partition: (files of the file system, content of romfs; that is b"" without place)."""
    if not place:
        return files, b""
    left, slots = in_place(files, board.name)
    try:
        return left, romfs.partition(slots, board.row("romfs").size)
    except romfs.RomfsError as e:
        raise ImageError(str(e)) from e


def boot_state(head: bytes) -> bytes:
    """/boot.bin of a meter with firmware in slot a: firmware/loader/layout.py."""
    state = struct.pack("<4sBBBB32s32s12x", b"PWS2", 1, 0, 0, 0, hashlib.sha256(head).digest(), bytes(32))
    return state + struct.pack("<I", zlib.crc32(state))


def size_for(board: str) -> int:
    """Bytes of the board's partition `vfs`: an image of any other size does not mount there. Raises LayoutError."""
    return boards.load(board).row("vfs").size


def pack(files: dict[str, bytes], size: int | None = None) -> bytes:
    """Lay files out in a LittleFS image of size bytes; without one, as many as esp32_devkit has for it."""
    import littlefs

    if size is None:
        size = size_for(boards.BOARD)
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
    board: str = boards.BOARD,
    size: int | None = None,
    firmware: Path | None = None,
) -> bytes:
    """The image as bytes, by default as many as the board's partition; also written to out_path unless that is None."""
    image = pack(collect(documents, board, firmware), size_for(board) if size is None else size)
    if out_path is not None:
        write_image(Path(out_path), image)
    return image


def write_image(out_path: Path, image: bytes) -> None:
    """Whole or not at all, and its owner's alone: there may be keys in it."""
    out_path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out_path, image, 0o600)


def cli():
    from typing import Annotated

    import typer

    from scripts.flash.options import KeyOption, PlaceOption, VersionOption, key_of

    @refusals("image", ImageError, FlashError)
    def image(
        document: Annotated[
            list[str] | None,
            typer.Argument(help="Documents for the root: FILE, or NAME=FILE", metavar="[NAME=]FILE"),
        ] = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="Where the image goes")] = ROOT / "build/image.bin",
        board: Annotated[str, typer.Option(help="A folder of boards/")] = boards.BOARD,
        size: Annotated[int | None, typer.Option(help="Bytes, if not those of the board's partition `vfs`")] = None,
        version: VersionOption = DEVELOPMENT,
        key: KeyOption = None,
        place: PlaceOption = False,
        trace: Annotated[
            Path | None,
            typer.Option("--explain", help="Build nothing: print a console's text, with the sources' lines"),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
    ):
        """Build the meter's LittleFS image: compiled firmware, board file and documents. With --place the firmware goes
        into an image of its own, for the partition romfs, beside the first."""
        if trace is not None:
            print(explain(read_bytes(trace, CONSOLE_MAX).decode(errors="replace"), board), end="")
            return
        wanted = boards.load(board, place=place)
        documents = read_documents(document or [], board, key is None)
        files = collect(documents, board, version=version, key=key_of(key))
        files, rom = partitions(files, wanted, place)
        data = pack(files, wanted.row("vfs").size if size is None else size)
        write_image(out, data)
        beside = out.with_name(f"{out.stem}-romfs{out.suffix}") if place else None
        if beside:
            write_image(beside, rom)
        used = sum(-(-len(content) // BLOCK) for content in files.values())
        report = {
            "image": str(out),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "board": board,
            "version": version,
            "romfs": str(beside) if beside else None,
            "files": {name: len(content) for name, content in sorted(files.items())},
        }
        if as_json:
            print(json.dumps(report))
            return
        for name, length in report["files"].items():
            print(f"  {length:7,}  {name}")
        total = sum(report["files"].values())
        print(f"image: {out}: {len(files)} files, {total:,} bytes, at most {used} of {len(data) // BLOCK} blocks")
        if beside:
            print(f"image: {beside}: the firmware, {len(rom):,} bytes for the partition romfs")

    typer.run(image)
