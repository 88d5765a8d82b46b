# SPDX-License-Identifier: Apache-2.0
"""A meter on a port gets its identity: look, refuse, write, read back.

The order of writing, so that power may fail between any two steps and the meter is either not provisioned or whole:

    1  a settings document that says "not provisioned", if there is one that may say otherwise
    2  what firmware would fall back to (*.old) and what waits (later.json) goes: it is another identity's
    3  keys, tariff, trust key
    4  all of that is read back
    5  the settings with number and `provisioned`
    6  all is read back

Each file is written whole or not at all (scripts/flash/device.py). Raises BoardError and RefusedError; what a board
says is never passed on with anything in it that could be a key.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from scripts import board_files

from . import agent, firmware, trust
from .errors import BoardError, DocumentError, RefusedError, without_keys
from .identity import KEYS, SETTINGS, TARIFF, Identity

CALIBRATION = "calibration.json"
_STEMS = ("settings", "tariff", "keys", "later")
_STALE = {f"{stem}.{end}" for stem in _STEMS for end in ("old", "bad", "new", "tmp", "json.new")} | {
    "later.json", trust.NAME + ".new",
}  # fmt: skip
Told = Callable[[str], None]


class Device(Protocol):
    """What of scripts/flash/device.py is used."""

    def run(self, code: str, /) -> str: ...

    def put(self, path: str, content: bytes, /) -> None: ...

    def get(self, path: str, /) -> bytes | None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Found:
    """What is on a board. number "": none. known: can it be told whose meter this is, and whether it is provisioned?"""

    uid: str
    port: str
    sums: dict[str, str]  # file -> SHA-256
    number: str = ""
    provisioned: bool = False
    known: bool = True
    settings: dict = field(default_factory=dict)
    calibration: dict | None = None
    key_version: int | None = None
    key_sums: dict[str, str] = field(default_factory=dict)

    @property
    def sealed_for(self) -> str:
        """Number of the meter whose sealed calibration this is; "": none is sealed."""
        seal = self.calibration and self.calibration.get("sealed")
        return str(self.calibration.get("serial", "?")) if self.calibration and seal else ""

    def differs(self, identity: Identity) -> list[str]:
        """Files that are not what they should be."""
        return [name for name, content in identity.files.items() if self.sums.get(name) != _sum(content)]

    def stale(self) -> list[str]:
        return sorted(_STALE & self.sums.keys())


def open_device(port: str) -> Device:
    """The board on a port. Raises BoardError."""
    try:
        from scripts.flash.device import Device as Real
        from scripts.flash.errors import FlashError
    except ImportError as e:
        raise BoardError(f"For a real board the tools are not here ({e}). Run 'make device-tools' once.") from None
    try:
        return Real(port)
    except FlashError as e:
        raise BoardError(without_keys(str(e))) from None


@contextlib.contextmanager
def opened(port: str) -> Iterator["Board"]:
    """The board on a port. Looking at it stops its firmware: the caller restarts it at the end, and this after a
    failure."""
    device = open_device(port)
    try:
        link = Board(device)
        try:
            yield link
        except BaseException:
            with contextlib.suppress(BoardError):  # it is the first failure that counts
                link.reset()
            raise
    finally:
        device.close()


class Board:
    """A device whose errors are sentences of this package, without a key in them."""

    def __init__(self, device: Device):
        self._device = device

    def _do(self, what: str, call, *args):
        from scripts.flash.errors import FlashError

        try:
            return call(*args)
        except FlashError as e:
            raise BoardError(f"{what}: {without_keys(str(e))}") from None

    def ask(self, code: str, what: str):
        """The last line that code prints, out of JSON."""
        said = self._do(what, self._device.run, code).strip()
        try:
            return json.loads(said.rpartition("\n")[2])
        except ValueError:
            raise BoardError(f"{what}: the board answered something else. Reset it, and start again.") from None

    def put(self, name: str, content: bytes) -> None:
        self._do(f"{name} was not written", self._device.put, "/" + name, content)

    def get(self, name: str) -> bytes | None:
        return self._do(f"{name} was not read", self._device.get, "/" + name)

    def reset(self) -> None:
        self._do("The board was not restarted", self._device.reset)

    # -- look -------------------------------------------------------------------------------------

    def look(self) -> Found:
        said = self.ask(agent.LOOK, "The board's files were not read")
        sums = said["files"]
        number, provisioned, known, document = "", False, True, {}
        # What the meter would have in force: the first of these that it takes.
        for name in (SETTINGS, "settings.old"):
            if name not in sums:
                continue
            try:
                document = firmware.parse(self.get(name) or b"", name)
                settings = firmware.settings(document)
            except DocumentError:
                known, document = False, {}
                continue
            number, provisioned, known = settings.meter_number, settings.provisioned, True
            break
        calibration = None
        if CALIBRATION in sums:
            # One that is damaged is as good as none: the meter says so itself, and takes no other for it.
            with contextlib.suppress(DocumentError):
                calibration = firmware.parse(self.get(CALIBRATION) or b"", CALIBRATION)
        keys = self.ask(agent.KEYS, "The board's keys were not looked at") if KEYS in sums else None
        more = {"key_version": keys["version"], "key_sums": keys["sums"]} if isinstance(keys, dict) else {}
        return Found(said["uid"], said["port"], sums, number, provisioned, known, document, calibration, **more)

    # -- write ------------------------------------------------------------------------------------

    def write(self, identity: Identity, found: Found, told: Told = lambda text: None) -> None:
        """Steps 1 to 6. Nothing is done when all is as it should be."""
        stale = found.stale()
        if not found.differs(identity) and not stale:
            return
        try:
            if SETTINGS in found.sums or "settings.old" in found.sums:
                told("not provisioned, for now")
                resting = {"meter_number": found.number or identity.number, "provisioned": False}
                self.put(SETTINGS, firmware.packed(resting))
            if stale:
                told("remove what was before")
                self.ask(agent.remove(stale), "Old documents were not removed")
            names = [name for name in identity.files if name != SETTINGS]
            for name in names:
                told(name)
                self.put(name, identity.files[name])
            told("read back")
            self.verify(identity, names)
            told(SETTINGS)
            self.put(SETTINGS, identity.files[SETTINGS])
            told("read back")
            self.verify(identity, list(identity.files))
        except BoardError as e:
            raise BoardError(f"{e} The meter is not provisioned, or already whole: give the same command again.") from e

    def verify(self, identity: Identity, names: list[str]) -> None:
        """Does the board hold these files, and nothing to fall back to?"""
        now = self.look_sums()
        for name in names:
            if now.get(name) != _sum(identity.files[name]):
                raise BoardError(f"{name} reads back differently from what was written.")
        left = sorted(_STALE & now.keys())
        if left:
            raise BoardError(f"{', '.join(left)} could not be removed.")

    def look_sums(self) -> dict[str, str]:
        return self.ask(agent.LOOK, "The board's files were not read back")["files"]


def refuse(found: Found, identity: Identity, again: bool) -> list[str]:
    """What would change on a board that has been somebody: one line each. RefusedError unless `again` is said."""
    _refuse_chip(found, identity.board)
    changes = _changes(found, identity)
    others = [text for text in changes if text]
    if others and not again:
        raise RefusedError(
            f"This board {_who(found)}. It would change: {'; '.join(others)}. If that is wanted, say --again."
        )
    return others


def _changes(found, identity):
    differs = found.differs(identity)
    if not differs and not found.stale():
        return
    other = bool(found.number) and found.number != identity.number
    if not (other or found.provisioned or not found.known or found.sealed_for not in ("", identity.number)):
        return
    if other:
        yield f"meter number {found.number} becomes {identity.number}"
        yield "the books in its FRAM (credit, purchases, events) stay those of the meter before"
    if found.provisioned and not identity.provisioned:
        yield "it is no longer provisioned"
    if not found.known:
        yield "documents that cannot be read are replaced"
    if KEYS in differs:
        had = "" if found.key_version is None else f" (version {found.key_version} by {identity.key_version})"
        yield f"its keys are replaced{had}"
    whats = (TARIFF, "tariff document"), (trust.NAME, "key for firmware bundles"), (SETTINGS, "settings document")
    for name, what in whats:
        if name in differs:
            yield f"its {what} changes"
    if found.stale():
        yield f"{', '.join(found.stale())} go"
    if found.sealed_for not in ("", identity.number):
        yield (
            f"its sealed calibration is that of meter {found.sealed_for}: this one will never take another,"
            " unless its FRAM is replaced"
        )


def _who(found):
    if not found.known:
        return "has documents that cannot be read"
    if found.number:
        return f"is meter {found.number}{', provisioned' if found.provisioned else ''}"
    return f"has the sealed calibration of meter {found.sealed_for}"


def _refuse_chip(found, board):
    """What the port says of its chip, if it says it, against the board's folder."""
    if "ESP32" not in found.port:
        return
    try:
        chip = board_files.toml(board).get("chip", "")
    except board_files.BoardFileError as e:
        raise BoardError(str(e)) from None
    has = found.port.rpartition(" ")[2].lower().replace("-", "")
    if chip and has.startswith("esp32") and has != chip.lower().replace("-", ""):
        raise RefusedError(f"This has an {has.upper()}, and a {board} has an {chip.upper()}. Name the right --board.")


def _sum(content):
    return hashlib.sha256(content).hexdigest()
