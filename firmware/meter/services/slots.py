# SPDX-License-Identifier: Apache-2.0
"""When a slot of the load profile begins and ends: at each quarter of an hour, UTC. Loaded for that only.

A tick belongs to the slot that ends at it or next: what it counted flowed in the second before. A slot cut
short by an outage gets its row at the next start, with the registers of the ledger; a clock set by more than a
minute ends a slot unless it is still the same one. A slot in which the meter never ran has no row. While the
clock is not valid, slots go on from the last time known.
"""

from micropython import const

from meter.core import codes
from meter.core.errors import StorageError
from meter.storage import profile
from meter.storage.profile import CLOCK_SET, OUTAGE

_PERIOD_S = const(900)
_SET_S = const(60)  # the clock was set, if it moved by more
_WAITING_MAX = const(4)  # rows


def work(p, now_s: int) -> None:
    """What is due for the Profile p. now_s -1: at the start; 0: at the end of a slot; else: the clock has not
    moved on by just a second, or this is the first tick."""
    if now_s < 0:
        s = p.books.s
        if not p.end_s and s.utc_s:
            # As the power left it.
            p.now_s = s.utc_s
            p.end_s = _end_of(s.utc_s)
            p.before = _registers(s)
        return
    if now_s:
        _move(p, now_s)
    elif p.now_s == p.end_s:
        _close(p)
        p.end_s += _PERIOD_S
    if p.waiting:
        _store(p)


def _move(p, now_s):
    step_s = now_s - p.now_s
    jump = not -_SET_S <= step_s <= _SET_S
    flags = 0
    if p.before and step_s >= -_SET_S:
        flags = OUTAGE
    elif jump and p.end_s:
        flags = CLOCK_SET
    end_s = _end_of(now_s)
    if not p.end_s:
        p.end_s = end_s
    elif now_s > p.end_s or (jump and end_s != p.end_s):
        p.flags |= flags
        _close(p)
        p.end_s = end_s
    p.before = None
    p.flags |= flags


def _end_of(utc_s):
    return -(-utc_s // _PERIOD_S) * _PERIOD_S


def _registers(s):
    return s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts


def _close(p):
    sums = p.sums
    n = (sums[0] or 1) * p.books.cfg.phases
    row = profile.pack(
        p.end_s, sums[0], p.flags, _PERIOD_S // 60, p.before or _registers(p.books.s),
        sums[1] // (10 * n), sums[2] // (10 * n), sums[3] // n, sums[4] // 10_000,
    )  # fmt: skip
    p.waiting.append(row)
    if len(p.waiting) > _WAITING_MAX:
        p.waiting.pop(0)
    p.flags = 0
    for i in range(len(sums)):
        sums[i] = 0


def _store(p):
    try:
        rows = profile.Rows(p.dev)
        ring = rows.ring
        ring.open(p.known)
        p.known = 0
        while p.waiting:
            rows.append(p.waiting[0])
            p.waiting.pop(0)
        p.known = ring.next_number
        if ring.gave_up:
            p.books.log(codes.LOG_FLASH_BLOCK, ring.gave_up)
        p.books.fault(codes.FAULT_FLASH, False)
    except StorageError as e:
        if not p.books.faults & codes.FAULT_FLASH:
            print("load profile:", e)
        p.books.fault(codes.FAULT_FLASH, True)
