# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from host_tests.bench.run.session import Bench

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Each with its meter on a core of its own: the two by turns are quicker than four of them on two cores.
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(worker[2:]) % len(_cores)]})

STARTS_S = 3  # from power on until ticks fall on whole seconds of the clock, less two (bench/plant/costs.py)


@pytest.fixture
def bench():
    """Makes meters: bench(load_w=..., settings...) gives one that has been up for three seconds."""
    made = []

    def make(load_w=600, up_s=3.0, **kwargs):
        b = Bench(**kwargs)
        made.append(b)
        b.load(load_w)
        if up_s:
            b.run_s(STARTS_S + up_s)
        return b

    yield make
    for b in made:
        b.close()
        assert not b.plant.flash.violations, "flash was programmed without an erase"
        assert not b.plant.relay.violations, "the relay was driven in a way that damages it"
