# SPDX-License-Identifier: Apache-2.0
"""The documents of one meter, made and checked. Nothing is written here; what comes out, its meter takes.

    settings.json   template or house defaults, with the number and `provisioned`
    tariff.json     as given
    keys.json       derived from the masters (scripts/supplier/keys.py), with the public halves of the signing
                    keys, and when it was made: no order's serial may lie far above
    trust.key       whose firmware bundles the meter takes

A development board (demo) gets the keys everybody knows and stays unprovisioned: the firmware of a provisioned meter
refuses them.
"""

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.supplier.keys import KeySet
from scripts.supplier.units import now_utc_s

from . import firmware, trust
from .errors import DocumentError, RefusedError

SETTINGS, TARIFF, KEYS = "settings.json", "tariff.json", "keys.json"
HOUSE = Path(__file__).with_name("house.json")
_DEMO_TARIFF = {"name": "Demo", "currency": "EUR", "price": "0.25"}


@dataclass(frozen=True)
class Source:
    """What all meters of a run share. template: of the settings; None: the house's."""

    masters: KeySet
    board: str
    template: dict | None = None
    tariff: dict | None = None
    trust_key: bytes | None = None
    key_version: int | None = None
    demo: bool = False
    template_file: str = ""  # where they came from, for errors
    tariff_file: str = ""


@dataclass(frozen=True)
class Identity:
    """files: name on the meter -> content; of them only keys.json is secret, and repr() shows none."""

    number: str
    board: str
    tariff: str
    key_version: int
    provisioned: bool
    trusts: str  # fingerprint; "" without a key
    files: Mapping[str, bytes] = field(repr=False)

    def as_made(self, made: object) -> "Identity":
        """The same with the time of keys that are there already: what was made before is not changed for its time."""
        if type(made) is not int or not 0 < made < 1 << 32:
            return self
        keys = {**json.loads(self.files[KEYS]), "made": made}
        return replace(self, files={**self.files, KEYS: firmware.packed(keys)})

    def summary(self) -> dict:
        """For people and machines: nothing secret."""
        return {
            "number": self.number,
            "board": self.board,
            "provisioned": self.provisioned,
            "key_version": self.key_version,
            "tariff": self.tariff,
            "trust_key": self.trusts or None,
            "files": {name: len(content) for name, content in sorted(self.files.items())},
        }


def make(source: Source, number: str, changes: Mapping[str, object] | None = None) -> Identity:
    """A meter's documents. changes: to the settings, for this one meter. Raises DocumentError and RefusedError."""
    check_source(source)
    document = {**(firmware.load(HOUSE) if source.template is None else source.template), **(changes or {})}
    if document.get("meter_number", number) != number:
        raise DocumentError(
            f"The settings are those of meter {document['meter_number']}, and this is {number}."
            " Take the number out of the template."
        )
    document["meter_number"] = number
    document["provisioned"] = not source.demo
    with _named("" if changes else source.template_file):
        settings = firmware.settings(document)
    tariff_document = _DEMO_TARIFF | {"currency": settings.currency} if source.tariff is None else source.tariff
    with _named(source.tariff_file):
        tariff = firmware.tariff(tariff_document, settings.currency)
    keys = source.masters.meter_document(number, source.key_version, now_utc_s())
    if not source.demo and not firmware.keys_fit(keys, number):
        raise RefusedError(
            "Everybody knows these keys: they are the demo keys under another name."
            " Make masters of your own with 'vend keys new'."
        )
    files = {
        SETTINGS: firmware.packed(document),
        TARIFF: firmware.packed(tariff_document),
        KEYS: firmware.packed(keys),
    }
    if source.trust_key:
        files[trust.NAME] = source.trust_key
    prints = trust.fingerprint(source.trust_key) if source.trust_key else ""
    return Identity(number, source.board, tariff.name, keys["version"], not source.demo, prints, files)


@contextmanager
def _named(file):
    """Whose fault it is goes before what is wrong."""
    try:
        yield
    except DocumentError as e:
        raise DocumentError(f"{file}: {e}" if file else str(e)) from None


def check_source(source: Source) -> None:
    """Is everything there that a meter in a house must have? Raises RefusedError."""
    firmware.check_board(source.board)
    if source.demo:
        return
    if source.tariff is None:
        raise RefusedError("A meter in a house needs its tariff. Name the document with --tariff.")
    if source.trust_key is None:
        raise RefusedError(
            "A meter without the key of your firmware bundles takes no update. Name the public key with --trust."
        )
    if firmware.is_demo_trust(source.trust_key):
        raise RefusedError(
            "Everybody can sign bundles for the demo key. Make a pair of your own; name its public half with --trust."
        )
