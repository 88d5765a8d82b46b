# SPDX-License-Identifier: Apache-2.0
"""Does the FRAM keep what it acknowledges? A cell of its own, in which every bit is another one after each look
(FORMAT.md, "Scratch cell"). Loaded at the start for a moment: by the self-test, and before a new meter is taken for
one, for a part that keeps nothing looks new at every start, and would be given the first credit each time.
"""

from micropython import const

AT = const(0x7FC8)
SIZE = const(16)


def prove(fram) -> None:
    """Raise ChipError when the FRAM does not keep what it acknowledges, BusError when it does not answer."""
    buf = bytearray(SIZE)
    fram.read_into(AT, buf)
    for i in range(SIZE):
        buf[i] ^= 0xFF
    fram.keep(AT, buf)
