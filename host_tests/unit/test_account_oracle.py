# SPDX-License-Identifier: Apache-2.0
"""The account against rational arithmetic: no tick, rate switch or purchase may lose a millionth."""

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st
from meter.core import account
from meter.core.state import MeterState

UWH_PER_COUNT = Fraction(1_000_000_000, 100 * 3200)  # 0.01 pulse at 3200 imp/kWh

prices = st.integers(0, 1_000_000_000)
ticks = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(0, 20_000), st.integers(0, 7)),
        st.tuples(st.just("buy"), st.integers(1, 10**12), st.just(0)),
    ),
    max_size=200,
)


def kwh(counts):
    return counts * UWH_PER_COUNT / 1_000_000_000


@given(st.lists(prices, min_size=8, max_size=8), ticks, st.integers(-(10**9), 10**9))
def test_money_and_energy_are_exact(price_micro, story, credit_micro):
    s = MeterState()
    s.credit_micro = credit_micro
    worth = Fraction(0)  # of all energy used, in millionths
    counts = bought = past_zero_counts = past_zero_micro = 0
    for what, n, rate in story:
        if what == "buy":
            account.purchase(s, n)
            bought += n
            continue
        before = credit_micro + bought - floor(worth)
        booked = floor(worth)
        worth += kwh(n) * price_micro[rate]
        counts += n
        assert account.book(s, n, rate, price_micro[rate]) == floor(worth) - booked
        if before <= 0:
            past_zero_counts += n
            past_zero_micro += floor(worth) - booked
    assert s.import_counts == sum(s.rate_counts) == counts
    assert sum(s.rate_cost_micro) == floor(worth)
    assert s.credit_micro == credit_micro + bought - floor(worth)
    assert Fraction(s.cost_acc, 320_000) == worth - floor(worth)
    assert (s.overdraft_counts, s.overdraft_micro) == (past_zero_counts, past_zero_micro)
    assert s.purchased_micro == bought
    assert s.purchase_count == sum(1 for what, _, _ in story if what == "buy")


@given(st.lists(prices, min_size=8, max_size=8), ticks)
def test_each_rate_is_off_by_less_than_one_millionth_per_turn(price_micro, story):
    """The remainder goes to the rate in force next; what a rate was charged stays within that."""
    s = MeterState()
    worth = [Fraction(0)] * 8
    turns = [0] * 8
    last = None
    for what, n, rate in story:
        if what == "buy":
            continue
        account.book(s, n, rate, price_micro[rate])
        worth[rate] += kwh(n) * price_micro[rate]
        turns[rate] += rate != last
        last = rate
    for rate in range(8):
        assert abs(s.rate_cost_micro[rate] - worth[rate]) <= turns[rate]


@given(st.integers(0, 10**7), st.integers(0, 10**7), prices)
def test_cost_does_not_depend_on_how_energy_is_cut_into_ticks(a, b, price):
    whole = MeterState()
    parts = MeterState()
    account.book(whole, a + b, 0, price)
    account.book(parts, a, 0, price)
    account.book(parts, b, 0, price)
    assert (whole.credit_micro, whole.cost_acc) == (parts.credit_micro, parts.cost_acc)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_only_the_next_purchase_is_accepted(meter_count, card_count):
    verdict = account.judge(meter_count, card_count)
    assert (verdict == account.ACCEPT) == (card_count - meter_count == 1)
    assert (verdict == account.EQUAL) == (card_count == meter_count)
    assert (verdict == account.REPLAYED) == (card_count < meter_count)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**9), st.integers(0, 10**9))
def test_accepted_purchase_never_passes_the_hoarding_cap(credit_micro, amount_micro, hoard_micro):
    s = MeterState()
    s.credit_micro = credit_micro
    account.purchase(s, amount_micro)
    if hoard_micro:
        assert account.hoards(credit_micro, amount_micro, hoard_micro) == (s.credit_micro > hoard_micro)
    else:
        assert not account.hoards(credit_micro, amount_micro, hoard_micro)
