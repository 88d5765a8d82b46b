# SPDX-License-Identifier: Apache-2.0
"""Crash reports: what a task died of, in a ring of eight records in FRAM (FORMAT.md, "Crash reports").

Loaded when there is something to write, and let go.
"""

import struct
from binascii import crc32

from micropython import const

from meter.storage.map import CRASHES as BASE

SLOTS = const(8)
SIZE = const(256)
_MAGIC = const(0x4350)  # "PC"
_VERSION = const(1)
_HEAD = "<HBBIII"  # magic, version, bytes of text, number, utc_s, uptime_s
_HEAD_N = const(16)
TEXT_MAX = const(236)
_BODY = const(252)


def pack(number: int, utc_s, uptime_s: int, text: bytes):
    """SIZE bytes. utc_s None: the clock is not to be trusted."""
    buf = bytearray(SIZE)
    text = text[:TEXT_MAX]
    struct.pack_into(_HEAD, buf, 0, _MAGIC, _VERSION, len(text), number, utc_s or 0, uptime_s)
    buf[_HEAD_N : _HEAD_N + len(text)] = text
    struct.pack_into("<I", buf, _BODY, crc32(memoryview(buf)[:_BODY]))
    return buf


def unpack(buf):
    """SIZE bytes -> (number, utc_s, uptime_s, text), or None when damaged or never written."""
    magic, version, n, number, utc_s, uptime_s = struct.unpack_from(_HEAD, buf, 0)
    (crc,) = struct.unpack_from("<I", buf, _BODY)
    if magic != _MAGIC or version != _VERSION or n > TEXT_MAX or crc != crc32(memoryview(buf)[:_BODY]):
        return None
    return number, utc_s, uptime_s, bytes(buf[_HEAD_N : _HEAD_N + n])


def write(fram, number: int, utc_s, uptime_s: int, text: bytes) -> None:
    """Keep a report in place of the oldest, unless the newest says the same. Raises BusError."""
    head = bytearray(_HEAD_N)
    numbers = []
    for slot in range(SLOTS):
        fram.read_into(BASE + slot * SIZE, head)
        magic, _, _, n, _, _ = struct.unpack(_HEAD, head)
        numbers.append(n if magic == _MAGIC else -1)  # never written, or damaged: the first to be used
    buf = bytearray(SIZE)
    fram.read_into(BASE + numbers.index(max(numbers)) * SIZE, buf)
    last = unpack(buf)
    if last is None or last[3] != text[:TEXT_MAX]:
        fram.write(BASE + numbers.index(min(numbers)) * SIZE, pack(number, utc_s, uptime_s, text))
