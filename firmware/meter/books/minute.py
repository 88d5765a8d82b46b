# SPDX-License-Identifier: Apache-2.0
"""What is done once a minute: rate and price, friendly hours, a tariff whose time has come, the day's work, maximum
demand. Loaded for that only.

A switch falls on a whole minute, so one look a minute does. A tick that spans one is booked to what it is read in.
"""

from micropython import const

from meter import heap
from meter.core import codes, demand
from meter.core.errors import BusError, ChipError
from meter.core.friendly import is_friendly
from meter.core.rates import price, rate_at
from meter.storage.snapshot import snapshot

_CLOCK_BACK_S = const(60)
_TWICE_S = const(7200)
_FROM, _UNTIL, _PRICE, _NAME = const(0), const(1), const(2), const(3)  # columns of Tariff.signals


def begin(books) -> None:
    """At the start, when the ledger has been read. Raise BusError."""
    take_later(books, books.s.utc_s, log=False)  # its time came before this start
    heap.borrow("billing")
    try:
        from meter.books import billing

        billing.load(books)
    finally:
        heap.give_back("billing")


def work(books) -> None:
    """Before the tick at books.utc_s is booked; None: the clock is invalid. What is to be written is noted in
    books.waiting, and written by store() when the tick is safe."""
    s = books.s
    terms = books.terms
    waiting = books.waiting
    local = books.local()
    signal = day = before = None
    dated = False
    if local is None:
        rate = books.tariff.fallback
        demand.minute(waiting.demand, s.import_counts, 0, rate)  # which no minute follows
    else:
        _begins(books, local)
        if local[:3] != waiting.date:
            dated, before, day = _day(books, local)
        rate = rate_at(books.tariff, local[0], local[1], local[2], local[3], local[4] * 60 + local[5])
        signal = _signal(books)
    rate_micro = signal[_PRICE] if signal else books.tariff.prices_micro[rate]
    price_micro = price(s, rate_micro, books.tariff.steps)
    if day or waiting.unwritten or rate != waiting.rate_kept:
        _note(books, rate, before, day)
    # Only now, for nothing from here on takes memory: a rate and the price of another one must not be left.
    terms.rate = rate
    terms.rate_micro = rate_micro
    terms.price_micro = price_micro
    terms.signal = signal[_NAME] if signal else ""
    if local and dated:
        waiting.date = local[:3]


def _begins(books, local):
    """A minute of the household's clock: what does not depend on the date."""
    waiting = books.waiting
    if books.waiting.off_since is not None:
        powered_up(books, books.utc_s)
    if len(waiting.demand) != demand.RING + books.cfg.demand_min:
        waiting.demand = demand.begin(books.cfg.demand_min)  # maxima of another interval are none of this one
        waiting.rate_kept = -1
    if demand.minute(waiting.demand, books.s.import_counts, books.utc_s // 60, books.terms.rate):
        waiting.rate_kept = -1  # a maximum is to be written, whatever the heap says to the rest of this
    books.terms.friendly = is_friendly(books.cfg.friendly, local)
    take_later(books, books.utc_s)


def _day(books, local):
    """Another date. Return (is its work done?, snapshot without this day's charges, what day.work() returned)."""
    before = due = None
    dated = False
    heap.borrow("day")
    try:
        from meter.books import day

        undone = day.undo(books, local)
        before = snapshot(books.s)
        due = day.work(books, local, undone)
        dated = True
    except MemoryError:
        books.ran_short()  # tried again in a minute; the tick must be booked
    finally:
        heap.give_back("day")
    return dated, before, due


def _signal(books):
    """The price signal in force, or None; of several, the last. What has ended is remembered: not once more in the
    hour that is there twice when summer time ends."""
    terms = books.terms
    signal = None
    for entry in books.tariff.signals:
        if not books.is_past(entry[_FROM]):
            continue
        if not books.is_past(entry[_UNTIL]):
            if entry != terms.ended or not 0 <= books.utc_s - terms.ended_s < _TWICE_S:
                signal = entry
        elif terms.signal == entry[_NAME] and entry != terms.ended:
            terms.ended = entry
            terms.ended_s = books.utc_s
    return signal


def _note(books, rate, before, day):
    """Registers as they are before this tick are due to be written: a rate begins, or a day, or a maximum is new.

    before: the snapshot, if it was taken; day: of day.work(), or None. Without a clock, the moment is the time last
    known."""
    waiting = books.waiting
    due_s = books.utc_s or books.s.utc_s
    maxima = waiting.demand[: demand.MAXIMA]
    if waiting.due_s is not None and not day and (waiting.due_day or waiting.due_rate == rate):
        # It could not be written yet: the registers of that moment count, not those of this one.
        before = waiting.snapshot
        if waiting.due_day:
            due_s, maxima, day = waiting.due_s, waiting.maxima, waiting.due_day
    if not before:
        before = snapshot(books.s)
    # All or nothing: from here on nothing takes memory.
    waiting.due_s = due_s
    waiting.due_rate = rate
    waiting.due_day = day
    waiting.snapshot = before
    waiting.maxima = maxima


def powered_up(books, utc_s) -> None:
    """The first time this start has a clock: tell how long there was no power."""
    before_s = books.waiting.off_since
    books.waiting.off_since = None
    if before_s:
        books.log(codes.LOG_POWER_DOWN, 0, before_s)
    # The clock may have come later than the power.
    books.log(codes.LOG_POWER_UP, utc_s - before_s - books.uptime_s + 1 if before_s else -1)
    if before_s - utc_s > _CLOCK_BACK_S:
        books.found(codes.LOG_CLOCK_BACK, 3, before_s - utc_s)


def store(books) -> None:
    """After the tick: write what was noted. What cannot be written is tried again with the next minute."""
    waiting = books.waiting
    heap.borrow("billing")
    try:
        from meter.books import billing

        billing.store(books)
        waiting.due_s = waiting.snapshot = waiting.maxima = waiting.due_day = None
    except (BusError, ChipError) as e:
        books.fram_lost(e)
    finally:
        heap.give_back("billing")


def take_later(books, utc_s, log=True) -> None:
    """The tariff that waits for its time: has it come? Or was the clock wrong by which it did, and it waits again?"""
    tariff = books.tariff
    later = books.later
    if tariff.before and utc_s < tariff.before[1] and not books.is_past(tariff.from_minute, utc_s):
        books.later = tariff
        books.tariff = tariff.before[0]
        tariff.before = ()
    elif later and books.is_past(later.from_minute, utc_s):
        later.before = tariff, utc_s
        books.tariff = later
        books.later = None
    else:
        return
    if log:
        books.log(codes.LOG_TARIFF_CHANGED, codes.BY_TIME)
