# SPDX-License-Identifier: Apache-2.0
"""Something watched for has begun or ended: it is logged and counted, and what was measured is kept. Loaded for that
only.

Tampering that lasts when power goes is not counted again when it is back: the ledger knows that it lasts. Of anything
else, the power-down is the end.
"""

from esp32 import Partition

from meter.core import codes, tamper, watch
from meter.core.errors import StorageError
from meter.core.state import KINDS
from meter.storage.incidents import Incidents


def look_at_cover(watcher) -> None:
    """At the start: was the cover off without power? Its latch tells, and is cleared."""
    books = watcher.books
    s = books.s
    if (watcher.cover() or tamper.latched(s)) and not tamper.lasts(s, codes.TAMPER_COVER, watch.ALL):
        tamper.latch(s, True)
        books.commit()  # should power go before it is counted
        watcher.forget_cover()
        tamper.latch(s, False)
        if not watcher.cover():  # else it is open now, and found as such
            found(books, codes.LOG_COVER_UNPOWERED, watch.ALL, 1, -1)


def found(books, code: int, phase: int, value: int, lasted_s: int) -> bool:
    """See Books.found(): log, counter, what switches off, evidence."""
    if not books.ready:
        return False
    number = books.log(code, value * 4 + phase)
    kind = (code - codes.LOG_COVER_OPEN) // 2
    if 0 <= kind < KINDS:
        if code & 1:
            tamper.ends(books.s, kind, phase)
        else:
            tamper.begins(books.s, kind, phase)
            if books.cfg.tamper_trips >> kind & 1:
                books.step(codes.EV_TAMPER)
            books.commit()
    try:
        _keep(books, number, code, phase, value, lasted_s)
    except MemoryError:
        books.ran_short()  # the log has it
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
        record.append(event, books.utc_s or 0, max(0, lasted_s), code | phase << 8 | marks << 16, value, figures)
        if record.ring.gave_up:
            books.log(codes.LOG_FLASH_BLOCK, record.ring.gave_up)
    except StorageError:
        books.fault(codes.FAULT_FLASH, True)
