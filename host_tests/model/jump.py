# SPDX-License-Identifier: Apache-2.0
"""A jump of the date, written from the rules: when it proves wrong, and for how long it may."""

import struct
from datetime import date, datetime
from typing import NamedTuple

EPOCH = datetime(2000, 1, 1)
A_YEAR = 366  # days: a clock that moves further was wrong


class Jump(NamedTuple):
    """The date has moved by more than a day, from `since` to `to`. left_out: days that were not charged, for they
    cannot have passed; charges, paid: taken since."""

    since: date
    month_began_with: int
    to: date | None = None
    left_out: int = 0
    charges: int = 0
    paid: int = 0

    def is_wrong(self, day, today):
        if self.to > self.since:
            return today < self.to or (self.left_out > 0 and (day - today).days > 1)
        return (self.since - today).days < 8 and (today - day).days > 1

    def with_day(self, today, charged, paid, left_out):
        """None: it has been so for so long that it was none."""
        left_out += self.left_out
        if today != self.to:
            if self.to < self.since:
                over = today >= self.since
            else:
                over = not left_out and today - self.to >= self.to - self.since
            if over:
                return None
        return self._replace(charges=self.charges + charged, paid=self.paid + paid, left_out=left_out)

    def packed(self):
        since, to = ((day - EPOCH.date()).days for day in (self.since, self.to))
        month = (self.since.year - 2000) * 12 + self.since.month - 1
        head = struct.pack("<4H", since, to, month, self.left_out)
        return head + struct.pack("<3Q", self.month_began_with, self.charges, self.paid)


class Calendar:
    """What a model of a meter does with a date; the rest of it is in meter.py."""

    def _live_the_day(self, today: date):
        """Each day is charged once, when it begins; a month begins with the register as it is. What a wrong clock took
        is given back."""
        if today == self.seen:
            return
        undone = self.jump is not None and self.jump.is_wrong(self.day, today)
        if undone:
            jump, self.jump = self.jump, None
            self.charges -= jump.charges
            self.debt_paid -= jump.paid
            self.debt += jump.paid
            self.day, self.month_began_with, self.day_at_s = jump.since, jump.month_began_with, self.jump_at_s
        if self.jump is None:
            self.jump_at_s = self.day_at_s
        days = (today - self.day).days if self.day else 0
        far = not self.day or abs(days) > A_YEAR
        if far or days > 0:
            self._begin_day(today, days, far, undone)
        if not self.seen and not undone and today == self.day:
            self.day_at_s = self.uptime_s
        self.seen = today

    def _begin_day(self, today, days, far, undone):
        most = A_YEAR
        if self.day_at_s is not None:
            passed_s = self.uptime_s - self.day_at_s
            most = (passed_s + passed_s // 16 + 10_800) // 86_400 + 1
        if self.day and (far or days > 1):
            self.jump = self.jump or Jump(self.day, self.month_began_with)
            self.jump = self.jump._replace(to=today)
        charged = 0 if far else min(days, most)
        before = self.charges, self.debt_paid
        self.charges += charged * self.prices.standing
        self._recover(charged * self.house.debt_day)
        if self.day and (undone or days != 1):
            self.told_days = [charged]
        if far or (today.year, today.month) != (self.day.year, self.day.month):
            self.month_began_with = self.imported
        self.day = today
        if self.jump:
            taken = self.charges - before[0], self.debt_paid - before[1]
            self.jump = self.jump.with_day(today, *taken, 0 if far else days - charged)
        if charged and self.seen and self.day_at_s is not None:
            self.day_at_s = min(self.uptime_s, self.day_at_s + charged * 86_400)
