# SPDX-License-Identifier: Apache-2.0
"""When an ATM90E26's forward, reverse and absolute energy disagree: which reading was not what it seemed to be.

Arithmetic. A bit flipped in the address of a read makes it fetch another register: the wanted one keeps its counts
for the second read, the other one may have lost them. So of each register what counts is the sum of its two reads, or
one of them; and one of the three may have been emptied by a read that was not meant for it. The explanation whose
net outcome lies nearest to what the power suggests wins; each thing assumed counts against it.
"""

from micropython import const

from meter.drivers.atm90e26.regs import LEAST_OPEN, MOST_OPEN

# What an assumption costs, in half steps of distance.
_ASTRAY = const(1)  # a read fetched another register
_SWAPPED = const(1)  # forward and reverse were read as one another
_EMPTIED = const(2)


def _values(reads, at):
    """(value, cost, ...) of the register whose first read is reads[at] and whose second is six further on."""
    one, other, two, another = reads[at], reads[at + 1], reads[at + 6], reads[at + 7]
    values = [one + two, 0]
    if other >= 0:
        values += (other + two, 0)
    if another >= 0:
        values += (one + another, 0)
    if one:
        values += (two, _ASTRAY)
    if two:
        values += (one, _ASTRAY)
    return values


def judge(reads, open_: int, low: int, high: int, margin: int, limit: int):
    """(forward, reverse, what is open then) by the likeliest explanation; None if there is none within the limit.

    reads: forward, reverse, absolute, each with its second candidate (-1: none), all of it twice. open_: absolute -
    forward - reverse before. Where the reads agree as they are, they are
    believed, however odd, unless forward and reverse exchanged are just what the power says.
    """
    forwards = _values(reads, 0)
    reverses = _values(reads, 2)
    absolutes = _values(reads, 4)
    plain = open_ + absolutes[0] - forwards[0] - reverses[0]
    if LEAST_OPEN <= plain <= MOST_OPEN:
        f, r = forwards[0], reverses[0]
        if f + r <= limit:
            # Both ends of the tick must say so: a power that was hit itself says anything.
            if high - margin <= r - f <= low + margin:
                f, r = r, f
            return f, r, plain
        best = 2 * _ASTRAY + 1  # only what the power says
    else:
        best = 1 << 29
    found = None
    for i in range(0, len(forwards), 2):
        for j in range(0, len(reverses), 2):
            for k in range(0, len(absolutes), 2):
                f, r, t = forwards[i], reverses[j], absolutes[k]
                cost = forwards[i + 1] + reverses[j + 1] + absolutes[k + 1]
                diff = open_ + t - f - r
                if LEAST_OPEN <= diff <= MOST_OPEN:
                    stories = ((f, r, cost, diff), (r, f, cost + _SWAPPED, diff))
                else:
                    cost += _EMPTIED
                    stories = ((f, r, cost, 0), (t - r, r, cost, 0), (f, t - f, cost, 0))
                for f, r, cost, diff in stories:
                    if f < 0 or r < 0 or f + r > limit:
                        continue
                    cost += 2 * max(0, low - 1 - f + r, f - r - high - 1)
                    if cost < best:
                        best = cost
                        found = f, r, diff
    return found
