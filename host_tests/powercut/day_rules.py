# SPDX-License-Identifier: Apache-2.0
"""What a day costs without any energy, written down a second time: once per date, never twice, never skipped."""

from datetime import date, timedelta

from host_tests.bench.plant.plant import EPOCH


def check_days(old, new, terms, bought):
    """What is wrong with charges, debt and dates between two records. bought: (amount, debt), or zeros."""
    amount, lent = bought
    days = new.day - old.day if old.day else 0
    if new.charges_micro - old.charges_micro != days * terms.standing:
        yield f"{days} days were charged {new.charges_micro - old.charges_micro}"
    owed = old.debt_micro + lent
    due = min(owed, days * terms.debt_day + amount * terms.debt_percent // 100)
    paid = new.debt_paid_micro - old.debt_paid_micro
    if (paid, new.debt_micro) != (due, owed - due):
        yield f"{paid} of a debt of {owed} was recovered, {due} is due, {new.debt_micro} is left"
    if new.day != old.day:
        local = EPOCH + timedelta(seconds=new.utc_s + terms.offset_s)
        if new.day != (local.date() - date(2000, 1, 1)).days:
            yield f"day {new.day} was begun on {local:%d %B}"
        if new.month != (local.year - 2000) * 12 + local.month - 1:
            yield f"month {new.month} on {local:%d %B}"
    elif new.month != old.month:
        yield "a month began within a day"
    register = old.import_counts if new.month != old.month else old.month_counts
    if new.month_counts != register:
        yield f"the month began with {new.month_counts} counts, not {register}"
