# SPDX-License-Identifier: Apache-2.0
"""The meter's keys at a change, and whether they are fit for a meter in a house. Loaded for that."""

import json
import os
from binascii import crc32

from meter import heap
from meter.core import cmac
from meter.core.errors import StorageError
from meter.documents import keys_doc

# What all virtual meters have, which anybody can read here: masters, and the public halves of demo keys.
DEMO_METER_MASTER = b"PENNYWATT-DEMO-1"
DEMO_UTILITY_MASTER = b"PENNYWATT-DEMO-5"
DEMO_SALE = (
    b"\x4c\x70\xe7\x6c\xbe\xb0\xb5\x80\x0a\x17\x72\xe1\xcb\xec\x0c\x28"
    b"\x19\xbb\x04\x67\xed\x4c\xc4\x6e\x81\x7f\xff\x18\x4e\x58\x95\x3f"
)
DEMO_ORDER = (
    b"\xa8\x33\x10\x16\xd8\x7f\x79\x81\x1a\xd9\x36\x47\x94\x3b\x73\x49"
    b"\x2f\xd4\x90\x8b\x19\x35\x67\xa8\x8b\x35\xb6\x63\x91\xbe\x39\x33"
)
_NAME = "keys.json"


def fit(keys, meter_number: str) -> bool:
    """May a provisioned meter have these keys? None of them may be one of the virtual meters'."""
    demo = cmac.derived(DEMO_METER_MASTER, b"CARD" + meter_number.encode())
    demo_utility = cmac.derived(DEMO_UTILITY_MASTER, b"UTIL")
    public = keys[keys_doc.SALE], keys[keys_doc.ORDER]
    return not (
        cmac.same(keys[keys_doc.CARD], demo)
        or cmac.same(keys[keys_doc.UTILITY], demo_utility)
        or DEMO_SALE in public
        or DEMO_ORDER in public
    )


def put(root: str, keys) -> None:
    """Write keys.json: a cut at any point leaves the old one or the new one. Raise StorageError; then it is the old.

    Nothing is kept of what was there before: keys that were replaced must not come back.
    """
    heap.borrow("keys_file")
    try:
        _write(root, keys)
    finally:
        heap.give_back("keys_file")


def _write(root, keys):
    from meter.documents import files
    from meter.documents.keys_doc import pack

    try:
        text = json.dumps(pack(keys)).encode()
        f = files.stage(root, _NAME)
        try:
            f.write(text)
        finally:
            f.close()
        if files.check_sum(root, files.kept(_NAME, "new")) != (len(text), crc32(text)):
            raise OSError
        try:
            os.remove(root + "/" + files.kept(_NAME))
        except OSError:
            pass  # there is none
        files.put_aside(root, _NAME, _NAME)
    except (OSError, StorageError):
        files.discard(root, _NAME)
        raise StorageError(0, "the file system does not take " + _NAME)
