# SPDX-License-Identifier: Apache-2.0
"""The loader on real MicroPython with a real LittleFS (on_meter.py), and small firmware for its slots.

Slots are folders of LittleFS or run in place, in a partition romfs: the same cases, and answers in the same words.
"""

import hashlib
import json
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_tests.bench.run.process import interpreter
from scripts.bundle import demo_key, loader_files, public_bytes, seal
from scripts.bundle.format import head_of
from scripts.image import romfs

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


SLOT_BLOCKS = 5
PARTITION = (1 + 2 * SLOT_BLOCKS) * romfs.BLOCK


@cache
def files_of(image: bytes) -> dict[str, bytes]:
    """Path -> content, of a ROMFS image."""
    length, at = _number(image, 3)
    return _records(image[at : at + length], "")


def _records(data, place):
    found, at = {}, 0
    while at < len(data):
        kind, at = _number(data, at)
        length, at = _number(data, at)
        content, at = data[at : at + length], at + length
        size, begin = _number(content, 0)
        name, rest = content[begin : begin + size].decode(), content[begin + size :]
        if kind == 4:
            found |= _records(rest, f"{place}/{name}")
        elif kind == 5:
            _, begin = _number(rest, 0)
            size, begin = _number(rest, begin)
            found[f"{place}/{name}"] = rest[begin : begin + size]
    return found


def _number(data, at):
    value = 0
    while data[at] & 0x80:
        value, at = value << 7 | data[at] & 0x7F, at + 1
    return value << 7 | data[at], at + 1


class OnMeter:
    """The interpreter, a case at a time. in_place: what is defined in the slots goes into the partition, and what
    changes a file there breaks a bit of it."""

    def __init__(self, program: subprocess.Popen, in_place: bool = False):
        self._program = program
        self._in_place = in_place
        self._partitions: dict[str, bytes] = {}
        self.images: dict[str, bytes] = {}  # by SHA-256
        self.console: list[str] = []  # of the last case
        self.contents: dict[str, bytes] = {}  # by SHA-256, of what was seen in place

    def define(self, name: str, files: dict[str, bytes]) -> None:
        slots = {slot: {p[3:]: c for p, c in files.items() if p.startswith(f"/{slot}/")} for slot in romfs.SLOTS}
        self._partitions[name] = romfs.partition(slots, PARTITION)
        left = {path: c.hex() for path, c in files.items() if not self._in_place or path[:3] not in ("/a/", "/b/")}
        self._ask({"define": name, "files": left, "romfs": self._partitions[name].hex()})

    def run(self, base: str, changes=(), starts=("",), patches=(), **how) -> dict:
        """changes: (path, bytes or None or "folder" or "fill") each. patches: (where in the partition, bytes) each."""
        if not self._in_place:
            told = [[path, c.hex() if isinstance(c, bytes) else c] for path, c in changes]
            return self._ask({"base": base, "changes": told, "starts": list(starts), **how})
        data = bytearray(self._partitions[base])
        mine = {slot: files_of(image) for slot in romfs.SLOTS if (image := romfs.sealed(bytes(data), slot))}
        patches, told = list(patches), []
        for path, content in changes:
            if path[2:] in mine.get(path[1:2], ()):
                at = data.find(mine[path[1]][path[2:]], romfs.at(path[1], len(data)))
                patches.append((at, bytes((data[at] ^ 1,))))
            else:
                told.append([path, content.hex() if isinstance(content, bytes) else content])
        for at, content in patches:
            data[at : at + len(content)] = content
        answer = self._ask({"base": base, "changes": told, "starts": list(starts),
                            "romfs": [[at, content.hex()] for at, content in patches], **how})  # fmt: skip
        images = {slot: image for slot in romfs.SLOTS if (image := romfs.sealed(bytes(data), slot))}
        answer["before"] = self._seen(answer["before"], images)
        answer["contents"] = self.contents
        for start in answer["starts"]:
            for digest, content in start["images"].values():
                self.images.setdefault(digest, bytes.fromhex(content))
            images = {slot: self.images[digest] for slot, (digest, _) in start["images"].items()}
            start["tree"] = self._seen(start["tree"], images)
        return answer

    def _seen(self, tree: dict, images: dict) -> dict:
        """A file system's tree with what is in place over it."""
        for slot, image in images.items():
            top = f"/{slot}"
            tree = {path: c for path, c in tree.items() if path != top and not path.startswith(top + "/")}
            for path, content in files_of(image).items():
                path = top + path
                digest = hashlib.sha256(content).hexdigest()
                self.contents[digest] = content
                folders = path.split("/")
                tree |= {"/".join(folders[:n]): None for n in range(2, len(folders))}
                tree[path] = digest
        return tree

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
def on_meter(arch: str = "i386", linked: bool = False, heap: str = "24m", in_place: bool = False, has_romfs=True):
    """linked: the loader as it goes onto a meter; it verifies each signature again. in_place: on an interpreter that
    can have slots there; has_romfs: and there is the partition for it."""
    with tempfile.TemporaryDirectory() as place:
        path = ROOT / "firmware"
        if linked:
            path = Path(place)
            (path / "loader.mpy").write_bytes(loader_files(BOARD, bytes(32), in_place=in_place)["boot/loader.mpy"])
        program = subprocess.Popen(
            [interpreter(arch), "-X", f"heapsize={heap}", Path(__file__).with_name("on_meter.py"), path,
             *([str(has_romfs * PARTITION // romfs.BLOCK)] if in_place else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield OnMeter(program, in_place and has_romfs)
        finally:
            program.kill()
            program.communicate()
