# SPDX-License-Identifier: Apache-2.0
"""Registers by rate, maximum demand, and what is frozen at midnight and at the month's end. Loaded for that only.

    a rate begins           what export, reactive and apparent energy have come to goes to the rate before
    a maximum is passed     it is kept, with the end of its interval
    a day begins            all registers are frozen; consumption is compared with what was usual
    a billing month begins  they are frozen as the month's, and maxima begin from 0
    a month comes back      the clock was wrong: maxima and costs are again those of the month it had ended

Each of these looks at what is written before it writes, so a power cut between any two writes leaves nothing out and
nothing twice. What the flash does not take is tried again with the next minute, and says when it was read.
"""

from esp32 import Partition
from micropython import const

from meter import heap
from meter.core import codes, demand
from meter.core.errors import StorageError
from meter.storage.freezes import Frozen
from meter.storage.registers import Registers
from meter.storage.snapshot import costs, totals

_MONTHS_MAX = const(24)
_DAYS_MAX = const(62)
_READINGS = const(12)  # months in storage/readings.py
_COSTS = const(9)  # of storage/snapshot.py
_DAY, _MONTH = const(0), const(1)  # of Waiting.due_day

# Consumption is odd when the mean of the last two weeks is a fifth of that of the six weeks before, or less, or five
# times as much, and that was a kWh a day or more. A house that stands empty uses little, too, or nothing, but the same
# each day; where people live, days differ. So a fifth or less is odd only if they do, without the five highest and the
# lowest: some of the days were before the journey, or after it.
_RECENT = const(14)
_USUAL = const(42)
_LOW_PERCENT = const(20)
_HIGH_PERCENT = const(500)
_SOME_COUNTS = const(320_000)  # a day
_LEAST = const(1)  # of the days in order
_MOST = const(8)
_DIFFER_PERCENT = const(120)


def load(books) -> None:
    """At the start. Raise BusError."""
    record = Registers(books.fram)
    minutes = books.cfg.demand_min
    waiting = books.waiting
    waiting.demand = demand.begin(minutes, record.maxima() if record.minutes == minutes else None)
    waiting.rate_kept = record.rate
    if record.month:
        books.spending.month_cost_micro = record.month_costs()


