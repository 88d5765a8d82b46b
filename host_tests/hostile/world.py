# SPDX-License-Identifier: Apache-2.0
"""The loader on real MicroPython with a real LittleFS (on_meter.py), and small firmware for its slots."""

import json
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_tests.bench.run.process import interpreter
from scripts.bundle import demo_key, loader_files, public_bytes, seal
from scripts.bundle.format import head_of

ROOT = Path(__file__).resolve().parents[2]
BOARD = "esp32_devkit"
OPERATOR = Ed25519PrivateKey.from_private_bytes(b"an operator's key for loader tests"[:32])
STRANGER = Ed25519PrivateKey.from_private_bytes(b"nobody's key whatever in the tests"[:32])
DEMO = demo_key()


def firmware(version: str) -> dict[str, bytes]:
    """Files of a slot: of no use but to be told apart. Some fit into LittleFS's logs, some take blocks."""
    mark = version.encode()
    return {
        "board.mpy": b"M\x06 board " + mark * 5,
        "meter/__init__.mpy": b"M\x06 meter " + mark * 900,
        "meter/app.mpy": b"M\x06 app " + mark * 60,
        "meter/services/profile.mpy": b"M\x06 profile " + mark * 10,
        "run.mpy": b"M\x06 run " + mark,
    }


def bundle(version: str, key=OPERATOR, board: str = BOARD) -> bytes:
    return seal(firmware(version), board, version, key)


def in_slot(slot: str, version: str, key=OPERATOR) -> dict[str, bytes]:
    """What a slot holds after such a bundle."""
    files = {f"/{slot}/{path}": content for path, content in firmware(version).items()}
    files[f"/{slot}/manifest"] = head_of(bundle(version, key))
    return files


def trust(key=OPERATOR) -> dict[str, bytes]:
    return {"/trust.key": public_bytes(key)}


class OnMeter:
    """The interpreter, a case at a time."""

    def __init__(self, program: subprocess.Popen):
        self._program = program
        self.console: list[str] = []  # of the last case

    def define(self, name: str, files: dict[str, bytes]) -> None:
        self._ask({"define": name, "files": {path: content.hex() for path, content in files.items()}})

    def run(self, base: str, changes=(), starts=("",), **how) -> dict:
        """changes: (path, bytes or None or "folder" or "fill") each."""
        told = [[path, c.hex() if isinstance(c, bytes) else c] for path, c in changes]
        return self._ask({"base": base, "changes": told, "starts": list(starts), **how})

    def _ask(self, what):
        stdin, stdout = self._program.stdin, self._program.stdout
        assert stdin and stdout
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()
        self.console = []
        for line in stdout:
            if line.startswith("="):
                return json.loads(line[1:])
            self.console.append(line.rstrip())
        raise AssertionError("the interpreter ended:\n" + "\n".join(self.console[-20:]))


@contextmanager
def on_meter(arch: str = "i386", linked: bool = False, heap: str = "24m"):
    """linked: the loader as it goes onto a meter; it verifies each signature itself."""
    with tempfile.TemporaryDirectory() as place:
        path = ROOT / "firmware"
        if linked:
            path = Path(place)
            (path / "loader.mpy").write_bytes(loader_files(BOARD, bytes(32))["boot/loader.mpy"])
        program = subprocess.Popen(
            [interpreter(arch), "-X", f"heapsize={heap}", Path(__file__).with_name("on_meter.py"), path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield OnMeter(program)
        finally:
            program.kill()
            program.communicate()
