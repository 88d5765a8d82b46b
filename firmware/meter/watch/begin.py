# SPDX-License-Identifier: Apache-2.0
"""A Watcher begins, or goes on with other settings. Loaded for that only."""

from meter import heap
from meter.books import findings
from meter.core import codes, tamper, watch
from meter.core.state import KINDS


def begin(watcher) -> watch.Watch:
    """What lasted until now ends with the settings before. At the start, what the ledger says of tampering lasts on,
    and the cover's latch tells whether it was off without power. Return what is to be stepped from now on."""
    books = watcher.books
    cfg = books.cfg
    now_s = watcher.now_s
    if cfg.watch is None:  # this meter has no settings
        _watch_default(cfg)
    before = watcher.watch
    after = watch.Watch(cfg.watch, cfg.phases, cfg.three_wire)
    if before:
        for slot in range(len(before.since)):
            since = before.since[slot]
            if since:
                row = slot // before.phases * watch.COLUMNS
                phase = watch.ALL if before.rows[row + watch.QUANTITY] > watch.OTHERS else slot % before.phases
                findings.found(books, before.rows[row] + 1, phase, before.extremes[slot], now_s - since)
    else:
        _resume(books.s, after, now_s)
        findings.look_at_cover(watcher)
    return after


def _watch_default(cfg):
    heap.borrow("settings")
    try:
        from meter.documents import parse

        parse.watched(cfg, {})
    finally:
        heap.give_back("settings")


def _resume(s, after, now_s):
    """What lasted when power went, and is of tampering, is not found again."""
    rows = after.rows
    for row in range(0, len(rows), watch.COLUMNS):
        kind = (rows[row] - codes.LOG_COVER_OPEN) // 2
        if 0 <= kind < KINDS:
            for phase in range(1 if rows[row + watch.QUANTITY] > watch.OTHERS else after.phases):
                if tamper.lasts(s, kind, phase):
                    slot = row // watch.COLUMNS * after.phases + phase
                    after.since[slot] = now_s
                    after.extremes[slot] = rows[row + watch.LIMIT]
