# SPDX-License-Identifier: Apache-2.0
"""From a document (json.loads) to settings or a tariff, checked whole. What checks it is loaded for that moment.

While a card is served the heap is in pieces, and what is loaded needs some larger ones: so a collection comes first.
"""

import gc

from meter import heap


def settings(doc):
    """Return core.settings.Settings. Raise ConfigError(path, reason) if anything in the document is wrong."""
    cfg = _read(doc)
    watched(cfg, doc)
    return cfg


def _read(doc):
    """A function of its own: its name for settings_doc keeps that loaded, and watch_doc needs the room."""
    gc.collect()
    heap.borrow("settings_doc")
    try:
        from meter.documents import settings_doc

        return settings_doc.read(doc)
    finally:
        heap.give_back("settings_doc")


def watched(cfg, doc) -> None:
    """Fill in what is watched for, by a document or by default. Raise ConfigError."""
    gc.collect()
    heap.borrow("watch_doc")
    try:
        from meter.documents import watch_doc

        cfg.watch = watch_doc.rows(cfg, doc.get("events"))
        cfg.tamper_trips = watch_doc.trips(doc.get("tamper_trips", []))
    finally:
        heap.give_back("watch_doc")


def tariff(doc):
    """Return core.tariff.Tariff. Raise ConfigError(path, reason) if anything in the document is wrong."""
    gc.collect()
    heap.borrow("tariff_doc")
    try:
        from meter.documents import tariff_doc

        return tariff_doc.read(doc)
    finally:
        heap.give_back("tariff_doc")
