# SPDX-License-Identifier: Apache-2.0
"""The seal of a calibration: the check sum of the sealed document, in FRAM (FORMAT.md, "Seal").

Kept apart from the file system: whoever can put another document there cannot put another check sum here. Written once,
when a sealed document is first seen, and never again while it reads back whole. Needed once at a start.
"""

import struct
from binascii import crc32

from micropython import const

BASE = const(0x7FF0)
SIZE = const(12)
_MAGIC = const(0x5350)  # "PS"
_VERSION = const(1)
_HEAD = "<HBBI"  # magic, version, 0, seal

HELD = const(0)  # the document in force is the right one, or none has been sealed yet
OLD = const(1)  # another one was there: the one before is, and is in force
LOST = const(2)  # neither is: the part is not calibrated


def read(fram):
    """The seal, or None: there is none. Raises BusError."""
    buf = bytearray(SIZE)
    fram.read_into(BASE, buf)
    magic, version, _, seal = struct.unpack_from(_HEAD, buf, 0)
    (crc,) = struct.unpack_from("<I", buf, 8)
    if magic != _MAGIC or version != _VERSION or crc != crc32(memoryview(buf)[:8]):
        return None
    return seal


def write(fram, seal: int) -> None:
    """Raises BusError."""
    buf = bytearray(SIZE)
    struct.pack_into(_HEAD, buf, 0, _MAGIC, _VERSION, 0, seal)
    struct.pack_into("<I", buf, 8, crc32(memoryview(buf)[:8]))
    fram.write(BASE, buf)


def hold(fram, cfg) -> int:
    """Let only the sealed calibration be in force: HELD, OLD or LOST. Raises BusError; then nothing has changed.

    cfg.calibrations: of made.read(), at most two of calibration.parse(), the one in force first.
    """
    found = cfg.calibrations or ()
    kept = read(fram)
    if kept is None:
        if found and found[0][2] >= 0:
            write(fram, found[0][2])
        return HELD
    for n in range(len(found)):
        if found[n][2] == kept:
            cfg.current_scale, cfg.calibrated, _ = found[n]
            return OLD if n else HELD
    cfg.calibrated = ()
    return LOST
