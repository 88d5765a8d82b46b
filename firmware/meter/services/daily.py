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
from meter.core.errors import BusError
from meter.storage.readings import Readings

from .books import room

_YEAR = const(366)


def work(books, local) -> None:
    """local: civil.fields() of now. Changes the state before the tick is booked, which then commits it."""
    s = books.s
    today = civil.days(local[0], local[1], local[2])
    month = (local[0] - 2000) * 12 + local[1] - 1
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
        if told:
            books.log(codes.LOG_DAYS, n)
    try:
        readings = Readings(books.fram)
        if anew:
            readings.forget(s.month, s.day)
        readings.month_began(s.month, s.month_counts)
        readings.day_began(s.day, sum(s.rate_cost_micro) + s.charges_micro)
        readings.store()
        books.daily_micro = readings.daily_micro()
    except BusError:
        books.fram_lost()
