# SPDX-License-Identifier: Apache-2.0
"""Random tariffs of the whole language and random short traces: the meter's books are the oracle's, to the millionth.

Each trace lies around one moment, at which the documents change most: midnight, a month's begin, switches, signals, a
later tariff. PENNYWATT_EXAMPLES=1000 tries more.
"""

import os
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_tests.stands.tariff_documents import documents, moments
from host_tests.years import trace

from .replay_forks import Forks

EPOCH = datetime(2000, 1, 1)
FLAT = {"name": "Flat", "currency": "EUR", "price": "0.30"}
EXAMPLES = int(os.environ.get("PENNYWATT_EXAMPLES", "30"))


@pytest.fixture(scope="module")
def forks():
    with Forks() as process:
        yield process


@st.composite
def _rows(draw, near):
    """(rows, end_s) of some minutes around it, each as trace.read() would take it."""
    power = st.one_of(
        st.just(0), st.integers(trace.START_M + 1, trace.MOST_M), st.integers(-trace.MOST_M, -trace.START_M - 1),
        st.sampled_from((trace.START_M + 1, trace.MOST_M)),
    )  # fmt: skip
    at_s = int((near - EPOCH).total_seconds()) - draw(st.integers(0, 200))
    rows = []
    for line in range(2, 2 + draw(st.integers(2, 7))):
        u_mv = draw(st.one_of(st.just(230_000), st.integers(0, trace.MOST_MV)))
        p, q, i = (draw(one) if u_mv else 0 for one in (power, power, st.integers(0, trace.MOST_MA)))
        rows.append((at_s, p, q, u_mv, i, line))
        at_s += draw(st.one_of(st.integers(1, 5), st.integers(1, 120)))
    return rows, at_s


@st.composite
def jobs(draw):
    near = draw(moments())
    rows, end_s = draw(_rows(near))
    job = {"rows": rows, "end_s": end_s, "tariff_doc": draw(documents(near)), "credit": None}
    if draw(st.integers(0, 2)) == 0:
        job["later"] = draw(documents(near, later=True))
    if near.day <= 28 and draw(st.booleans()):
        job["billing_day"] = near.day
    if draw(st.integers(0, 2)) == 0:
        job["credit"] = draw(st.integers(0, 20_000_000))
    return job


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs())
def test_a_meters_books_are_the_oracles(forks, job):
    result = forks.run(**job)
    assert result["differences"] == []
    if not result["trips"] and all(p_mw >= 0 for _, p_mw, *_ in job["rows"]):
        assert abs(result["metered_counts"] - result["trace_counts"]) <= 1


@pytest.mark.parametrize(
    ("minute", "loads"),
    [
        (0, ((-2_300_379, -4_713_424), (30_267_065, 0), (0, 0))),
        (0, ((2_683_778, 17_665_540), (-19_578_174, -17_665_540), (2_683_778, 17_665_540), (-19_578_174, 0))),
        (36, ((-1_255_351, -23_558_831), (26_462_336, 23_558_831), (-1_255_351, -23_558_831), (26_462_336, 0))),
        (45, ((610_241, -28_728_393), (-30_194_193, 28_728_393), (610_241, -28_728_393), (-30_194_193, 0))),
    ],
)
def test_a_load_that_turns_round_with_the_second_is_counted_whole(forks, minute, loads):
    """Milliseconds before the tick, between its reads of one register and another: no power tells of it yet."""
    at_s = int((datetime(2024, 1, 1, 0, minute) - EPOCH).total_seconds())
    rows = [(at_s, 1001, 0, 230_000, 0, 2)]
    rows += [(at_s + 4 + n, p_mw, q_mvar, 230_000, 0, 3 + n) for n, (p_mw, q_mvar) in enumerate(loads)]
    rates = [{"name": "0" * n, "price": "0"} for n in range(1, 6)]
    doc = {"name": "0", "currency": "EUR", "rates": rates, "days": {"": [["00:00", "0"]]}, "fallback": "0"}
    result = forks.run(rows=rows, end_s=at_s + 4 + len(loads), tariff_doc=doc, credit=None)
    assert result["differences"] == []


def test_a_sudden_reactive_load_is_counted_whole(forks):
    """Between two registers of an audit flows what no measured power tells yet."""
    at_s = int((datetime(2026, 1, 1) - EPOCH).total_seconds())
    steps = ((0, 0), (1, 34_997_612), (2, 34_998_867), (66, 0), (67, 12_580_701))
    rows = [(at_s + at, 0, q_mvar, 230_000, 0, 2) for at, q_mvar in steps]
    result = forks.run(rows=rows, end_s=at_s + 69, tariff_doc=FLAT, credit=None)
    assert result["differences"] == []
