# SPDX-License-Identifier: Apache-2.0
"""Random tariffs of the whole language through the books, over weeks of few ticks: each figure is the oracle's.

What a replay's short traces (system/test_replay_random.py) do not reach: months between two billing days, days that are
caught up, summer time's begin and end, power off, a purchase, a tariff put in force from outside.
"""

from datetime import timedelta
from importlib import import_module

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_tests.bench.plant.clock import VirtualTime
from host_tests.bench.run.cpython import install
from host_tests.stands.tariff_documents import documents, moments
from host_tests.unit.conftest import modules_stay
from host_tests.years.year import Meter, of_books
from host_tests.years.year_oracle import ENERGIES, EPOCH, Oracle, seconds

install(VirtualTime())  # Books ask asyncio for what MicroPython has

_KWH = 320_000


@st.composite
def _settings(draw):
    return {
        "meter_number": "1", "utc_offset_min": draw(st.integers(-48, 56)) * 15,
        "dst": draw(st.sampled_from((None, "eu"))),
        "initial_credit": str(draw(st.integers(0, 1_000_000))), "debt_per_day": draw(st.sampled_from(("0", "0.07"))),
        "debt_percent": draw(st.integers(0, 100)), "billing_day": draw(st.integers(1, 28)),
    }  # fmt: skip


@st.composite
def _ticks(draw, begins_s):
    """Times of ticks, in UTC: each at most a day after the one before, many within minutes of the begin of things."""
    at_s = begins_s
    out = []
    for wait_s in draw(st.lists(st.one_of(st.integers(1, 90), st.integers(1, 86_400)), min_size=5, max_size=40)):
        at_s += wait_s
        out.append(at_s)
    return out


@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(st.data())
def test_weeks_of_a_random_tariff_are_the_oracles(data):
    draw = data.draw
    near = draw(moments())
    cfg = draw(_settings())
    docs = draw(documents(near)), draw(st.one_of(st.none(), documents(near, later=True)))
    begins_s = seconds(near) - 60 * cfg["utc_offset_min"] - draw(st.one_of(st.integers(0, 300), st.integers(0, 10**6)))
    with modules_stay():
        import_module("meter.books.books")
        meter, oracle = Meter(cfg, docs), Oracle(cfg, *docs)
        for utc_s in draw(_ticks(begins_s)):
            happens = draw(st.integers(0, 30))
            if happens == 0:
                meter.power_on()
                oracle.power_on()
            elif happens == 1:
                amount, debt = draw(st.integers(1, 10**9)), draw(st.integers(0, 10**8))
                import_module("meter.books.purchases").purchase(meter.books, amount, debt)
                oracle.purchase(amount, debt)
            taken = draw(st.one_of(st.integers(0, 3000), st.integers(0, 2 * _KWH)))
            counts = dict(zip(("import_counts", *ENERGIES), (taken, 1, 2, 3, 4), strict=True))
            meter.tick(utc_s, counts)
            oracle.tick(utc_s, counts)
            assert of_books(meter, oracle, True) == [], EPOCH + timedelta(seconds=utc_s)
