# SPDX-License-Identifier: Apache-2.0
"""Does the FRAM keep what it acknowledges? A cell of its own, in which every bit is another one after each look
(FORMAT.md, "Scratch cell"). Loaded at each start for a moment, before the ledger is read: a part that keeps nothing
looks like a new meter's every time, and the first credit must not be given again and again.
"""

from micropython import const

from meter.storage.map import SCRATCH as AT

SIZE = const(16)


def prove(fram) -> None:
    """Raise ChipError when the FRAM does not keep what it acknowledges, BusError when it does not answer."""
    buf = bytearray(SIZE)
    fram.read_into(AT, buf)
    for i in range(SIZE):
        buf[i] ^= 0xFF
    fram.keep(AT, buf)