def store(books) -> None:
    """Write what minute.work() has noted before it was changed by a tick: a rate begins, there are new maxima, or a day
    and perhaps a billing month.

    Raise BusError. A reading the flash does not take is kept in Waiting.unwritten for the next minute; the registers
    in FRAM do not wait for it.
    """
    waiting = books.waiting
    day = waiting.due_day
    record = Registers(books.fram)
    minutes = len(waiting.demand) - demand.RING
    if record.minutes != minutes:
        record.begin_maxima(minutes)
    for i in range(demand.MAXIMA):
        if waiting.maxima[i] > record.peak(i)[0]:
            record.put_peak(i, waiting.maxima[i], waiting.due_s // 60 * 60)
    if day:
        _read_out(books, record, day)
    if waiting.unwritten:
        _freeze(books, record)
    if day:
        _begin_month(books, record, day[_MONTH])
    if record.rate != waiting.due_rate:
        record.begin_rate(totals(waiting.snapshot), waiting.due_rate)
    record.store()
    waiting.rate_kept = waiting.due_rate
    for i in range(demand.MAXIMA):
        if waiting.demand[i] > record.peak(i)[0]:
            waiting.rate_kept = -1  # another maximum since: with the next minute


def _read_out(books, record, day):
    """A day begins: its reading is noted for the flash."""
    waiting = books.waiting
    if record.month > day[_MONTH]:
        _go_back(books, record, day[_MONTH])
    if record.pattern_day > day[_DAY]:
        record.odd_on(0)
    began = record.month if record.month < day[_MONTH] else 0
    waiting.unwritten = waiting.due_s, waiting.snapshot, record.image(totals(waiting.snapshot)), began, day


def _begin_month(books, record, month):
    """Unless this month is under way already."""
    waiting = books.waiting
    if record.month != month:
        record.begin_month(costs(waiting.snapshot), month)
        record.begin_maxima(len(waiting.demand) - demand.RING)
        for i in range(demand.MAXIMA):
            waiting.demand[i] = 0
    books.spending.month_cost_micro = record.month_costs()


def _rings():
    return Partition.find(1, label="rings")[0]


def _go_back(books, record, month):
    """A wrong clock has ended the month that is under way, or one before: the record is again that month's, if its
    reading is there. That has the maxima there were; the one of the month before, what energy had cost by then."""
    peaks = None
    try:
        months = Frozen(_rings(), True)
        for _, first, last, _ in months.back():
            if last >= month:
                if not peaks:
                    peaks = [record.peak(i) for i in range(demand.MAXIMA)]
                    began = 0
                if not began:
                    peaks = [max(pair) for pair in zip(peaks, months.peaks())]
                    began = first if first <= month else 0
                    costs_micro = (0,) * _COSTS  # of a meter's first month
            else:
                if peaks and first < began <= last + 1:
                    costs_micro = costs(months.snapshot())
                break
    except StorageError as e:
        _failed(books, e)
    if peaks and began:
        record.begin_month(costs_micro, began)
        for i in range(demand.MAXIMA):
            record.put_peak(i, *peaks[i])
            books.waiting.demand[i] = peaks[i][0]


def _refill(books, months, month):
    """The readings of months that a wrong clock's have pushed out of the record for cards are put back."""
    heap.borrow("readings")
    try:
        from meter.storage.readings import Readings

        record = Readings(books.fram)
        record.put_months(months.ends(month - 1, month - _READINGS))
        record.store()
    finally:
        heap.give_back("readings")


def _freeze(books, record):
    waiting = books.waiting
    utc_s, snapshot, image, began, (day, month, jumped) = waiting.unwritten
    reading = snapshot, image, record.minutes, utc_s
    try:
        dev = _rings()
        if began or jumped:
            months = Frozen(dev, True)
            if began:
                _keep(months, reading, began, month - 1, _MONTHS_MAX)
                told(books, months.ring)
            if jumped:
                _refill(books, months, month)
        days = Frozen(dev)
        if _keep(days, reading, day, day, _DAYS_MAX) and not jumped:
            _compare(books, record, days, day, utc_s)
        told(books, days.ring)
        waiting.unwritten = None
    except StorageError as e:
        _failed(books, e)


def _failed(books, e):
    if not books.faults & codes.FAULT_FLASH:
        print("registers:", e)
    books.fault(codes.FAULT_FLASH, True)


def _keep(frozen, reading, first, last, most):
    """reading: what Frozen.keep() takes first. False: that is there already. Readings of later days are a wrong
    clock's: no reason not to write this one."""
    newest = frozen.reading(last, last, reading[-1])[1]
    if newest >= last:
        return False
    frozen.keep(*reading, max(newest + 1 if newest else first, last - most + 1), last)
    return True


def _compare(books, record, days, day, now_s):
    """Is consumption another than it was?"""
    _, last, now, _ = days.reading(day, day, now_s)
    first, last, before, _ = days.reading(day - _RECENT, day, now_s)
    if not first <= day - _RECENT <= last:
        return
    start = day - _RECENT - _USUAL
    first, last, counts, _ = days.reading(start, day, now_s)
    if not first <= start <= last or not counts:
        return
    usual = (before - counts) // _USUAL
    percent = (now - before) * 100 // _RECENT // (usual or 1)
    if usual < _SOME_COUNTS or _LOW_PERCENT < percent < _HIGH_PERCENT:
        return
    if 0 <= day - record.pattern_day < _RECENT or (percent <= _LOW_PERCENT and _even(days, day, now_s)):
        return
    record.odd_on(day)
    books.found(codes.LOG_PATTERN, 3, percent)


def _even(days, day, now_s):
    """Is one day of the last two weeks like another?"""
    used = []
    end = days.reading(day, day, now_s)[2]
    for n in range(1, _RECENT + 1):
        begin = days.reading(day - n, day, now_s)[2]
        used.append(end - begin)
        end = begin
    used.sort()
    return used[_MOST] * 100 <= used[_LEAST] * _DIFFER_PERCENT


def told(books, ring) -> None:
    """The flash is well again, or has blocks that took no record."""
    if ring.gave_up:
        books.log(codes.LOG_FLASH_BLOCK, ring.gave_up)
    books.fault(codes.FAULT_FLASH, False)
