# SPDX-License-Identifier: Apache-2.0
"""What is done once a day and once a month, by local time. Loaded for that only, at the first tick of a date.

Which days are charged, and when a wrong clock's are given back, is decided in core/days.py; here is what goes with it.
Days that are caught up cost what the tariff that held when each began says. Evidence for them: the seconds since the
last one began in this start. What a start finds is what its clock says of the time without power: one that is days
behind before a start and after it hides days, if it is put right with no start in between.

The register of the month's begin is in the ledger, in the same commit as the charges; the readings (FRAM, in a
record of their own) are taken from it, and made up for when they could not be written.
"""

from micropython import const

from meter.core import calendar, codes, days
from meter.core.errors import BusError, ChipError
from meter.heap import room
from meter.storage.readings import Readings

_DAY_S = const(86_400)
_DAY_MIN = const(1440)
_SLACK_S = const(10_800)  # an hour of summer time, and seconds that no tick has counted


def undo(books, local) -> int:
    """The clock was put right: give back what the wrong one has taken. Return the days undone, mostly 0.

    local: civil.fields() of now."""
    room()  # too little heap: nothing has been changed yet
    undone = days.undo(books.s, calendar.days(local[0], local[1], local[2]))
    if undone:
        books.spending.day_at_s = books.spending.jump_at_s
        books.log(codes.LOG_CLOCK_UNDONE, undone)
    return undone


def work(books, local, undone: int):
    """undone: of undo(), which has been called. Changes the state before the tick is booked, which then commits it.

    Return (day, month, jumped) for Waiting.due_day, None on a date before the day charged last. A month begins on
    Settings.billing_day.
    """
    s = books.s
    today = calendar.days(local[0], local[1], local[2])
    month = (local[0] - 2000) * 12 + local[1] - 1 - (local[2] < books.cfg.billing_day)
    room()
    before = s.day
    spending = books.spending
    if not any(s.jump):
        spending.jump_at_s = spending.day_at_s
    n, taken_micro = days.begin(s, today, month, _most(books), _cost(books))
    spent_micro = books.spent_micro() - taken_micro  # before this day's charges
    follows = not undone and s.day == before + 1
    jumped = undone or (n is not None and not follows)
    if n is not None:
        if before and not follows:
            books.log(codes.LOG_DAYS, n)
        before_micro = spending.day_spent_micro
        spending.yesterday_micro = spent_micro - before_micro if follows and before_micro is not None else None
        spending.day_spent_micro = spent_micro
    if not books.waiting.date and not undone and today == s.day:
        spending.day_at_s = books.uptime_s  # a start has found this date
    elif n and spending.day_at_s is not None:
        spending.day_at_s = min(books.uptime_s, spending.day_at_s + n * _DAY_S)
    _read(books, spent_micro)
    return (s.day, s.month, jumped) if today >= s.day else None


def _read(books, spent_micro):
    """The readings of days and months (storage/readings.py): this day's is added, and what they say is shown.

    spent_micro: when the day began."""
    s = books.s
    spending = books.spending
    try:
        readings = Readings(books.fram)
        readings.forget(s.month, s.month_counts, s.day + 1)  # of a later date than the ledger: a wrong clock's, or cut
        readings.month_began(s.month, s.month_counts)
        readings.day_began(s.day, spent_micro)
        readings.store()
        spending.daily_micro = readings.daily_micro()
        # A start has only what was written.
        began_micro = readings.spent(s.day)
        before_micro = readings.spent(s.day - 1)
        if began_micro is not None:
            spending.day_spent_micro = began_micro
            if before_micro is not None:
                spending.yesterday_micro = began_micro - before_micro
    except (BusError, ChipError) as e:
        books.fram_lost(e)


def passed(books) -> None:
    """Nobody knows the time, and what a day costs is about to change: charge the whole days that have passed for
    certain, since the last one began or since the start. Not committed."""
    s = books.s
    since_s = books.spending.day_at_s or 0
    n = (books.uptime_s - since_s) // _DAY_S
    if s.day and n:
        room()
        days.begin(s, s.day + n, s.month, n, _cost(books))
        books.spending.day_at_s = since_s + n * _DAY_S


def _most(books):
    """How many days can have begun since the last one."""
    day_at_s = books.spending.day_at_s
    if day_at_s is None:
        return days.YEAR
    passed_s = books.uptime_s - day_at_s
    return (passed_s + passed_s // 16 + _SLACK_S) // _DAY_S + 1


def _cost(books):
    def cost(day):
        tariff = books.tariff
        while tariff.before and day * _DAY_MIN < tariff.from_minute:
            tariff = tariff.before[0]
        return tariff.standing_micro, books.cfg.debt_day_micro

    return cost
