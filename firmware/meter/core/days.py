# SPDX-License-Identifier: Apache-2.0
"""Which days are charged when the calendar says another date, and what a wrong clock began is taken back. Loaded with
books/day.py.

    the date, from the day charged last     what is done
    the same, or up to a year earlier       nothing: no day is charged twice
    the next one                            it is charged
    a later one, up to a year               each day between is charged, as many as evidence holds: a jump
    more than a year off, either way        no day is charged, counting goes on from there: a jump
    before the day a jump led to            the jump is undone: the state of the day before it, and from there as above
    earlier, and a jump left days out       the same
    a jump went back, and now after it      the same

A jump is kept in MeterState.jump until the clock has gone on from there for as long as the jump was: then the day it
began on can no longer come. It holds what has been taken since, so what is given back is exact. Jumps that follow
each other are one: it began with the first. Invariants: credit, charges, debt and what is paid of it move together;
with a clock that is right in the end each day is charged once.
"""

import struct

from micropython import const

from meter.core import account

YEAR = const(366)
_EARLY = const(8)  # days charged early, one by one, before the clock went back
# Day before, day it led to, month before, days left out, month_counts before; charges and debt taken since.
_JUMP = "<HHHHQQQ"
_NONE = bytes(32)


def undo(s, today: int) -> int:
    """Take back the last jump if the date shows that it was wrong. Return the days that were undone, 0: none."""
    since, to, month, left_out, counts, charged, paid = struct.unpack(_JUMP, s.jump)
    if to > since:
        wrong = today < to or (left_out and today < s.day - 1)
    else:
        wrong = to and today > since - _EARLY and today > s.day + 1
    if not wrong:
        return 0
    undone = abs(s.day - since)
    values = s.credit_micro + charged + paid, s.charges_micro - charged, s.debt_micro + paid, s.debt_paid_micro - paid
    s.credit_micro, s.charges_micro, s.debt_micro, s.debt_paid_micro = values
    s.day, s.month, s.month_counts = since, month, counts
    s.jump = _NONE
    return undone


def begin(s, today: int, month: int, most: int, cost) -> tuple:
    """Bring the state to this date; undo() has been asked. most: days that can have passed; cost: gives
    (standing charge, debt due) of a day.

    Return (days charged, None if no day began; what they cost in standing charges).
    """
    n = today - s.day
    far = not s.day or not -YEAR <= n <= YEAR
    if n <= 0 and not far:
        if not n and month > s.month:
            s.month, s.month_counts = month, s.import_counts
        return None, 0
    since, to, month_then, left_out, counts, charged, paid = struct.unpack(_JUMP, s.jump)
    if s.day and (far or n > 1):
        if not to:
            since, month_then, counts = s.day, s.month, s.month_counts
        to = today
    days = 0 if far else min(n, most)
    left_out = min(left_out + (0 if far else n - days), 0xFFFF)
    before = s.charges_micro, s.debt_paid_micro
    charge(s, today, days, cost)
    taken = s.charges_micro - before[0]
    s.day = today
    if far or month > s.month:
        s.month, s.month_counts = month, s.import_counts
    # After as long as it was, its first day cannot come any more; nor when time has caught up with one that went back.
    if to and today != to and (today >= since if to < since else not left_out and today - to >= to - since):
        to = 0
    if to:
        paid += s.debt_paid_micro - before[1]
        s.jump = struct.pack(_JUMP, since, to, month_then, left_out, counts, charged + taken, paid)
    else:
        s.jump = _NONE
    return days, taken


def charge(s, last: int, days: int, cost) -> None:
    """Charge the days up to the last one, each with what it costs."""
    if not days:
        return
    standing, debt = cost(last)
    more = sum([cost(day)[0] - standing for day in range(last - days + 1, last)])
    account.charge_days(s, days, standing, debt, more)
