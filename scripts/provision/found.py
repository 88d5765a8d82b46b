# SPDX-License-Identifier: Apache-2.0
"""What was found on a board, and what giving it an identity would change: no more than somebody has agreed to.

Nothing here talks to a board. Raises RefusedError; BoardError for a folder of boards/ that cannot be read.
"""

import hashlib
from dataclasses import dataclass, field

from scripts.common import board_files

from . import trust
from .errors import BoardError, RefusedError
from .identity import KEYS, SETTINGS, TARIFF, Identity

_STEMS = ("settings", "tariff", "keys", "later")
STALE = {f"{stem}.{end}" for stem in _STEMS for end in ("old", "bad", "new", "tmp", "json.new")} | {
    "later.json", trust.NAME + ".new",
}  # fmt: skip


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
    keys_made: int | None = None  # seconds since 2000
    key_sums: dict[str, str] = field(default_factory=dict)

    @property
    def sealed_for(self) -> str:
        """Number of the meter whose sealed calibration this is; "": none is sealed."""
        seal = self.calibration and self.calibration.get("sealed")
        return str(self.calibration.get("serial", "?")) if self.calibration and seal else ""

    def differs(self, identity: Identity) -> list[str]:
        """Files that are not what they should be."""
        return [name for name, content in identity.files.items() if self.sums.get(name) != digest(content)]

    def as_there(self, identity: Identity) -> Identity:
        """The identity with the time of the keys that are there, if these are its keys; else as it is."""
        same = identity.as_made(self.keys_made)
        return identity if KEYS in self.differs(same) else same

    def stale(self) -> list[str]:
        return sorted(STALE & self.sums.keys())


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


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
