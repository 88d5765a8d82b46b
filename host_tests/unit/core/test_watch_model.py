# SPDX-License-Identifier: Apache-2.0
"""The watch against a plain model that keeps the whole history and looks through it again each second."""

from array import array

from hypothesis import given
from hypothesis import strategies as st
from meter.core import watch as w

PHASED = (w.U, w.I, w.P, w.OTHERS)


def place(quantity, phase):
    """Where a quantity is among all of them."""
    return quantity * 3 + phase if quantity <= w.OTHERS else quantity + 8


class Plain:
    """One row on one phase: what was seen in each second since it began or ended last."""

    def __init__(self, limit, clear, hold, release):
        self.limit, self.clear = limit, clear
        self.need = {False: hold, True: release}
        self.rises = limit > clear
        self.since = None
        self.history = []  # (second, value, does it pass its gate?)

    def is_beyond(self, value, passes):
        if not passes:
            return False
        if self.since is not None:
            return value > self.clear if self.rises else value < self.clear
        return value >= self.limit if self.rises else value <= self.limit

    def second(self, now_s, seconds, value, passes):
        """What is told: (does it begin?, extreme, how long it lasted)."""
        self.history.append((value, self.is_beyond(value, passes)))
        lasting = self.since is not None
        run = 0
        for _, beyond in reversed(self.history):
            if beyond == lasting:
                break
            run += seconds
        if not run or run < self.need[lasting]:
            return None
        worst = max if self.rises else min
        if not lasting:
            of_hold = [value for value, _ in self.history[len(self.history) - run // seconds :]]
            self.since, self.extreme = now_s, worst(of_hold)
            self.history = []
            return True, self.extreme, -1
        extreme = worst([self.extreme, *(value for value, beyond in self.history if beyond)])
        lasted_s, self.since, self.history = now_s - self.since, None, []
        return False, extreme, lasted_s


VALUES = st.integers(-6, 6)
ROWS = st.tuples(
    st.sampled_from((*PHASED, w.S, w.PF, w.FREQUENCY, w.MAGNET)),
    st.sampled_from((w.NO_GATE, w.NO_GATE, *PHASED, w.S)),
    VALUES,
    st.tuples(VALUES, VALUES).filter(lambda limits: limits[0] != limits[1]),
    st.integers(0, 12),
    st.integers(0, 12),
)
SPELLS = st.lists(
    st.tuples(st.dictionaries(st.integers(0, w.QUANTITIES - 1), VALUES, max_size=8), st.integers(1, 5)), max_size=30
)


@given(st.lists(ROWS, min_size=1, max_size=5), st.sampled_from(((1, False), (3, False), (3, True))), st.data())
def test_all_that_is_told_is_the_models(rows, wires, data):
    phases, three_wire = wires
    seconds = data.draw(st.sampled_from((1, 5)))
    table = array("h")
    plain = []
    for n, (quantity, gate, bound, (limit, clear), hold, release) in enumerate(rows):
        table.extend((100 + 2 * n, quantity, gate, bound, limit, clear, hold, release))
        each = [0, 2] if three_wire else list(range(phases))
        for phase in each if quantity in PHASED else [w.ALL]:
            plain.append((n, phase, Plain(limit, clear, hold, release)))
    watch = w.Watch(table, phases, three_wire)
    quantities = array("i", bytes(4 * w.QUANTITIES))
    told = []
    now_s = 0
    for changes, times in data.draw(SPELLS):
        for at, value in changes.items():
            quantities[at] = value
        for _ in range(times):
            now_s += seconds
            wanted = []
            for n, phase, one in plain:
                quantity, gate, bound = rows[n][:3]
                here = 0 if phase == w.ALL else phase
                of_gate = quantities[place(gate, here)]
                passes = gate == w.NO_GATE or (of_gate >= bound if bound >= 0 else of_gate < -bound)
                tells = one.second(now_s, seconds, quantities[place(quantity, here)], passes)
                if tells:
                    begins, extreme, lasted_s = tells
                    wanted.append((100 + 2 * n + (not begins), phase, extreme, lasted_s))
            told.clear()
            watch.step(quantities, now_s, seconds, len(rows), lambda *what: told.append(what) or True)
            assert told == wanted
