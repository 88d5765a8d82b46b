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


def begin(books) -> None:
    """At the start, when the ledger has been read. Raises BusError."""
    take_later(books, books.s.utc_s, log=False)  # its time came before this start
    heap.borrow("billing")
    try:
        from meter.books import billing

        billing.load(books)
    finally:
        heap.give_back("billing")


def work(books) -> None:
    """Before the tick at books.utc_s is booked; None: the clock is invalid. What is to be written is noted in
    books.due, and written by store() when the tick is safe."""
    s = books.s
    local = books.local()
    signal = None
    day = None
    dated = False
    before = None
    if local is None:
        rate = books.tariff.fallback
        demand.minute(books.demand, s.import_counts, 0, rate)  # which no minute follows
    else:
        if books.off_since is not None:
            powered_up(books, books.utc_s)
        if len(books.demand) != demand.RING + books.cfg.demand_min:
            books.demand = demand.begin(books.cfg.demand_min)  # maxima of another interval are none of this one
            books.rate_kept = -1
        if demand.minute(books.demand, s.import_counts, books.utc_s // 60, books.rate):
            books.rate_kept = -1  # a maximum is to be written, whatever the heap says to the rest of this
        books.friendly = is_friendly(books.cfg.friendly, local)
        take_later(books, books.utc_s)
        if local[:3] != books.date:
            heap.borrow("day")
            try:
                from meter.books import day as daily

                undone = daily.undo(books, local)
                before = snapshot(s)  # without this day's charges
                day = daily.work(books, local, undone)
                dated = True
            except MemoryError:
                books.starved += 1  # tried again in a minute; the tick must be booked
            finally:
                heap.give_back("day")
        rate = rate_at(books.tariff, local[0], local[1], local[2], local[3], local[4] * 60 + local[5])
        for entry in books.tariff.signals:
            if books.is_past(entry[0]):
                if not books.is_past(entry[1]):
                    # Not once more in the hour that is there twice when summer time ends.
                    ended, ended_s = books.signalled
                    if entry != ended or not 0 <= books.utc_s - ended_s < _TWICE_S:
                        signal = entry
                elif books.signal == entry[3] and entry != books.signalled[0]:
                    books.signalled = entry, books.utc_s
    rate_micro = signal[2] if signal else books.tariff.prices_micro[rate]
    price_micro = price(s, rate_micro, books.tariff.steps)
    if day or books.unwritten or rate != books.rate_kept:
        utc_s = books.utc_s or s.utc_s
        maxima = books.demand[: demand.MAXIMA]
        if books.due and not day and (books.due[4] or books.due[1] == rate):
            # It could not be written yet: the registers of that moment count, not those of this one.
            before = books.due[2]
            if books.due[4]:
                utc_s, _, _, maxima, day = books.due
        books.due = utc_s, rate, before or snapshot(s), maxima, day
    # Only now, for nothing from here on takes memory: a rate and the price of another one must not be left.
    books.rate = rate
    books.rate_micro = rate_micro
    books.price_micro = price_micro
    books.signal = signal[3] if signal else ""
    if local and dated:
        books.date = local[:3]


def powered_up(books, utc_s) -> None:
    """The first time this start has a clock: tell how long there was no power."""
    before_s = books.off_since
    books.off_since = None
    if before_s:
        books.utc_s = before_s
        books.log(codes.LOG_POWER_DOWN)
        books.utc_s = utc_s
    # The clock may have come later than the power.
    books.log(codes.LOG_POWER_UP, utc_s - before_s - books.uptime_s + 1 if before_s else -1)
    if before_s - utc_s > _CLOCK_BACK_S:
        books.found(codes.LOG_CLOCK_BACK, 3, before_s - utc_s)


def store(books) -> None:
    """After the tick: write what was noted. What cannot be written is tried again with the next minute."""
    heap.borrow("billing")
    try:
        from meter.books import billing

        billing.store(books, *books.due)
        books.due = None
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
