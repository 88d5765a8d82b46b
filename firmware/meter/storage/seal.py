# SPDX-License-Identifier: Apache-2.0
"""The seal of a calibration: SHA-256 of the sealed document, in FRAM (FORMAT.md, "Seal").

Kept apart from the file system: who can put another document there, and no more, gets no other into force. Who can
write to the FRAM can: the record holds no secret, and one that is damaged is set again by the next sealed document. No
other is in force until then. Written once, when a sealed document is first seen, and never again while it reads back
whole. Needed once at a start.
"""

import struct
from binascii import crc32

from micropython import const

from meter.storage.map import SEAL as BASE

SIZE = const(40)
_MAGIC = const(0x5350)  # "PS"
_VERSION = const(2)
_HEAD = "<HBB32s"  # magic, version, is it given up?, seal
_CRC_AT = const(36)
_TRIES = const(5)

HELD = const(0)  # the document in force is the right one, or none has been sealed yet
OLD = const(1)  # another one was there: the one before is, and is in force
LOST = const(2)  # neither is: the part is not calibrated
UNKNOWN = const(3)  # the FRAM did not say, or what is there is damaged: the part is not calibrated either


def read(fram):
    """The seal; empty: nothing has been sealed; None: what is there is damaged. Raises BusError."""
    found = _look(fram)
    return found and found[1]


def _look(fram):
    """(is it given up?, seal), the latter empty when nothing has been sealed; None: what is there is damaged."""
    buf = bytearray(SIZE)
    for _ in range(_TRIES):
        fram.read_into(BASE, buf)
        magic, version, given_up, seal = struct.unpack_from(_HEAD, buf, 0)
        (crc,) = struct.unpack_from("<I", buf, _CRC_AT)
        if magic == _MAGIC and version == _VERSION and crc == crc32(memoryview(buf)[:_CRC_AT]):
            return given_up, seal
        if buf == bytes(SIZE) or buf == b"\xff" * SIZE:  # a new FRAM, depending on its maker
            return 0, b""
    return None


def write(fram, seal: bytes, given_up: int = 0) -> None:
    """Raises BusError, and ChipError for a record that does not read back."""
    buf = bytearray(SIZE)
    struct.pack_into(_HEAD, buf, 0, _MAGIC, _VERSION, given_up, seal)
    struct.pack_into("<I", buf, _CRC_AT, crc32(memoryview(buf)[:_CRC_AT]))
    fram.keep(BASE, buf)


def give_up(fram) -> None:
    """With the sealed document the meter did not meter: the next sealed one takes its place. Raises BusError."""
    kept = read(fram)
    if kept:
        write(fram, kept, 1)


def hold(fram, cfg, without: bool = False) -> int:
    """Let only the sealed calibration be in force: HELD, OLD, LOST or UNKNOWN. Raises BusError: nothing has changed.
    Raises ChipError when the first sealed document is in force and the FRAM does not keep that it is.

    cfg.calibrations: of made.read(), at most two of calibration.parse(), the one in force first. without: this start
    goes without the document there is, for starts before it fell (documents/aside.py).
    """
    found = cfg.calibrations or ()
    seen = _look(fram)
    kept = seen and seen[1]
    if not kept:
        if found and found[0][1]:
            write(fram, found[0][1])
            return HELD
        if kept is not None:
            return HELD
    for n in range(len(found)):
        if found[n][1] == kept:
            cfg.calibrated = found[n][0]
            return OLD if n else HELD
    cfg.calibrated = ()
    if seen and seen[0]:
        for table, seal in found:
            if seal:
                write(fram, seal)
                cfg.calibrated = table
                return HELD
    if seen and (seen[0] or without):
        return HELD
    return UNKNOWN if kept is None else LOST
