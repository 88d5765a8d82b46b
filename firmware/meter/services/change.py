# SPDX-License-Identifier: Apache-2.0
"""Another settings or tariff document for a running meter: checked whole, stored, put in force. Loaded for that.

It is staged first (documents.stage). One that is refused, or cannot be stored, changes nothing. The one in force
before is kept. What is checked beyond core/config_doc.py and core/tariff_doc.py: a document must fit
this meter (number, currency), and a provisioned meter stays one.
"""

import gc

from micropython import const

from meter.core import codes, config
from meter.core import tariff as tariffs
from meter.core.errors import ConfigError, StorageError
from meter.storage import documents

SETTINGS = "settings.json"
TARIFF = "tariff.json"
MAX = const(3072)  # bytes
_IS_SETTINGS = const(16)


def change(books, name: str, crc: int, by: int, root: str = "") -> int:
    """Put the document that documents.stage() took in force; crc: the CRC-32 of its bytes; by: BY_*.

    Gives 0: it was already, 1: done, 2: with the next start.
    Raises ConfigError for a document that is refused, StorageError for one that cannot be stored.
    """
    settings = name == SETTINGS
    new = documents.kept(name, "new")
    staged = documents.check_sum(root, new)
    if staged[1] != crc:
        raise StorageError(0, "the file system does not take " + name)
    if documents.check_sum(root, name) == staged:
        documents.discard(root, name)
        return 0
    before = books.cfg
    try:
        if staged[0] > MAX:
            raise ConfigError(name, "is longer than %d bytes" % MAX)
        if settings:
            cfg = config.parse(documents.load(root, new, name))
            _same_meter(cfg, before)
            tariff = books.tariff
        else:
            cfg = before
            tariff = tariffs.parse(documents.load(root, new, name))
        if tariff.currency != cfg.currency:
            raise ConfigError("currency", "must be " + before.currency)
    except ConfigError:
        documents.discard(root, name)
        books.log(codes.LOG_DOCUMENT_REFUSED, by | (_IS_SETTINGS if settings else 0))
        raise
    gc.collect()
    books.log(codes.LOG_DOCUMENT_TAKEN, by | (_IS_SETTINGS if settings else 0))
    documents.replace(root, name, _sound(root, name))
    books.put_in_force(cfg, tariff)
    books.log(codes.LOG_SETTINGS_CHANGED if settings else codes.LOG_TARIFF_CHANGED, by)
    books.fault(codes.FAULT_SETTINGS if settings else codes.FAULT_TARIFF, False)
    # What parts were started with.
    same = (
        cfg.phases == before.phases
        and cfg.relay_pulse_ms == before.relay_pulse_ms
        and cfg.provisioned == before.provisioned
        and cfg.meter_number == before.meter_number
    )
    return 1 if same else 2


def _sound(root, name):
    """Is the document there is fit to be kept as the one before?"""
    try:
        doc = documents.load(root, name)
        config.parse(doc) if name == SETTINGS else tariffs.parse(doc)
    except ConfigError:
        return False
    return True


def _same_meter(cfg, before):
    if not before.meter_number:
        return  # it has lost its settings
    if cfg.meter_number != before.meter_number:
        raise ConfigError("meter_number", "is another meter's")
    if before.provisioned and not cfg.provisioned:
        raise ConfigError("provisioned", "must stay true")
