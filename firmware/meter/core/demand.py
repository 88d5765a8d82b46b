# SPDX-License-Identifier: Apache-2.0
"""Maximum demand: the most energy taken in an interval, per rate, since the billing month began.

Minutes are added up, so an interval is a whole number of them (Settings.demand_min). Two maxima, as DLMS has them
(IEC 62056-6-2 class 5): of blocks, which begin at multiples of the interval (UTC), and of the interval that slides on
by a minute. Both belong to the rate of their last minute. A tick belongs to the minute in which it is read. Of two
alike, the earlier one stays.
A maximum is never made up: a start, a time without a clock, a clock that leaves out a minute or goes back to one
before, and another interval each forget what was metered before. The intervals around count what was metered since.
In watts: counts * 3125 * 60 // demand_min // 1_000_000.

All there is to remember is one array of 32-bit numbers, for this code is loaded once a minute only:
maxima (counts of block, sliding for each rate), import register and number of the minute under way, place in the ring,
and the ring: counts of each of the last minutes.
"""

from array import array

from micropython import const

MAXIMA = const(16)  # two for each rate
_COUNTS = const(16)
_MINUTE = const(17)
_AT = const(18)
RING = const(19)
_MASK = const(0xFFFF_FFFF)


def begin(minutes: int, maxima=None):
    """Nothing metered yet. maxima: found so far, in intervals of the same length."""
    state = array("I", bytes(4 * (RING + minutes)))
    if maxima:
        for i in range(MAXIMA):
            state[i] = maxima[i]
    return state


def minute(state, counts: int, now: int, rate: int) -> bool:
    """A minute begins. counts: the import register; now: number of the minute; rate: that of the minute before.

    True: there is a new maximum.
    """
    follows = now - state[_MINUTE]
    if not follows:
        return False
    counts &= _MASK
    used = (counts - state[_COUNTS]) & _MASK
    state[_COUNTS] = counts
    state[_MINUTE] = now
    minutes = len(state) - RING
    if follows != 1:
        for i in range(RING, RING + minutes):
            state[i] = 0
        return False
    at = state[_AT]
    state[RING + at] = used
    state[_AT] = (at + 1) % minutes
    total = sum(state[RING:])
    new = False
    for kind in (0, 1):  # the block is over, or: any minute
        if total > state[2 * rate + kind] and (kind or now % minutes == 0):
            state[2 * rate + kind] = total
            new = True
    return new
