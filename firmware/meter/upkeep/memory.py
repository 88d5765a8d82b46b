# SPDX-License-Identifier: Apache-2.0
"""The RTC's memory, which every reset leaves alone and a power cut clears: counts of starts, and the last trouble.

Byte by byte: loader/layout.py. The loader writes some of it.
"""

import struct
import time

import machine
from loader import layout
from micropython import const

_HEAD = "<BBBBBBBHI"
# Positions in what read() gives.
STARTS = const(layout.STARTS)  # in a row that did not last
SAFES = const(layout.SAFES)  # safe modes in a row
REPORT = const(layout.REPORT)  # bundles given up
FELL = const(layout.FELL)  # starts in a row that fell before they metered
DARK_S = const(7)  # seconds without metering
SINCE = const(8)  # ticks_ms up to which they are counted; 0: this start meters, or is over
S_MAX = const(0xFFFF)


def read() -> tuple:
    """([counts], the trouble as bytes)"""
    found = machine.RTC().memory()
    if len(found) < 2:
        found = b""
    counts = found[: layout.TROUBLE] + bytes(max(0, layout.TROUBLE - len(found)))
    return list(struct.unpack(_HEAD, counts)), found[layout.TROUBLE :]


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
