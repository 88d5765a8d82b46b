# SPDX-License-Identifier: Apache-2.0
"""Something watched for has begun or ended: it is logged and counted, and what was measured is kept. Loaded for that
only.

Tampering that lasts when power goes is not counted again when it is back: the ledger knows that it lasts. Of anything
else, the power-down is the end.
"""

from esp32 import Partition
from micropython import const

from meter import heap
from meter.core import codes
from meter.core import watch as w
from meter.core.errors import StorageError
from meter.core.state import KINDS, times
from meter.storage.incidents import Incidents

_COUNT_HIGH = const(0x1F)  # of a count's high byte; the other bits: it lasts (state.times)
_MOST = const(0x1FFF)
_LASTS = const(0x20)  # on phase A, or in all; B and C follow
_LATCHED = const(0x80)  # of the cover, which has no phases: its latch was found set, and is about to be cleared


def begin(watcher) -> None:
    """A Watcher begins, or goes on with other settings: what lasted until now ends with those before. At the start,
    what the ledger says of tampering lasts on, and the cover's latch tells whether it was off without power."""
    books = watcher.books
    cfg = books.cfg
    now_s = watcher.now_s
    if cfg.watch is None:  # this meter has no settings
        _watch_default(cfg)
    before = watcher.watch
    watch = w.Watch(cfg.watch, cfg.phases, cfg.three_wire)
    if before:
        for slot in range(len(before.since)):
            since = before.since[slot]
            if since:
                row = slot // before.phases * w.COLUMNS
                phase = w.ALL if before.rows[row + w.FIGURE] > w.OTHERS else slot % before.phases
                found(books, before.rows[row] + 1, phase, before.extremes[slot], now_s - since)
    else:
        _resume(books.s.tampers, watch, now_s)
        _look_at_cover(watcher, books, books.s.tampers)
    watcher.watch = watch
    watcher.cfg = cfg


def _watch_default(cfg):
    heap.borrow("settings")
    try:
        from meter.documents import parse

        parse.watched(cfg, {})
    finally:
        heap.give_back("settings")


def _resume(tampers, watch, now_s):
    rows = watch.rows
    for row in range(0, len(rows), w.COLUMNS):
        kind = (rows[row] - codes.LOG_COVER_OPEN) // 2
        if 0 <= kind < KINDS:
            for phase in range(1 if rows[row + w.FIGURE] > w.OTHERS else watch.phases):
                if tampers[2 * kind + 1] >> 5 + phase & 1:
                    slot = row // w.COLUMNS * watch.phases + phase
                    watch.since[slot] = now_s
                    watch.extremes[slot] = rows[row + w.LIMIT]


def _look_at_cover(watcher, books, tampers):
    at = 2 * codes.TAMPER_COVER + 1
    if (watcher.cover() or tampers[at] & _LATCHED) and not tampers[at] & _LASTS:
        tampers[at] |= _LATCHED
        books.commit()  # should power go before it is counted
        watcher.forget_cover()
        tampers[at] &= ~_LATCHED
        if not watcher.cover():  # else it is open now, and found as such
            found(books, codes.LOG_COVER_UNPOWERED, w.ALL, 1, -1)


def found(books, code: int, phase: int, value: int, lasted_s: int) -> bool:
    """See Books.found(): log, counter, what switches off, evidence."""
    if not books.ready:
        return False
    number = books.log(code, value * 4 + phase)
    kind = (code - codes.LOG_COVER_OPEN) // 2
    if 0 <= kind < KINDS:
        tampers = books.s.tampers
        at = 2 * kind + 1
        lasts = _LASTS << phase % w.ALL
        if code & 1:
            tampers[at] &= ~lasts
        else:
            count = min(times(books.s, kind) + 1, _MOST)
            tampers[at - 1] = count & 0xFF
            tampers[at] = tampers[at] & ~_COUNT_HIGH | count >> 8
            if kind <= codes.TAMPER_BAD_CARDS:
                tampers[at] |= lasts
            if books.cfg.tamper_trips >> kind & 1:
                books.step(codes.EV_TAMPER)
            books.commit()
    try:
        _keep(books, number, code, phase, value, lasted_s)
    except MemoryError:
        books.starved += 1  # the log has it
    return True


def _keep(books, event, code, phase, value, lasted_s):
    sample = books.sample
    figures = [0] * 13
    marks = (1 if books.utc_s is None else 0) | (0 if books.s.relay_closed == 1 else 2) | (0 if sample else 4)
    if sample:
        for p in range(3):
            figures[p] = min(sample.urms_mv[p] // 100, 0xFFFF)
            figures[3 + p] = min(sample.irms_ma[p] // 10, 0xFFFF)
            figures[6 + p] = max(-0x8000, min(sample.p_mw[p] // 1000, 0x7FFF))
            figures[9 + p] = sample.pf_milli[p]
        figures[12] = sample.freq_chz
    try:
        record = Incidents(Partition.find(1, label="rings")[0])
        record.append(event, books.utc_s or 0, max(0, lasted_s), code, phase, marks, value, figures)
        if record.ring.gave_up:
            books.log(codes.LOG_FLASH_BLOCK, record.ring.gave_up)
    except StorageError:
        books.fault(codes.FAULT_FLASH, True)
