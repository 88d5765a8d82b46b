# SPDX-License-Identifier: Apache-2.0
"""When the IC's totals and its phases disagree: which reading was not what it seemed to be.

Arithmetic. Total and phase registers count the same energy, so what was read from them since the last
agreement must differ by next to nothing. A bit flipped in the address of a read makes it fetch another
register: the wanted one keeps its counts, the other one may have lost them. Reading everything once more
brings the former to light; what remains is explained by at most two of
    the other candidate value of a read / a read that is void / a read that took what belongs to another side
and if that leaves a difference, by one side being off for no known reason. The explanation whose outcome lies
nearest to what the measured power suggests wins; each thing assumed counts against it.
"""

from micropython import const

from meter.drivers.atm90e32.regs import Q_MEAN_A

# What an assumption costs, in counts of distance.
_OTHER = const(0)  # the second candidate: that one of the two is wrong is known
_ASTRAY = const(3)  # a read fetched another register
_PHASES_OFF = const(2)  # the phases' counts went with a read that nobody missed: a measured value's
_TOTAL_OFF = const(5)
_NEVER = const(1_000_000)
_MARGIN = const(20)


class Evidence:
    """The reads of one audit, in counts: `diff` = totals - phases, and the outcome `forward`, `reverse`.

    sign is -1 if the totals are signed sums of the phases, +1 if sums of absolute values; limit is what the
    mains can deliver at most; between low and high, in any order, the power puts the net outcome.
    """

    def __init__(self, diff: int, sign: int, limit: int, low: int, high: int):
        self.diff = diff
        self.forward = 0
        self.reverse = 0
        self.void = 0  # what a read brought that fetched another register
        self._sign = sign
        self._limit = limit
        if low > high:
            low, high = high, low
        self._low = max(0, low - 1)
        self._high = max(0, high + 1)
        self._reverse_low = max(0, -high - 1)
        self._reverse_high = max(0, 1 - low)
        self._options = [0, 0, 0, 0]  # fours: change of diff, of forward, of reverse, cost

    def read(self, addr: int, counts: int, other: int) -> None:
        """A register was read; `other` is a second candidate for what it held (-1: none)."""
        reverse = addr & 4
        sign = self._sign if reverse else 1
        may = self._may
        if addr & 3:
            # A phase's.
            self.diff -= sign * counts
            if other >= 0:
                may(sign * (counts - other), 0, 0, _OTHER)
            if counts:
                may(sign * counts, 0, 0)  # void
                may(2 * sign * counts, 0, 0)  # was the other direction's
            return
        self.diff += sign * counts
        if reverse:
            self.reverse += counts
        else:
            self.forward += counts
        if other >= 0:
            may(sign * (other - counts), other - counts, 0, _OTHER, reverse)
        if counts:
            may(-sign * counts, -counts, 0, _ASTRAY, reverse)  # void
            may(-2 * sign * counts, -counts, 0, _ASTRAY, reverse)  # was the phases'
            if self._sign < 0:
                may(-2 * sign * counts, -counts, counts, _ASTRAY, reverse)  # was the other direction's

    def before(self, forward: int, reverse: int) -> None:
        """The totals of the tick before, which no audit has confirmed."""
        if forward:
            self._may(-forward, -forward, 0)
        if reverse:
            self._may(-self._sign * reverse, 0, -reverse)

    def taken(self, counts: int) -> None:
        """A read of other registers may have taken these counts from here."""
        if counts:
            for n in (counts, -counts):
                self._may(n, max(n, 0), 0, _OTHER)
                self._may(n, 0, max(self._sign * n, 0), _OTHER)
            self._high += counts
            self._reverse_high += counts

    def _may(self, diff, own, opposite, cost=_ASTRAY, reverse=0):
        if reverse:
            own, opposite = opposite, own
        self._options += (diff, own, opposite, cost)

    def _far(self, forward: int, reverse: int) -> int:
        """How far an outcome is from what is expected."""
        if forward < 0 or reverse < 0:
            return _NEVER  # rather than owing counts to the next tick
        if forward > self._limit or reverse > self._limit:
            return _NEVER
        return max(0, self._low - forward, forward - self._high) + max(
            0, self._reverse_low - reverse, reverse - self._reverse_high
        )

    def settle(self, tolerance: int) -> None:
        """Correct forward, reverse and diff by the likeliest explanation.

        Two sides that agree are believed, however odd the outcome, unless it is above the limit.
        """
        options = self._options
        sign = self._sign
        far = self._far
        best = 2 * _NEVER
        if -tolerance <= self.diff <= tolerance:
            if far(self.forward, self.reverse) < _NEVER or max(self._high, self._reverse_high) > self._limit:
                return
            # Two like mistakes: only if what remains without them is what the power says.
            best = _MARGIN + (self._low + self._reverse_low >> 5)
        out = self.diff, self.forward, self.reverse, 0
        for i in range(0, len(options), 4):
            for j in range(0, i + 1, 4):
                if j == i and i:
                    continue
                d = self.diff + options[i] + options[j]
                f = self.forward + options[i + 1] + options[j + 1]
                r = self.reverse + options[i + 2] + options[j + 2]
                cost = options[i + 3] + options[j + 3]
                if cost >= best:
                    continue
                void = abs(options[i] if options[i + 3] else options[j])
                if -tolerance <= d <= tolerance:
                    cost += far(f, r)
                    if cost < best:
                        best = cost
                        out = d, f, r, void
                    continue
                # For no known reason the phases are off, or the total is, forward, or reverse.
                for f2, r2, c in ((f, r, _PHASES_OFF), (f - d, r, _TOTAL_OFF), (f, r - sign * d, _TOTAL_OFF)):
                    c += cost + far(f2, r2)
                    if c < best:
                        best = c
                        out = 0, f2, r2, void
        self.diff, self.forward, self.reverse, self.void = out


def judge(energy, k: int, reads, low: int, high: int, void: int) -> Evidence:
    """Return the evidence of an audit, settled. energy: the Energy that made it; k: 0 active, 2 reactive energy, whose
    power, not read yet, is asked for now; reads: threes of address, counts, second candidate; void: what a read of
    other registers may have taken."""
    sign = energy.sign
    if k:
        sign = -1
        high = 0
        for n in range(energy.phases):
            high += energy.ic.read_power(Q_MEAN_A + n) // 1000
        high = high * energy.ms // energy.mj
    e = Evidence(energy.opened, sign, energy.limit, low, high)
    for n in range(0, len(reads), 3):
        e.read(reads[n], reads[n + 1], reads[n + 2])
    e.before(energy.before[k], energy.before[k + 1])
    e.taken(void)
    e.settle(energy.tolerance)
    return e
