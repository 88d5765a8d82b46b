# SPDX-License-Identifier: Apache-2.0
"""What days cost when the clock goes to a wrong date and back: in the end, what they cost with a clock that is right.

Written for a clock that goes ahead and is put right once. While it is ahead, days may have been charged up to the date
it shows, each once; when it is back, money is where it would be had the wrong days never come.
"""

from datetime import date, timedelta

from host_tests.bench.plant.plant import EPOCH


class ClockRules:
    def __init__(self):
        self._began = {}  # day -> what had been charged when it began

    def check(self, old, new, terms):
        """What is wrong with charges and date between two records."""
        self._began.setdefault(new.day, new.charges_micro)
        charged = new.charges_micro - old.charges_micro
        days = new.day - old.day if old.day else 0
        if days >= 0 and not 0 <= charged <= days * terms.standing:
            yield f"{days} days were charged {charged}"
        elif days < 0:
            before = max((day for day in self._began if day <= new.day), default=new.day)
            right = self._began[before] + (new.day - before) * terms.standing
            if new.charges_micro != right:
                yield f"back on day {new.day} the charges are {new.charges_micro}, not {right}"
        if new.day != old.day:
            local = EPOCH + timedelta(seconds=new.utc_s + terms.offset_s)
            if new.day != (local.date() - date(2000, 1, 1)).days:
                yield f"day {new.day} was begun on {local:%d %B}"

    def close(self, state, terms, today: date):
        """The end. The first day is that of the first record: a first start that is cut before it knows none."""
        first = next(day for day in self._began if day)
        days = (today - EPOCH.date()).days - first
        if state.charges_micro != days * terms.standing:
            yield f"{state.charges_micro} was charged for {days} days"
        if state.month_counts:
            yield "the month began at a wrong date"
