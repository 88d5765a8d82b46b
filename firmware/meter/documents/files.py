# SPDX-License-Identifier: Apache-2.0
"""Settings, tariff and keys: JSON documents in the file system, read whole or not at all.

    settings.json   in force
    later.json      a tariff whose time has not come, or has since it was stored
    settings.old    the one before it, in force again when the first is damaged
    settings.bad    one that was found damaged when it was replaced
    settings.new    being written, and settings.tmp: of no meaning after a cut

Nothing here needs a document in one piece: the heap may not have one.
"""

import json
import os
from binascii import crc32

from micropython import const

from meter.core.errors import ConfigError, StorageError

SETTINGS = "settings.json"
TARIFF = "tariff.json"
LATER = "later.json"
_PART = const(128)  # bytes


def load(root: str, name: str, called: str = "", take=json.load, make=None):
    """Return the document as a dict, or what make(document) does while the file is open. Raise ConfigError when it is
    missing, cut short or not JSON; called: what for people. take: what reads it (json.load, or value of members.py)."""
    path = root + "/" + name
    name = called or name
    try:
        with open(path, "rb") as f:
            doc = take(f)
            if getattr(doc, "kind", type(doc)) is dict:
                return make(doc) if make else doc
    except OSError:
        raise ConfigError(name, "the file is missing")
    except ValueError:
        raise ConfigError(name, "this is not JSON")
    raise ConfigError(name, "a JSON object is expected")


def kept(name: str, ending: str = "old") -> str:
    """The file that keeps what was there before: settings.json -> settings.old."""
    return name[:-4] + ending


def stage(root: str, name: str):
    """The file a new document is written to, open for writing, in parts as small as you like. Close it."""
    return open(root + "/" + kept(name, "new"), "wb")


def check_sum(root: str, name: str) -> tuple:
    """(bytes, CRC-32) of a file; (0, 0) when there is none."""
    n = crc = 0
    try:
        f = open(root + "/" + name, "rb")
    except OSError:
        return 0, 0
    try:
        part = f.read(_PART)
        while part:
            n += len(part)
            crc = crc32(part, crc)
            part = f.read(_PART)
    finally:
        f.close()
    return n, crc


def replace(root: str, name: str, sound: bool, source: str = "") -> None:
    """Put what has been staged in place of a document: a cut at any point leaves the old one or the new one.

    sound: is the old one fit to fall back on? source: another file than the staged one. Raises StorageError; then
    the document is what it was.
    """
    path = root + "/" + name
    copy = root + "/" + kept(name, "tmp")
    try:
        # There is no link() in LittleFS: a copy, so that there is a document under its name at any moment.
        if _copy(path, copy):
            os.rename(copy, root + "/" + kept(name, "old" if sound else "bad"))
        os.rename(root + "/" + (source or kept(name, "new")), path)
    except OSError:
        raise StorageError(0, "the file system does not take " + name)


def put_aside(root: str, name: str, target: str) -> None:
    """What has been staged becomes another file, whole or not at all. Raises StorageError."""
    try:
        os.rename(root + "/" + kept(name, "new"), root + "/" + target)
    except OSError:
        raise StorageError(0, "the file system does not take " + target)


def set_aside(root: str, name: str) -> None:
    """What is there is kept, but not fit. Raises StorageError."""
    try:
        os.rename(root + "/" + name, root + "/" + kept(name, "bad"))
    except OSError:
        raise StorageError(0, "the file system does not take " + name)


def discard(root: str, name: str) -> None:
    """Forget what has been staged."""
    try:
        os.remove(root + "/" + kept(name, "new"))
    except OSError:
        pass


def _copy(source, target):
    """False: there is nothing to copy."""
    try:
        f = open(source, "rb")
    except OSError:
        return False
    try:
        out = open(target, "wb")
        try:
            part = f.read(_PART)
            while part:
                out.write(part)
                part = f.read(_PART)
        finally:
            out.close()
    finally:
        f.close()
    return True
