# SPDX-License-Identifier: Apache-2.0
"""The books are opened: what they begin with, the ledger, and what was found wrong before there was a log. Loaded for
the start only."""

# Most of the records' fields may be None, too.
# pyright: reportAttributeAccessIssue=false

from meter import heap
from meter.books.terms import Record, fall_back
from meter.core import codes
from meter.core.errors import ChipError
from meter.core.zone import Zone
from meter.storage.ledger import FRESH


def records(cfg, tariff) -> tuple:
    """(terms, spending, waiting), before anything is known."""
    terms = Record()
    terms.zone = Zone(cfg.utc_offset_min, cfg.dst)
    terms.friendly = False
    terms.ended = None
    terms.ended_s = 0
    fall_back(terms, tariff)
    spending = Record()
    spending.daily_micro = 0
    spending.day_spent_micro = spending.yesterday_micro = spending.month_cost_micro = None
    spending.day_at_s = spending.jump_at_s = None
    waiting = Record()
    waiting.off_since = 0
    waiting.date = ()
    waiting.demand = None
    waiting.rate_kept = -1
    waiting.due_s = waiting.due_day = waiting.snapshot = waiting.maxima = waiting.unwritten = None
    waiting.due_rate = 0
    return terms, spending, waiting


def read_ledger(books, keeps: bool = True) -> int:
    """Return ledger.FRESH, LOADED or FELL_BACK. keeps: the FRAM does (storage/scratch.py). Raise BusError,
    StorageError, and ChipError for a new meter whose FRAM does not: each start would be its first."""
    s = books.s
    found = books.ledger.load(s)
    if found == FRESH:
        if not keeps:
            raise ChipError(0, "no ledger, and the FRAM keeps none")
        s.credit_micro = books.cfg.initial_credit_micro
    if books.cfg.phases == 1:
        s.phase_counts = []
    elif not s.phase_counts:
        s.phase_counts = [0] * 12
    books.events.find_end(s.event_seq)
    _first_minute(books)
    s.boots += 1
    books.waiting.off_since = s.utc_s
    books.ready = True
    if found == FRESH:
        books.assess(log=False)  # a meter without credit must not begin by switching on
    else:
        books.set_alarm(log=False)  # claims are as they were left; what is owed now, the first tick knows
    return found


def _first_minute(books):
    heap.borrow("minute")
    try:
        from meter.books import minute

        minute.begin(books)
    finally:
        heap.give_back("minute")


def tell(books, fell_back: bool, faults: int) -> None:
    """Log what was found wrong before there was a log to write it to. faults: found since, and not logged.

    Of a FRAM that keeps nothing, books tell later."""
    books.faults |= faults
    if fell_back:
        books.log(codes.LOG_LEDGER_FALLBACK)
    for n in range(16):
        if books.faults & ~codes.FAULT_FRAM_KEEPS & 1 << n:
            books.log(codes.LOG_FAULT, 1 << n)
    books.fault(codes.FAULT_FRAM, False)
