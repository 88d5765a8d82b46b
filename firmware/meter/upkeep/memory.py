# SPDX-License-Identifier: Apache-2.0
"""The RTC's memory, which every reset leaves alone and a power cut clears: counts of starts, and the last trouble.

Byte by byte: loader/start.py, which writes some of it.
"""

import struct
import time

import machine
from micropython import const

_HEAD = "<BBBBBBBHI"
_SIZE = const(13)
# Positions in what read() gives.
STARTS = const(0)  # in a row that did not last
SAFES = const(1)  # safe modes in a row
REPORT = const(4)  # bundles given up
FELL = const(5)  # starts in a row that fell before they metered
DARK_S = const(7)  # seconds without metering
SINCE = const(8)  # ticks_ms up to which they are counted; 0: this start meters, or is over
S_MAX = const(0xFFFF)


def read() -> tuple:
    """([counts], the trouble as bytes)"""
    found = machine.RTC().memory()
    if len(found) < 2:
        found = b""
    return list(struct.unpack(_HEAD, found[:_SIZE] + bytes(max(0, _SIZE - len(found))))), found[_SIZE:]


def write(m, trouble: bytes = b"") -> None:
    """Keep what read() gave, changed."""
    machine.RTC().memory(struct.pack(_HEAD, *m) + trouble if any(m) or trouble else b"")


def note(trouble: str) -> None:
    """Keep for the next start what went wrong in this one."""
    m, _ = read()
    passed(m)
    write(m, trouble.encode())


def passed(m) -> None:
    """Count the seconds since they were counted last, while nothing is metered."""
    if m[SINCE]:
        s = max(0, time.ticks_diff(time.ticks_ms(), m[SINCE])) // 1000
        m[DARK_S] = min(m[DARK_S] + s, S_MAX)
        m[SINCE] = time.ticks_add(m[SINCE], 1000 * s) or 1
