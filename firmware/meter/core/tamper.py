# SPDX-License-Identifier: Apache-2.0
"""MeterState.tampers changes: tampering begins, lasts, ends. Loaded with books/findings.py, which alone calls it.

A u16 for each kind (codes.TAMPER_*), low byte first:

    bits 0 to 12    how often it has begun; it stays at the most (state.times())
    bits 13 to 15   it lasts on phase A (or in all), B, C
    bit 15          of the cover, which has no phases: its latch was found set, and is about to be cleared
"""

from micropython import const

from meter.core import codes
from meter.core.state import times

_MOST = const(0x1FFF)
_COUNT_HIGH = const(0x1F)  # of a count's high byte
_LASTS = const(5)  # bit of the high byte: on phase A; B and C follow
_LATCHED = const(0x80)
_PHASES = const(3)  # in place of a phase: all
_COVER_AT = const(1)  # high byte of codes.TAMPER_COVER


def begins(s, kind: int, phase: int) -> None:
    """One more. phase: 0 to 2, 3 all. What has no end (from TAMPER_PATTERN on) does not last."""
    at = 2 * kind + 1
    count = min(times(s, kind) + 1, _MOST)
    s.tampers[at - 1] = count & 0xFF
    s.tampers[at] = s.tampers[at] & ~_COUNT_HIGH | count >> 8
    if kind <= codes.TAMPER_BAD_CARDS:
        s.tampers[at] |= 1 << _LASTS + phase % _PHASES


def ends(s, kind: int, phase: int) -> None:
    """It lasts no longer on this phase."""
    s.tampers[2 * kind + 1] &= ~(1 << _LASTS + phase % _PHASES)


def lasts(s, kind: int, phase: int) -> int:
    """Does it last on this phase? 1 or 0."""
    return s.tampers[2 * kind + 1] >> _LASTS + phase % _PHASES & 1


def latch(s, found: bool) -> None:
    """The cover's latch was found set, and is about to be cleared; or it has been."""
    if found:
        s.tampers[_COVER_AT] |= _LATCHED
    else:
        s.tampers[_COVER_AT] &= ~_LATCHED


def latched(s) -> int:
    """Was the latch found set before power went? Not 0: yes."""
    return s.tampers[_COVER_AT] & _LATCHED
