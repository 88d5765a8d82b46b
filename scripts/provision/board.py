# SPDX-License-Identifier: Apache-2.0
"""A meter on a port gets its identity: look, write, read back. What is refused between the two: found.py.

The order of writing, so that power may fail between any two steps and the meter is either not provisioned or whole:

    1  a settings document that says "not provisioned", if there is one that may say otherwise
    2  what firmware would fall back to (*.old) and what waits (later.json) goes: it is another identity's
    3  keys, tariff, trust key
    4  all of that is read back
    5  the settings with number and `provisioned`
    6  all is read back

Each file is written whole or not at all (scripts/board/device.py). Raises BoardError; what a board says
is never passed on with anything in it that could be a key.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Protocol

from . import agent, firmware
from .errors import BoardError, DocumentError, without_keys
from .found import STALE, Found, digest
from .identity import KEYS, SETTINGS, Identity

CALIBRATION = "calibration.json"
Told = Callable[[str], None]


class Device(Protocol):
    """What of scripts/board/device.py is used."""

    def run(self, code: str, /) -> str: ...

    def put(self, path: str, content: bytes, /) -> None: ...

    def get(self, path: str, /) -> bytes | None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


def open_device(port: str) -> Device:
    """The board on a port. Raises BoardError."""
    try:
        from scripts.board.device import Device as Real
        from scripts.board.errors import FlashError
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
        from scripts.board.errors import FlashError

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
        more = {}
        if isinstance(keys, dict):
            more = {"key_version": keys["version"], "keys_made": keys["made"], "key_sums": keys["sums"]}
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
            if now.get(name) != digest(identity.files[name]):
                raise BoardError(f"{name} reads back differently from what was written.")
        left = sorted(STALE & now.keys())
        if left:
            raise BoardError(f"{', '.join(left)} could not be removed.")

    def look_sums(self) -> dict[str, str]:
        return self.ask(agent.LOOK, "The board's files were not read back")["files"]
