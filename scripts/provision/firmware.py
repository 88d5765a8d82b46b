# SPDX-License-Identifier: Apache-2.0
"""The firmware's own word on the documents of a meter, and JSON that means the same on this computer and on a meter.

Raises DocumentError with what the meter would say.
"""

import json
import tempfile
from pathlib import Path

from scripts.common import InputError, board_files, meter_code, parse_json, read_json
from scripts.common.text_file import BOM

from .errors import DocumentError, RefusedError

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict:
    """A JSON object from a file of people. Raises InputError."""
    return read_json(path)


def parse(content: bytes, what: str) -> dict:
    """A JSON object as a meter has it, which takes no byte order mark."""
    if content.startswith(BOM):
        raise DocumentError(f"{what} begins with a byte order mark, and a meter takes none. Remove it.")
    try:
        return parse_json(content, what)
    except InputError as e:
        raise DocumentError(str(e)) from None


def packed(document: dict) -> bytes:
    """The document as it goes onto the meter."""
    return json.dumps(document, separators=(",", ":")).encode()


def settings(document: dict):
    """Settings as the meter reads them."""
    meter_code.use()
    from meter.documents import parse

    return _asked("settings", parse.settings, document)


def tariff(document: dict, currency: str):
    """The tariff as the meter reads it, with settings of that currency."""
    meter_code.use()
    from meter.documents import parse

    found = _asked("tariff", parse.tariff, document)
    if found.currency != currency:
        raise DocumentError(
            f"The tariff's currency is {found.currency}, and the settings say {currency}. Make them agree."
        )
    return found


def _asked(what, parser, document):
    from meter.commands.change import MAX

    try:
        found = meter_code.asked(parser, document)
    except meter_code.Stumble as e:
        raise DocumentError(f"A meter would stumble over this {what} document ({e}). Correct it.") from None
    except meter_code.Objection as e:
        raise DocumentError(f"A meter would refuse this {what} document. {e}. Correct it.") from None
    if len(packed(document)) > MAX:
        raise DocumentError(f"The {what} document is longer than {MAX} bytes. Make it shorter.")
    return found


def amounts() -> set[str]:
    """Keys of the settings whose values are texts even where they look like numbers."""
    meter_code.use()
    from meter.documents import settings_doc

    return {row[0] for row in settings_doc._AMOUNTS} | {"currency", "meter_number"}


def calibration(document: dict, board: str, meter) -> None:
    """Would the meter with these settings take it?"""
    meter_code.use()
    from meter.documents import calibration_doc

    part = meter_code.part_of(board)
    _asked("calibration", lambda found: calibration_doc.parse(found, meter, part), document)


def keys(document: dict, number: str, provisioned: bool) -> None:
    """Would a meter of this number take these keys?"""
    meter_code.use()
    from meter.documents import keys_doc

    _asked("keys", keys_doc.parse, document)
    if provisioned and not keys_fit(document, number):
        raise DocumentError(
            "Everybody knows these keys, and a provisioned meter takes no card with them. Make the meter's documents"
            " with `provision` and masters of your own."
        )


def keys_fit(keys: dict, number: str) -> bool:
    """Would a provisioned meter work with these keys? They must not be those everybody knows."""
    return demo_keys(number).isdisjoint([*_key_texts(keys), *_key_texts(keys.get("previous") or {})])


def demo_keys(number: str) -> set[str]:
    """The keys everybody knows, in hexadecimal: those for cards of this meter, and the public halves."""
    from scripts.supplier.keys import KeySet

    return set(_key_texts(KeySet.demo().meter_document(number)))


def _key_texts(part):
    """The keys of a part, secret and public, in hexadecimal."""
    texts = [part.get(name) for name in ("card_key", "utility_key")]
    texts += [signer[-1] for name in ("sale", "order") if (signer := part.get(name))]
    return [text.lower() for text in texts if text]


def is_demo_trust(key: bytes) -> bool:
    """Is this the key whose private half everybody has? A provisioned meter's loader takes nothing signed with it."""
    meter_code.use()
    from loader.bundle import DEMO

    return key.hex() == DEMO


def slot_in_force(boot_state: bytes) -> str:
    """Return the slot's folder, by the meter's /boot.bin; "" where that is lost or names none."""
    meter_code.use()
    from loader import layout, state

    with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
        (Path(tmp) / "boot.bin").write_bytes(boot_state)
        found = state.load(tmp)
    return layout.SLOTS[found.active] if found else ""


def check_board(name: str) -> None:
    """RefusedError: there is no such board."""
    known = board_files.names()
    if name not in known:
        raise RefusedError(f"There is no board {name}. Name one of these with --board: {', '.join(known)}.")
