# SPDX-License-Identifier: Apache-2.0
"""Loader files and a bundle onto a board that runs MicroPython, and the start after it.

The loader installs /deploy.pwb at the next start, into the slot not in use, after it has checked the signature with
/trust.key. Files that are the same already are left alone. A key that is there is never replaced: whoever may give a
meter firmware was decided when it was provisioned. Raises FlashError.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from . import console
from .boards import Board
from .device import Device
from .errors import BundleRefusedError, DeviceError, StartError

BUNDLE = "/deploy.pwb"  # not /update.pwb: somebody stands beside the board, so to have come up is enough
VERIFY_S = 60  # before the loader says a word it checks the signature, in Python
TRUST = "/trust.key"

Stage = Callable[[str, int], Callable[[int, int], None]]  # (what, bytes) -> progress


@dataclass
class Plan:
    """What goes onto the board: path -> content of the loader's files, and the bundle."""

    loader: dict[str, bytes]
    bundle: bytes
    version: str
    changed: list[str] = field(default_factory=list)


def absolute(files: dict[str, bytes]) -> dict[str, bytes]:
    return {"/" + path.lstrip("/"): content for path, content in files.items()}


def put(device: Device, plan: Plan, stage: Stage) -> None:
    """Loader files that differ, in an order in which a cable pulled in between does no harm, then the bundle."""
    paths = sorted(plan.loader, key=lambda path: (path in ("/boot.py", "/main.py"), path == "/main.py", path))
    there = dict(zip(paths, device.hashes(paths), strict=True))
    key = there.get(TRUST)
    if key and key != hashlib.sha256(plan.loader[TRUST]).hexdigest():
        raise BundleRefusedError(
            "This board takes firmware signed with another key than this bundle's, and would refuse it. Sign it with"
            " the key the board was provisioned for (--key); to make it a development board again, run 'make flash'."
        )
    plan.changed = [path for path in paths if there[path] != hashlib.sha256(plan.loader[path]).hexdigest()]
    for path in plan.changed:
        device.put(path, plan.loader[path], stage(path, len(plan.loader[path])))
    device.put(BUNDLE, plan.bundle, stage(BUNDLE, len(plan.bundle)))


def restart(device: Device, plan: Plan, tell: Callable[[str], None] | None = None) -> console.Start:
    """Hard reset, and the start up to its SELFTEST line. StartError, too, when it is not the version given to it."""
    with contextlib.closing(console.restart(device.port)) as lines:
        start = console.follow(lines, tell, first_s=VERIFY_S)
    runs = start.parts.get("version", plan.version)
    if runs != plan.version:
        raise StartError(
            f"The board runs version {runs} and not {plan.version}: the new one was not installed, or did not hold and"
            f" the loader went back. {console.stopped(start)}Look at what it says above, and deploy again."
        )
    return start


def check_file_system(device: Device, board: Board) -> None:
    """That the board's file system is the `vfs` row of our table: else the table on it is another."""
    size = int(device.run("import os\nv = os.statvfs('/')\nprint(v[0] * v[2])"))
    if size != board.row("vfs").size:
        raise DeviceError(
            f"The board's file system has {size:,} bytes, and {board.name} has {board.row('vfs').size:,}: its partition"
            " table is another. Flash it anew (make flash), with BOARD= if it is another board."
        )
