# SPDX-License-Identifier: Apache-2.0
"""What a replay must come to, from the trace and the documents alone, in whole numbers and fractions.

Shares nothing with the firmware: energy is integrated from the trace, the books are those of year_oracle.py. From the
bench it takes only what happened: when the relay moved and when the meter read its counters (a tick is booked whole
to what is in force when it is read).
"""

from fractions import Fraction

from host_tests.years.year_oracle import ENERGIES, Oracle

COUNT_NJ = 3125 * 3_600_000  # 3125 µWh
# Of year_oracle.Oracle.state(), what a replay compares with the ledger, and in which words.
COMPARED = {
    "import_counts": "energy taken, in counts",
    "export_counts": "energy fed in, in counts",
    "q_import_counts": "reactive energy taken, in counts",
    "q_export_counts": "reactive energy fed in, in counts",
    "rate_counts": "energy by rate, in counts",
    "rate_cost_micro": "cost by rate, in millionths",
    "cost_acc": "what is left of a millionth",
    "charges_micro": "standing charges, in millionths",
    "credit_micro": "credit left, in millionths",
    "overdraft_counts": "energy without credit, in counts",
    "overdraft_micro": "cost of energy without credit, in millionths",
    "day": "day charged last, in days since 2000",
    "month": "billing month, in months since 2000",
    "month_counts": "energy when the billing month began, in counts",
}


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


class _Register:
    """A pair of registers of the IC, forward and reverse: whole counts of what flows, the rest waits for more."""

    def __init__(self):
        self.rest_nj = 0
        self.counts = [0, 0]

    def flow(self, power_m: int, lasted_us: int) -> None:
        self.rest_nj += power_m * lasted_us  # mW·µs = nJ
        n = abs(self.rest_nj) // COUNT_NJ
        way = self.rest_nj < 0
        self.counts[way] += n
        self.rest_nj += n * COUNT_NJ if way else -n * COUNT_NJ

    def read(self) -> list:
        counts, self.counts = self.counts, [0, 0]
        return counts


def counts_at_reads(trace, contacts, reads_us, zero_us: int):
    """(taken, fed in, reactive taken, reactive fed in) that the IC must have counted at each read since the one
    before. zero_us: bench time of the trace's begin."""
    pieces = []
    for start_s, end_s, row in trace.segments():
        start_us = zero_us + (start_s - trace.start_s) * 1_000_000
        end_us = zero_us + (end_s - trace.start_s) * 1_000_000
        pieces.extend((a, b, row) for a, b in _closed(contacts, start_us, end_us))
    active, reactive = _Register(), _Register()
    n, at = 0, zero_us
    for read_us in reads_us:
        while n < len(pieces) and pieces[n][0] < read_us:
            begins, ends, row = pieces[n]
            lasted_us = min(ends, read_us) - max(begins, at)
            if lasted_us > 0:
                active.flow(row.p_mw, lasted_us)
                reactive.flow(row.q_mvar, lasted_us)
            if ends > read_us:
                break
            n += 1
        at = read_us
        yield (*active.read(), *reactive.read())


def books(trace, documents, contacts, reads_us, zero_us: int) -> Oracle:
    """The books at the end. documents: settings, tariff, and the tariff that waits for its time or None."""
    oracle = Oracle(*documents)
    ticks = {}  # second: counts. What is read twice in a second is of one tick
    for read_us, counts in zip(reads_us, counts_at_reads(trace, contacts, reads_us, zero_us), strict=True):
        second = trace.start_s + (read_us - zero_us) // 1_000_000
        before = ticks.get(second, (0, 0, 0, 0))
        ticks[second] = tuple(a + b for a, b in zip(before, counts, strict=True))
    minute = None
    for utc_s, (taken, *others) in ticks.items():
        # A tick that counts nothing and begins no minute changes nothing.
        if taken or any(others) or minute != utc_s // 60:
            minute = utc_s // 60
            oracle.tick(utc_s, {"import_counts": taken, **dict(zip(ENERGIES, (*others, 0), strict=True))})
    return oracle


def differences(oracle: Oracle, ledger) -> list:
    """Where the ledger (MeterState) is not what it must be, a sentence each."""
    wanted = oracle.state()
    out = []
    for field, words in COMPARED.items():
        of_meter, of_oracle = getattr(ledger, field), wanted[field]
        if of_meter == of_oracle:
            continue
        if isinstance(of_oracle, list):
            names = oracle.prices.names
            for n, (one, other) in enumerate(zip(of_meter, of_oracle, strict=True)):
                if one != other:
                    name = names[n] if n < len(names) else f"number {n + 1}"
                    out.append(f"{words}, {name}: {_said(one, other)}")
        else:
            out.append(f"{words}: {_said(of_meter, of_oracle)}")
    return out


def _said(of_meter, of_oracle):
    by = Fraction(of_meter) - Fraction(of_oracle)
    return f"the meter has {of_meter}, the oracle {of_oracle}: {abs(by)} too {'many' if by > 0 else 'few'}"
