# SPDX-License-Identifier: Apache-2.0
"""The firmware's own word on the documents of a meter, and JSON that means the same on this computer and on a meter.

Raises DocumentError with what the meter would say.
"""

import json
import tempfile
from pathlib import Path

from scripts import board_files
from scripts.calibrate import firmware as sources

from .errors import DocumentError, FileError, RefusedError

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict:
    """A JSON object from a file."""
    try:
        found = path.read_bytes()
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e.strerror}. Name another file.") from e
    return parse(found, str(path))


def parse(content: bytes, what: str) -> dict:
    """A JSON object; nothing that JSON readers disagree about (a key twice, NaN, a number with a fraction)."""
    try:
        found = json.loads(
            content.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number
        )
    except (ValueError, RecursionError) as e:
        why = "it is nested too deeply" if isinstance(e, RecursionError) else e
        raise DocumentError(f"{what} is no JSON that a meter would take ({why}). Correct it.") from None
    if not isinstance(found, dict):
        raise DocumentError(f"{what} is not a JSON object. Correct it.")
    return found


def _once(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
        raise ValueError(f"{twice!r} is there twice")
    return found


def _no_number(text):
    raise ValueError(f"{text} is no whole number, and amounts are written in quotation marks")


def packed(document: dict) -> bytes:
    """As it goes onto the meter."""
    return json.dumps(document, separators=(",", ":")).encode()


def settings(document: dict):
    """Settings as the meter reads them."""
    sources.use()
    from meter.core import config

    return _asked("settings", config.parse, document)


def tariff(document: dict, currency: str):
    """The tariff as the meter reads it, with settings of that currency."""
    sources.use()
    from meter.core import tariff as tariffs

    found = _asked("tariff", tariffs.parse, document)
    if found.currency != currency:
        raise DocumentError(
            f"The tariff's currency is {found.currency}, and the settings say {currency}. Make them agree."
        )
    return found


def _asked(what, parser, document):
    from meter.core.errors import ConfigError
    from meter.services.change import MAX

    try:
        found = parser(document)
    except ConfigError as e:
        raise DocumentError(f"A meter would refuse this {what} document. {e.text}. Correct it.") from None
    except (TypeError, AttributeError, IndexError, KeyError, OverflowError, RecursionError) as e:
        raise DocumentError(f"A meter would stumble over this {what} document ({e}). Correct it.") from None
    if len(packed(document)) > MAX:
        raise DocumentError(f"The {what} document is longer than {MAX} bytes. Make it shorter.")
    return found


def amounts() -> set[str]:
    """Keys of the settings whose values are texts even where they look like numbers."""
    sources.use()
    from meter.core import config_doc

    return {row[0] for row in config_doc._AMOUNTS} | {"currency", "meter_number"}


def keys_fit(keys: dict, number: str) -> bool:
    """Would a provisioned meter work with these keys? They must not be those everybody knows."""
    return not demo_keys(number) & set(_key_parts(keys).values())


def demo_keys(number: str) -> set[str]:
    """The keys everybody knows, in hexadecimal: those for cards of this meter, and the public halves."""
    from scripts.vend.keys import KeySet

    return set(_key_parts(KeySet.demo().meter_document(number)).values())


def _key_parts(keys):
    before = keys.get("previous") or {}
    found = {name: part.get(name) for part in (before, keys) for name in ("card_key", "utility_key") if name in part}
    return {**found, **{name: keys[name][1] for name in ("sale", "order") if name in keys}}


def is_demo_trust(key: bytes) -> bool:
    """Is this the key whose private half everybody has? A provisioned meter's loader takes nothing signed with it."""
    sources.use()
    from loader.bundle import DEMO

    return key.hex() == DEMO


def slot_in_force(boot_state: bytes) -> str:
    """Its folder, by the meter's /boot.bin; "" where that is lost or names none."""
    sources.use()
    from loader import state

    with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
        (Path(tmp) / "boot.bin").write_bytes(boot_state)
        found = state.load(tmp)
    return state.SLOTS[found.active] if found else ""


def check_board(name: str) -> None:
    """RefusedError: there is no such board."""
    known = board_files.names()
    if name not in known:
        raise RefusedError(f"There is no board {name}. Name one of these with --board: {', '.join(known)}.")
