# SPDX-License-Identifier: Apache-2.0
"""When a row of the load profile begins and ends: at the multiples of its period, UTC. Loaded for that only.

A tick belongs to the row that ends at it or next: what it counted flowed in the second before. A row cut short by an
outage is made at the next start, with the registers of the ledger; a clock set by more than a minute ends a row unless
it is still the same one. Of a period in which the meter never ran there is no row. While the clock is not valid, rows
go on from the last time known.

Other settings are for the next row: each has period and channels of the settings it began with. They are noticed at the
next whole minute; if their period has a boundary before the end of the row that is running, it ends there.
"""

from micropython import const

from meter.core import codes
from meter.core.errors import StorageError
from meter.storage import profile
from meter.storage.profile import CLOCK_SET, OUTAGE

_SET_S = const(60)  # the clock was set, if it moved by more
_WAITING_MAX = const(4)  # rows


def work(p, now_s: int) -> None:
    """What is due for the Profile p. now_s 0: at the end of a row, or of a minute; else: the clock has not moved on by
    just a second, or this is the first tick."""
    if now_s:
        _move(p, now_s)
    else:
        if p.cfg is not p.books.cfg:
            p.end_s = min(p.end_s, _end_of(p, p.now_s))
        if p.now_s == p.end_s:
            _close(p)
            _begin(p, p.now_s + 1)
    if p.waiting:
        _store(p)


def _move(p, now_s):
    if p.before:
        _begin(p, p.now_s)  # the row that the power left
    step_s = now_s - p.now_s
    jump = not -_SET_S <= step_s <= _SET_S
    flags = 0
    if p.before and step_s >= -_SET_S:
        flags = OUTAGE
    elif jump and p.end_s:
        flags = CLOCK_SET
    if not p.end_s:
        _clear(p.sums)  # of what no row was known for
        _begin(p, now_s)
    elif now_s > p.end_s or (jump and _end_of(p, now_s) != p.end_s):
        p.flags |= flags
        _close(p)
        _begin(p, now_s)
    p.before = None
    p.flags |= flags


def _begin(p, utc_s):
    """A row begins, in which this second is."""
    p.cfg = p.books.cfg
    p.end_s = _end_of(p, utc_s)


def _end_of(p, utc_s):
    period_s = 60 * p.books.cfg.profile_min
    return -(-utc_s // period_s) * period_s


def _registers(s):
    return s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts, s.va_counts


def _close(p):
    sums = p.sums
    cfg = p.cfg
    n = sums[0] or 1
    # Three wires: phase B is the common one, and has nothing to measure.
    used = range(0, cfg.phases, 2 if cfg.three_wire else 1)
    values = list(p.before or _registers(p.books.s))
    for first, unit in ((2, 10), (5, 10), (8, 1)):
        of_all = 0
        for i in used:
            of_all += sums[first + i]
        values.append(of_all // (unit * n * len(used)))
    values.append(sums[1] // 10_000)
    for i in range(2, 8):
        values.append(sums[i] // (10 * n))
    p.waiting.append(profile.pack(p.end_s, cfg.profile_channels, sums[0], p.flags, cfg.profile_min, values))
    if len(p.waiting) > _WAITING_MAX:
        p.waiting.pop(0)
    p.flags = 0
    _clear(sums)


def _clear(sums):
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
