# SPDX-License-Identifier: Apache-2.0
"""Other settings or another tariff for a running meter: checked whole, stored, put in force. Loaded for that.

The document has been staged (documents/files.py). One that is refused, or cannot be stored, changes nothing. The one in
force before is kept: in_force.py. What is checked beyond documents/settings_doc.py and documents/tariff_doc.py:
a document must fit this meter (number, currency), and a provisioned meter stays one.
"""

import gc

from micropython import const

from meter import heap
from meter.commands import results
from meter.core import codes
from meter.core.errors import ConfigError, StorageError
from meter.documents import files, members, parse

MAX = const(3072)  # bytes
_IS_SETTINGS = const(16)


def change(books, name: str, crc: int, by: int, root: str = "") -> int:
    """Put the document in force that files.stage() took. Return DONE, ALREADY, WITH_START or LATER (results.py).
    Raise ConfigError for a document that is refused, StorageError for one that cannot be stored.

    name: files.SETTINGS or TARIFF. crc: the CRC-32 of its bytes. by: BY_*.
    """
    settings = name == files.SETTINGS
    new = files.kept(name, "new")
    staged = files.check_sum(root, new)
    if staged[1] != crc:
        raise StorageError(0, "the file system does not take " + name)
    kept = [files.check_sum(root, name)]
    if not settings:
        kept.append(files.check_sum(root, files.LATER))
    stopped = _aside(root, name)  # what is there: the same once more is to be tried
    if staged[0] and staged in kept and not stopped:
        files.discard(root, name)
        return results.ALREADY
    before = books.cfg
    later = books.later
    try:
        if staged[0] > MAX:
            raise ConfigError(name, "is longer than %d bytes" % MAX)
        if settings:
            cfg = files.load(root, new, name, members.value, _settings)
            _same_meter(cfg, before)
            tariff = books.tariff
        else:
            cfg = before
            tariff = files.load(root, new, name, members.value, parse.tariff)
        if tariff.currency != cfg.currency:
            raise ConfigError("currency", "must be " + before.currency)
    except ConfigError:
        files.discard(root, name)
        books.log(codes.LOG_DOCUMENT_REFUSED, by | (_IS_SETTINGS if settings else 0))
        raise
    # Whether those there are fit to be kept: looked at now, while the code for putting in force is not loaded.
    late = not settings and not stopped and later is None and kept[1][0]
    sound = not stopped and _sound(root, name), late and _sound(root, files.LATER)
    gc.collect()
    books.log(codes.LOG_DOCUMENT_TAKEN, by | (_IS_SETTINGS if settings else 0))
    heap.borrow("in_force")
    try:
        from meter.commands import in_force

        return in_force.put(books, by, root, (cfg, None if settings else tariff), stopped, sound)
    finally:
        heap.give_back("in_force")


def _aside(root, name):
    """Has the document there been put aside?"""
    heap.borrow("aside")
    try:
        from meter.documents import aside

        try:
            return aside.has(root, name)
        except OSError:
            raise StorageError(0, "the file system does not take " + aside.NAME)
    finally:
        heap.give_back("aside")


def _sound(root, name):
    """Is the document that is there fit to be kept as the one before?"""
    try:
        files.load(root, name, name, members.value, _settings if name == files.SETTINGS else parse.tariff)
    except ConfigError:
        return False
    return True


def _settings(doc):
    heap.borrow("settings")  # not for a tariff, which needs the room
    try:
        return parse.settings(doc)
    finally:
        heap.give_back("settings")


def _same_meter(cfg, before):
    if not before.meter_number:
        return  # it has lost its settings
    if cfg.meter_number != before.meter_number:
        raise ConfigError("meter_number", "is another meter's")
    if before.provisioned and not cfg.provisioned:
        raise ConfigError("provisioned", "must stay true")
