# SPDX-License-Identifier: Apache-2.0
"""Something watched for has begun or ended: it is logged and counted, and what was measured is kept. Loaded for that
only."""

from esp32 import Partition

from meter.core import codes
from meter.core.errors import StorageError
from meter.core.state import KINDS
from meter.storage.incidents import Incidents


def found(books, code: int, phase: int, value: int, lasted_s: int) -> None:
    """See Books.found(): log, counter, what switches off, evidence."""
    number = books.log(code, value * 4 + phase)
    kind = (code - codes.LOG_COVER_OPEN) // 2
    if 0 <= kind < KINDS and not code & 1:
        tampers = books.s.tampers
        if tampers[2 * kind] < 0xFF:
            tampers[2 * kind] += 1
        elif tampers[2 * kind + 1] < 0xFF:
            tampers[2 * kind] = 0
            tampers[2 * kind + 1] += 1
        if books.cfg.tamper_trips >> kind & 1:
            books.step(codes.EV_TAMPER)
        books.commit()
    try:
        _keep(books, number, code, phase, value, lasted_s)
    except MemoryError:
        pass  # the log has it


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
