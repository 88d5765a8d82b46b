# SPDX-License-Identifier: Apache-2.0
"""What the books hold beside the ledger: the terms of the moment, what has been spent, what waits to be written.

None of it outlives a start: minute.py and day.py find it again from the clock, the documents and the FRAM. Everybody
may read it. What it begins with: opening.py.
"""

from array import array

from meter.core.zone import Zone


class Record:
    """Three records, each with fields of its own. (A class for each would take 128 bytes more of the meter's heap.)

    Books.terms     what prices and limits hold now           written by books/minute.py, books/books.py only
    Books.spending  what the days have cost                   written by books/day.py, books/billing.py only
    Books.waiting   what is noted for log, FRAM and flash     written by books/minute.py, books/billing.py only
    """

    # terms: money in millionths of the currency unit per kWh
    zone: Zone  # of the settings
    friendly: bool  # credit alone switches nobody off now
    ended: tuple  # the price signal that ended last, or None
    ended_s: int  # when: utc_s
    rate: int
    rate_micro: int  # its price, or the price signal's
    price_micro: int  # of the next count: with what steps add
    signal: str  # name of the price signal in force, or ""

    # spending: money in millionths of the currency unit; None: not known
    daily_micro: int  # what a day costs, in the mean of the last seven; 0: not known
    day_spent_micro: int  # Books.spent_micro() when this day began
    yesterday_micro: int  # what yesterday cost
    month_cost_micro: tuple  # rate_cost_micro and charges_micro when this billing month began
    day_at_s: int  # Books.uptime_s when the last day began
    jump_at_s: int  # ... and the last one before the date jumped

    # waiting
    off_since: int  # utc_s of the last commit before this start, until it has been told; then None
    date: tuple  # of the day whose work is done
    demand: array  # of core/demand.py
    rate_kept: int  # the rate storage/registers.py has; -1: a maximum is to be written, too
    due_s: int  # utc_s of what billing.store() is to write, or None; the next four are of that moment
    due_rate: int  # the rate that began
    due_day: tuple  # of day.work(): (day, month, has the date jumped?), or None
    snapshot: bytes  # registers before
    maxima: array  # of demand, as they were
    unwritten: tuple  # a reading the flash has not taken yet (billing.py), or None


def fall_back(terms, tariff) -> None:
    """The tariff's rate for when nobody knows which one holds."""
    terms.rate = tariff.fallback
    terms.rate_micro = terms.price_micro = tariff.prices_micro[terms.rate]
    terms.signal = ""
