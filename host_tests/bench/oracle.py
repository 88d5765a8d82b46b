# SPDX-License-Identifier: Apache-2.0
"""What a replay must come to, from the file and the calendar alone, in whole numbers and fractions.

Shares nothing with the firmware: energy is integrated from the trace, the rate is looked up with `datetime`,
the cost is a Fraction. From the bench it takes only what happened: when the relay moved and when the meter
read its counters (a tick is booked whole to the rate in force when it is read).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

COUNT_NJ = 3125 * 3_600_000  # 3125 µWh
COUNTS_PER_KWH = 320_000
_EPOCH = datetime(2000, 1, 1)


class Calendar:
    """The tariff document read the plain way."""

    def __init__(self, doc: dict):
        if "rates" not in doc:
            doc = {"rates": [{"name": "flat", "price": doc["price"]}]}
        self.prices = {rate["name"]: Fraction(Decimal(rate["price"])) for rate in doc["rates"]}
        self.order = [rate["name"] for rate in doc["rates"]]
        self.doc = doc

    def rate_at(self, moment: datetime) -> str:
        doc = self.doc
        if "days" not in doc:
            return self.order[0]
        special = {day: profile for day, profile in doc.get("special_days", [])}
        profile = special.get(moment.strftime("%Y-%m-%d")) or special.get(moment.strftime("*-%m-%d"))
        if profile is None:
            week = max(doc["seasons"])[1]  # before the year's first season the last one still holds
            for start, name in sorted(doc["seasons"]):
                if start <= moment.strftime("%m-%d"):
                    week = name
            profile = doc["weeks"][week][moment.weekday()]
        rate = None
        for start, name in doc["days"][profile]:
            if start <= moment.strftime("%H:%M"):
                rate = name
        return rate


def _closed(contacts, start_us, end_us):
    """The parts of [start, end) with the contact closed, as microseconds in order."""
    at, closed = start_us, True
    for moved_us, now_closed in contacts:
        if moved_us >= end_us:
            break
        if moved_us > at:
            if closed:
                yield at, moved_us
            at = moved_us
        closed = now_closed
    if closed and at < end_us:
        yield at, end_us


def counts_at_reads(trace, contacts, reads_us, zero_us: int):
    """Import counts the IC must have handed over at each read. zero_us: bench time of local second 0 of the trace."""
    pieces = []
    for start_s, end_s, row in trace.segments():
        start_us = zero_us + (start_s - trace.start_s) * 1_000_000
        end_us = zero_us + (end_s - trace.start_s) * 1_000_000
        pieces.extend((a, b, row.p_mw) for a, b in _closed(contacts, start_us, end_us))
    counts, balance_nj, n = [], 0, 0
    forward = 0
    at = zero_us
    for read_us in reads_us:
        while n < len(pieces) and pieces[n][0] < read_us:
            a, b, p_mw = pieces[n]
            a = max(a, at)
            stop = min(b, read_us)
            if stop > a:
                balance_nj += p_mw * (stop - a)  # mW·µs = nJ
            if balance_nj >= COUNT_NJ:
                forward += balance_nj // COUNT_NJ
                balance_nj %= COUNT_NJ
            elif balance_nj <= -COUNT_NJ:
                balance_nj = -(-balance_nj % COUNT_NJ)
            if b > read_us:
                break
            n += 1
        at = read_us
        counts.append(forward)
        forward = 0
    return counts


def cost_micro(trace, doc, contacts, reads_us, zero_us):
    """(cost in millionths rounded down once at the end, counts by rate name)."""
    calendar = Calendar(doc)
    by_rate = dict.fromkeys(calendar.order, 0)
    minute, rate = None, None
    for read_us, counts in zip(reads_us, counts_at_reads(trace, contacts, reads_us, zero_us), strict=True):
        if not counts:
            continue
        second = trace.start_s + (read_us - zero_us) // 1_000_000
        if second // 60 != minute:
            minute = second // 60
            rate = calendar.rate_at(_EPOCH + timedelta(seconds=second))
        by_rate[rate] += counts
    exact = sum(calendar.prices[name] * Fraction(n, COUNTS_PER_KWH) for name, n in by_rate.items())
    return int(exact * 1_000_000), by_rate
