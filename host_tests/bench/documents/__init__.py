# SPDX-License-Identifier: Apache-2.0
"""The documents a bench meter is made with: settings, tariff, and demo keys that exist nowhere else."""

import json
from pathlib import Path

from host_tests.bench.cards.cards import DEMO

_HERE = Path(__file__).parent
MADE = 820_000_000  # seconds since 2000: the last days of 2025


def settings(**changes) -> dict:
    return {**json.loads((_HERE / "settings.json").read_text()), **changes}


def tariff() -> dict:
    return json.loads((_HERE / "tariff.json").read_text())


def keys(meter_number: str | None = None) -> dict:
    number = meter_number or settings()["meter_number"]
    return DEMO.meter_document(number, made=MADE)


def as_files(settings_doc=None, tariff_doc=None, keys_doc=None) -> dict[str, bytes]:
    """File name -> content, as the meter finds them."""
    docs = {
        "settings.json": settings_doc or settings(),
        "tariff.json": tariff_doc or tariff(),
        "keys.json": keys_doc or keys((settings_doc or settings()).get("meter_number")),
    }
    return {name: json.dumps(doc, separators=(",", ":")).encode() for name, doc in docs.items()}
