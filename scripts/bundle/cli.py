# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m scripts.bundle --help`. Exit codes: 0 done, 1 refused, with the reason, 2 misuse."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.common.refusals import refusals

from ..common import read_bytes
from . import build as build_bundle
from .errors import BundleError
from .firmware import ROOT, write_whole
from .format import SIZE_MAX, open_bundle
from .keys import ask_passphrase, demo_key, make_key, public_bytes, read_key, read_public

plain = refusals("bundle", BundleError, code=1)
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]
FileArgument = Annotated[Path, typer.Argument(help="A bundle", metavar="FILE")]

app = typer.Typer(
    help="Firmware bundles: compiled modules, a manifest with their hashes, and a signature, in one file.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
@plain
def build(
    version: Annotated[str, typer.Option(help="Three numbers: 1.4.0")],
    board: Annotated[str, typer.Option(help="A folder of boards/")] = "esp32_devkit",
    key: Annotated[Path | None, typer.Option(help="The key to sign with (default: everybody's demo key)")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where it goes (default: build/)")] = None,
    as_json: JsonOption = False,
):
    """Build a bundle of this source tree: the same bytes from the same sources, wherever and whenever."""
    signer = read_key(key) if key else demo_key()
    data = build_bundle(board, version, signer)
    out = out or ROOT / "build" / f"pennywatt-{board}-{version}.pwb"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, data)
    except OSError as e:
        raise BundleError(f"{out} cannot be written: {e.strerror}") from None
    _tell(data, out, as_json, "demo key: no meter in a house takes it" if key is None else str(key))


@app.command()
@plain
def show(
    file: FileArgument,
    public: Annotated[Path | None, typer.Option(help="Public key (32 bytes) its signature must be by")] = None,
    as_json: JsonOption = False,
):
    """What a bundle holds. Its hashes are checked, and with --public its signature."""
    data = read_bytes(file, SIZE_MAX)
    signer = read_public(public) if public else None
    try:
        open_bundle(data, signer)
    except BundleError as e:
        raise BundleError(f"{file}: {e}") from None
    _tell(data, file, as_json, str(public) if public else "signature not looked at: say --public")


@app.command()
@plain
def key(
    file: Annotated[Path, typer.Argument(help="The new key, a file under a passphrase")],
    as_json: JsonOption = False,
):
    """Make a key that bundles are signed with. Its public half, for `make provision`, goes to FILE.pub."""
    public = Path(f"{file}.pub")
    for there in (file, public):
        if there.exists():
            raise BundleError(f"{there} is there already, and a key is never replaced: name another file")
    half = public_bytes(make_key(file, ask_passphrase(file, new=True)))
    write_whole(public, half)
    report = {"key": str(file), "public": str(public), "sha256": hashlib.sha256(half).hexdigest()}
    print(json.dumps(report) if as_json else f"{file}: keep it, and its passphrase, where nobody else comes to.\n"
          f"{public}: meters get it with `make provision`; fingerprint {report['sha256'][:16]}")  # fmt: skip


def _tell(data, path, as_json, signed):
    b = open_bundle(data)
    files = {name: len(content) for name, content in b.files.items()}
    if as_json:
        print(json.dumps({
            "bundle": str(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "version": b.version,
            "board": b.board, "micropython": b.micropython, "head_sha256": b.sha256, "signed": signed, "files": files,
        }))  # fmt: skip
        return
    for name, size in files.items():
        print(f"  {size:7,}  {name}")
    print(f"bundle: {path}: version {b.version} for {b.board}, {len(files)} files, {len(data):,} bytes")
    print(f"bundle: SHA-256 {hashlib.sha256(data).hexdigest()}; {signed}")


def main():
    app()
