# SPDX-License-Identifier: Apache-2.0
"""The largest documents a supplier's card can bring."""

import json

from meter.core.settings import Settings
from meter.documents import watch_doc

from host_tests.bench.documents import settings


def as_bytes(doc) -> bytes:
    return json.dumps(doc, separators=(",", ":")).encode()


def largest() -> dict:
    """A tariff of nearly 3 KiB, near all limits."""
    names = [f"rate {n}" for n in range(8)]
    doc = {
        "name": "As large as it gets",
        "currency": "EUR",
        "rates": [{"name": name, "price": "0.123456"} for name in names],
        "days": {f"d{d}": [[f"{h:02}:30" if h else "00:00", names[(h + d) % 8]] for h in range(12)] for d in range(8)},
        "weeks": {"w": [f"d{d}" for d in range(7)]},
        "seasons": [["04-01", "w"]],
        "special_days": [],
        "fallback": names[0],
    }
    while len(as_bytes(doc)) < 3040:
        n = len(doc["special_days"])
        doc["special_days"].append([f"2026-{1 + n // 28:02}-{1 + n % 28:02}", "d7"])
    return doc


def all_watched() -> dict:
    """Settings near all limits: whatever three phases are watched for, all that may trip, and friendly days."""
    limits = ("limit", "clear", "hold_s", "release_s")
    three = Settings()
    three.phases = 3
    events = {row[0]: dict(zip(limits, row[5:], strict=True)) for row in watch_doc._defaults(three)}
    days = [f"2026-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(32)]
    friendly = {"from": "18:00", "until": "08:00", "holidays": days}
    trips = [name for name in watch_doc._TRIPS if name]
    return settings(phases=3, events=events, friendly=friendly, tamper_trips=trips)
