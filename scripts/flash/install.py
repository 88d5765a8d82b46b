# SPDX-License-Identifier: Apache-2.0
"""Loader files and a bundle onto a board that runs MicroPython, and the start after it.

The loader installs /deploy.pwb at the next start, into the slot not in use, after it has checked the signature with
/trust.key. Files that are the same already are left alone. A key that is there is never replaced: who may give a
meter firmware was decided when it was provisioned. Raises FlashError.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scripts.board import console
from scripts.board.device import Device
from scripts.board.errors import BundleRefusedError, DeviceError, FlashError, StartError
from scripts.image.boards import Board

from .. import bundle

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
    known = device.get(TRUST)
    _check_key(known, plan)
    if known:
        paths = [path for path in paths if path != TRUST]
    plan.changed = [path for path in paths if there[path] != hashlib.sha256(plan.loader[path]).hexdigest()]
    for path in plan.changed:
        device.put(path, plan.loader[path], stage(path, len(plan.loader[path])))
    device.put(BUNDLE, plan.bundle, stage(BUNDLE, len(plan.bundle)))


def _check_key(there: bytes | None, plan: Plan) -> None:
    """BundleRefusedError for a bundle the board would refuse. there: the key it has, None for a bare one."""
    key = there or plan.loader.get(TRUST)
    if not key:
        raise BundleRefusedError(
            "This board knows no key yet, and the bundle's is not known here. Name its public half with --trust: the"
            " file .pub that was made beside the private one."
        )
    if not bundle.signed_by(plan.bundle, key):
        raise BundleRefusedError(
            "This board takes firmware signed with another key than this bundle's, and would refuse it. Sign it with"
            " the key the board was provisioned for (--key); to make it a development board again, run 'make flash'."
        )


@contextlib.contextmanager
def stopped(device: Device) -> Iterator[None]:
    """Stop the board's firmware. If anything fails meanwhile, Ctrl-C too, it is restarted with what it has."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(FlashError):  # it is the first failure that counts
            device.reset()
        raise


def restart(
    device: Device,
    plan: Plan,
    tell: Callable[[str], None] | None = None,
    waited: Callable[[float, float], None] | None = None,
) -> console.Start:
    """Hard reset, and the start up to its SELFTEST line. StartError, too, when it is not the version given to it."""
    with contextlib.closing(console.restart(device.port)) as lines:
        start = console.follow(lines, tell, first_s=VERIFY_S, waited=waited)
    runs, slot = start.parts.get("version", plan.version), start.parts.get("slot")
    put_into = [line.rpartition(" ")[2] for line in start.loader if console.INSTALLING in line]
    if runs != plan.version or (put_into and slot != put_into[-1]):
        raise StartError(
            f"The board runs version {runs} in slot {slot}, and not the {plan.version} it was given: that was not"
            f" installed, or did not hold and the loader went back. {console.stopped(start)}Look at what it says above,"
            " and deploy again."
        )
    return start


def check_file_system(device: Device, board: Board) -> None:
    """That the board's file system is the `vfs` row of our table: else the table on it is another."""
    size = int(device.run("import os\nv = os.statvfs('/')\nprint(v[0] * v[2])"))
    if size != board.row("vfs").size:
        raise DeviceError(
            f"The board's file system has {size:,} bytes, and {board.name} has {board.row('vfs').size:,}: its partition"
            " table is another. Flash it again (make flash), with BOARD= if it is another board."
        )
