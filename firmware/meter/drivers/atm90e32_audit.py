# SPDX-License-Identifier: Apache-2.0
"""When the IC's totals and its phases disagree: which reading was not what it seemed to be.

Pure arithmetic. Total and phase registers count the same energy, so what was read from them since the last
agreement must differ by next to nothing. A bit flipped in the address of a read makes it fetch another
register: the wanted one keeps its counts, the other one may have lost them. Reading everything once more
brings the former to light; what remains is explained by the least unlikely of
    nothing at all / the other candidate value of a read / a read that is void / a read that took what
    belongs to the other side / two of these / the phases are wrong / the total is wrong,
judged by how far the outcome is from what the measured power allows.
"""

from micropython import const

_EACH = const(2)  # what one correction costs, in counts of distance
_BLIND = const(8)  # what it costs to believe one side for no known reason


class Evidence:
    """The reads of one audit: signed difference total - phases, outcome so far, and what could be wrong."""

    def __init__(self, diff: int):
        self.diff = diff
        self.forward = 0
        self.reverse = 0
        self._options = [0, 0, 0]  # triples: change of diff, of forward, of reverse

    def total(self, forward: int, other: int, reverse: int, reverse_other: int, sign: int) -> None:
        """The total registers were read; `other` is a read's second candidate (-1: none)."""
        self.forward += forward
        self.reverse += reverse
        self.diff += forward + sign * reverse
        put = self.may
        if other >= 0:
            put(other - forward, other - forward, 0)
        if reverse_other >= 0:
            put(sign * (reverse_other - reverse), 0, reverse_other - reverse)
        if forward:
            put(-forward, -forward, 0)  # void
            put(-2 * forward, -forward, 0)  # was the phases'
            if sign < 0:
                put(-2 * forward, -forward, forward)  # was reverse
        if reverse:
            put(-sign * reverse, 0, -reverse)
            put(-2 * sign * reverse, 0, -reverse)
            if sign < 0:
                put(2 * reverse, reverse, -reverse)

    def phase(self, counts: int, other: int, sign: int) -> None:
        """A phase register was read; sign is +1, or -1 for a reverse register in a signed sum."""
        self.diff -= sign * counts
        if other >= 0:
            self.may(sign * (counts - other), 0, 0)
        if counts:
            self.may(sign * counts, 0, 0)
            self.may(2 * sign * counts, 0, 0)

    def may(self, diff: int, forward: int, reverse: int) -> None:
        """Add a possible correction."""
        self._options += (diff, forward, reverse)

    def settle(self, tolerance: int, low: int, high: int, reverse_low: int, reverse_high: int) -> bool:
        """Correct forward, reverse and diff by the likeliest explanation. False: one side believed blindly."""
        options = self._options
        diff, forward, reverse = self.diff, self.forward, self.reverse

        def far(df, dr):
            f = forward + df
            r = reverse + dr
            d = low - f if f < low else f - high if f > high else 0
            return d + (reverse_low - r if r < reverse_low else r - reverse_high if r > reverse_high else 0)

        if -tolerance <= diff <= tolerance:
            return True
        best = far(0, 0) + tolerance + _BLIND
        change = (-diff, 0, 0)
        cost = far(-diff, 0) + tolerance + _BLIND
        if forward >= diff and cost < best:
            best = cost
            change = (-diff, -diff, 0)
        known = False
        n = len(options)
        for i in range(3, n, 3):
            for j in range(0, i, 3):
                d = options[i] + options[j]
                if -tolerance <= diff + d <= tolerance:
                    df = options[i + 1] + options[j + 1]
                    dr = options[i + 2] + options[j + 2]
                    cost = far(df, dr) + (2 * _EACH if j else _EACH)
                    if cost < best:
                        best = cost
                        change = (d, df, dr)
                        known = True
        self.diff += change[0]
        self.forward += change[1]
        self.reverse += change[2]
        return known
