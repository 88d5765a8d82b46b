# SPDX-License-Identifier: Apache-2.0
"""A DESFire card as a dict for JSON: UID, applications with keys and versions, files with data and records.

Bytes are hexadecimal text, file numbers keys of a dict and so text. load_card() believes nothing: what no card could
hold is a ValueError which says where.
"""

from scripts.chips.desfire_applications import Application
from scripts.chips.desfire_codes import FULL, MACED, PICC, PLAIN
from scripts.chips.desfire_files import DataFile, RecordFile

FORMAT = "DESFire card, 1"
_KINDS = {"standard", "backup", "records"}


def dump_card(card) -> dict:
    return {
        "format": FORMAT,
        "uid": card.uid.hex().upper(),
        "ev": card.ev,
        "memory": card.memory_bytes,
        "applications": {aid.hex().upper(): _dump_app(app) for aid, app in card.applications.items()},
    }


def _dump_app(app):
    keys = [{"key": k.hex().upper(), "version": v} for k, v in zip(app.keys, app.versions, strict=True)]
    files = {str(number): _dump_file(found) for number, found in app.files.items()}
    return {"settings": app.settings, "keys": keys, "files": files}


def _dump_file(found):
    head = {"comm": found.comm, "rights": found.rights}
    if isinstance(found, DataFile):
        return {"kind": "backup" if found.backup else "standard", **head, "data": found.data.hex().upper()}
    records = [record.hex().upper() for record in found.records]
    return {"kind": "records", **head, "size": found.size, "limit": found.limit, "records": records}


# -- and back -------------------------------------------------------------------------------------


def load_card(card_class, image, seed):
    _fields(image, "the card", "format", "uid", "ev", "memory", "applications")
    if image["format"] != FORMAT:
        raise ValueError(f"the card: this is no {FORMAT!r}")
    sizes = _number(image["ev"], "ev", 1, 2), _number(image["memory"], "memory", 1, 1 << 20)
    card = card_class(_bytes(image["uid"], "uid", 7), seed, *sizes)
    for name, app in _dict(image["applications"], "applications").items():
        aid = _bytes(name, f"application {name}", 3)
        if aid == PICC or aid in card.applications:
            raise ValueError(f"application {name}: there is no such, or twice")
        card.applications[aid] = _load_app(app, f"application {name}")
    if card.free_bytes() < 0:
        raise ValueError("the card: its files do not fit into its memory")
    return card


def _load_app(image, where):
    _fields(image, where, "settings", "keys", "files")
    keys = _list(image["keys"], f"{where}, keys")
    if not 0 < len(keys) <= 14:
        raise ValueError(f"{where}: {len(keys)} keys; an application has 1 to 14")
    app = Application(_number(image["settings"], f"{where}, settings", 0, 255), [], [])
    for n, entry in enumerate(keys):
        _fields(entry, f"{where}, key {n}", "key", "version")
        app.keys.append(_bytes(entry["key"], f"{where}, key {n}", 16))
        app.versions.append(_number(entry["version"], f"{where}, key {n}, version", 0, 255))
    for name, entry in _dict(image["files"], f"{where}, files").items():
        if name not in map(str, range(32)):
            raise ValueError(f"{where}: no file can have the number {name!r}")
        app.files[int(name)] = _load_file(entry, f"{where}, file {name}")
    return app


def _load_file(image, where):
    kind = _dict(image, where).get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"{where}: kind is {kind!r}, not one of {', '.join(sorted(_KINDS))}")
    rest = ("size", "limit", "records") if kind == "records" else ("data",)
    _fields(image, where, "kind", "comm", "rights", *rest)
    comm, rights = image["comm"], _number(image["rights"], f"{where}, rights", 0, 0xFFFF)
    if _number(comm, f"{where}, comm", 0, 3) not in (PLAIN, MACED, FULL):
        raise ValueError(f"{where}: no communication mode has the number {comm}")
    if kind != "records":
        return DataFile(comm, rights, bytearray(_bytes(image["data"], f"{where}, data")), kind == "backup")
    size = _number(image["size"], f"{where}, size", 1, 0xFFFFFF)
    limit = _number(image["limit"], f"{where}, limit", 1, 0xFFFFFF)
    records = [_bytes(r, f"{where}, record {n}", size) for n, r in enumerate(_list(image["records"], where))]
    if len(records) > limit:
        raise ValueError(f"{where}: {len(records)} records where {limit} fit")
    return RecordFile(comm, rights, size, limit, records)


def _dict(value, where):
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where}: not an object")
    return value


def _list(value, where):
    if not isinstance(value, list):
        raise ValueError(f"{where}: not a list")
    return value


def _fields(image, where, *names):
    """image must be a dict of exactly these fields."""
    have = set(_dict(image, where))
    for name in names:
        if name not in have:
            raise ValueError(f"{where}: {name} is missing")
    if have - set(names):
        raise ValueError(f"{where}: {min(have - set(names))} is unknown")


def _number(value, where, least, most):
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{where}: {value!r} is no number from {least} to {most}")
    return value


def _bytes(text, where, n=None):
    try:
        data = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: not hexadecimal") from None
    if len(data) != n and (n is not None or not data):
        raise ValueError(f"{where}: {len(data)} bytes instead of {n or 'some'}")
    return data
