# SPDX-License-Identifier: Apache-2.0
"""Maximum demand against plain lists: every second's energy is written down, and the intervals added up from that."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from meter.core import demand

HOUR = 14_000_040
assert HOUR % 60 == 0

# Minutes: (how many, counts in each, rate); or a jump of the clock; or a start.
MINUTES = st.tuples(st.integers(1, 40), st.sampled_from((0, 1, 10, 999)) | st.integers(0, 2**20), st.integers(0, 7))
JUMPS = st.sampled_from((-100, -1, 2, 3, 14, 30, 5000))


@given(st.sampled_from((1, 2, 5, 15, 30, 60)), st.integers(0, 59), st.lists(MINUTES | JUMPS, max_size=25))
def test_maxima_are_those_of_the_intervals_that_were_metered(length, start, story):
    state = demand.begin(length)
    counts, minute = 123, HOUR + start
    demand.minute(state, counts, minute, 0)
    spell = {}  # minute that is over -> counts, of the time since the last gap
    wanted = [[0, 0] for _ in range(8)]
    for what in story:
        if isinstance(what, int):
            minute += what
            counts += 50_000
            assert demand.minute(state, counts, minute, 0) is False
            spell = {}
            continue
        times, used, rate = what
        for _ in range(times):
            spell[minute] = used
            counts += used
            minute += 1
            total = sum(spell.get(minute - n, 0) for n in range(1, length + 1))
            before = list(wanted[rate])
            wanted[rate][1] = max(wanted[rate][1], total)
            if Fraction(minute, length).denominator == 1:
                wanted[rate][0] = max(wanted[rate][0], total)
            assert demand.minute(state, counts, minute, rate) is (wanted[rate] != before)
            assert list(state[:16]) == [n for of_rate in wanted for n in of_rate]
