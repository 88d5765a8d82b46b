# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS on three phases: what each of them counted, out of the reads of the tick's audit.

Loaded by a three-phase meter only. Where audit and totals agree, a phase has what its registers gave. Where they do
not at once, a read was hit. A read that fetched another phase's register shows in that one phase has too much by its
own measured power and another too little: the smaller of the two amounts goes back. If even then audit and totals
disagree, the audit settles the total (audit.py), and the phases are made to add up to that: the difference
goes to the phase farthest from its power. So the phases' sum never strays from the totals by more than the audit's
tolerance in a tick; to which phase counts go is right as far as power was steady over the tick.
"""

from micropython import const

_ONCE = const(24)  # entries of `reads` when everything was read once
_MARGIN = const(4)


class Phases:
    """Counts of import A, B, C, export A, B, C, reactive import and reactive export, until they are given away."""

    def __init__(self, sign: int, mj: int):
        self._sign = sign  # -1: totals are signed sums of the phases; +1: of absolute values
        self._mj = mj  # per count
        self._counts = [0] * 12
        self._given = [0] * 12
        self._new = [0] * 6  # of an audit: taken now, for what it read is nowhere else
        self._off = [0] * 3

    def add(self, n: int, counts: int) -> None:
        self._counts[n] += counts

    def give(self, sample) -> None:
        """The counts are the sample's now."""
        counts = self._counts
        given = self._given
        sample.phase_counts = given
        for n in range(12):
            given[n] = counts[n]
            counts[n] = 0

    def audited(self, reads, net: int, hit: bool, agree: bool, powers, ms: int) -> None:
        """What an audit read: threes of address, counts, second candidate. net: the total it came to, of `powers` in
        mW (mvar) per phase over ms. hit: something was, this tick."""
        base = 3 * (reads[0] >> 2 & 3)
        sign = -1 if base else self._sign
        new = self._new
        for n in range(6):
            new[n] = 0
        for i in range(0, len(reads), 3):
            if reads[i] & 3:
                new[3 * (reads[i] >> 2 & 1) + (reads[i] & 3) - 1] += reads[i + 1]
        if not agree or (hit and len(reads) > _ONCE):
            self._even_out(net, sign, agree, powers, ms)
        for n in range(6):
            self._counts[base + n] += new[n]

    def _even_out(self, net, sign, agree, powers, ms):
        # What one phase has too much goes to the one that has too little; and if audit and totals disagree, what is
        # left to the phase farthest from its power.
        new = self._new
        off = self._off
        mj = self._mj
        low = high = far = 0
        for n in range(3):
            got = new[n] + sign * new[3 + n]
            net -= got
            due = powers[n] // 1000 * ms // mj
            off[n] = got - (abs(due) if sign > 0 else due)
            if off[n] < off[low]:
                low = n
            if off[n] > off[high]:
                high = n
            if abs(off[n]) > abs(off[far]):
                far = n
        # One has the other's.
        n = min(off[high], -off[low])
        if n > _MARGIN + (abs(powers[high]) // 8000 * ms // mj):
            self._add(new, high, -n, sign, powers[high])
            self._add(new, low, n, sign, powers[low])
        if not agree:
            self._add(new, far, net, sign, powers[far])

    def _add(self, new, n, counts, sign, power):
        # All of a phase flows one way, as far as its sum shows.
        got = new[n] + sign * new[3 + n] + counts
        reverse = power < 0 if sign > 0 else got < 0
        new[n] = 0 if reverse else max(got, 0)
        new[3 + n] = max(sign * got, 0) if reverse else 0
