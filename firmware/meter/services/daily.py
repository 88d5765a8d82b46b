# SPDX-License-Identifier: Apache-2.0
"""What is done once a day and once a month, by local time. Loaded for that only, at the first tick of a day.

    the clock says     what is done
    the same day       nothing but the estimate, at a start
    a later day        each day since the last one is charged: standing charge, debt; a new month begins if it is one
    an earlier day     nothing until the last one charged is over: no day is charged twice
    more than a year   a clock that was wrong, or is: no day is charged, counting starts anew from here
    off, either way

The register of the month's begin is in the ledger, in the same commit as the charges; the readings (FRAM, in a
record of their own) are taken from it, and made up for when they could not be written.
"""

from micropython import const

from meter.core import account, civil, codes
from meter.core.errors import BusError, ChipError
from meter.storage.readings import Readings

from .books import room

_YEAR = const(366)


def work(books, local) -> tuple:
    """local: civil.fields() of now. Changes the state before the tick is booked, which then commits it.

    Gives (day, month, anew) for billing.store(). A month begins on Settings.billing_day.
    """
    s = books.s
    today = civil.days(local[0], local[1], local[2])
    month = (local[0] - 2000) * 12 + local[1] - 1 - (local[2] < books.cfg.billing_day)
    spent_micro = books.spent_micro()  # before this day's charges
    n = today - s.day
    anew = not s.day or not -_YEAR <= n <= _YEAR
    room()  # too little heap: nothing has been changed yet
    if anew:
        n = 0
    elif n > 0:
        account.charge_days(s, n, books.tariff.standing_micro, books.cfg.debt_day_micro)
    if anew or n > 0:
        told = s.day and n != 1
        s.day = today
        if anew or month > s.month:
            s.month = month
            s.month_counts = s.import_counts
        before_micro = books.day_spent_micro
        books.yesterday_micro = None if n != 1 or before_micro is None else spent_micro - before_micro
        books.day_spent_micro = spent_micro
        if told:
            books.log(codes.LOG_DAYS, n)
    try:
        readings = Readings(books.fram)
        if anew:
            readings.forget(s.month, s.day)
        readings.month_began(s.month, s.month_counts)
        readings.day_began(s.day, spent_micro)
        readings.store()
        books.daily_micro = readings.daily_micro()
        # A start has only what was written.
        began_micro = readings.spent(s.day)
        before_micro = readings.spent(s.day - 1)
        if began_micro is not None:
            books.day_spent_micro = began_micro
            if before_micro is not None:
                books.yesterday_micro = began_micro - before_micro
    except (BusError, ChipError) as e:
        books.fram_lost(e)
    return s.day, s.month, anew
