# SPDX-License-Identifier: Apache-2.0
"""The account against rational arithmetic: no tick, rate switch or purchase may lose a millionth."""

from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core import account, rates
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


# -- steps, charges, debt -------------------------------------------------------------------------

KWH = 320_000


@st.composite
def stairs(draw, least=0):
    """Rising steps as the document has them (kWh, millionths more), never below `least` less than nothing."""
    kwhs = sorted(draw(st.sets(st.integers(1, 50), max_size=6)))
    out = []
    for kwh_at in kwhs:
        more = draw(st.integers(-least, 10**6))
        least += more
        out.append((kwh_at, more))
    return out


def as_booked(steps):
    return tuple(part for kwh_at, more in steps for part in (kwh_at * KWH, more))


def worth_of(begin, n, price, steps):
    """What n counts are worth when `begin` have been used this month: cut at each threshold, each piece by itself."""
    edges = sorted({begin, begin + n} | {at * KWH for at, _ in steps if begin < at * KWH < begin + n})
    worth = Fraction(0)
    for a, b in pairwise(edges):
        level = price + sum(more for at, more in steps if at * KWH <= a)
        worth += kwh(b - a) * level
    return worth


def registers(s):
    return {name: list(value) if isinstance(value, list) else value for name, value in vars(s).items()}


lives = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(0, 5 * KWH), st.integers(0, 7)),
        st.tuples(st.just("use"), st.integers(0, 40 * KWH), st.integers(0, 7)),
        st.tuples(st.just("buy"), st.integers(1, 10**9), st.integers(0, 10**8)),
        st.tuples(st.just("days"), st.integers(0, 400), st.just(0)),
        st.tuples(st.just("month"), st.just(0), st.just(0)),
        st.tuples(st.just("refused"), st.integers(0, 7), st.just(0)),
    ),
    max_size=60,
)
REFUSED = (
    lambda s: account.book(s, -1, 0, 1),
    lambda s: account.book(s, 1, 8, 1, (1, 1)),
    lambda s: account.book(s, 1, 0, -1, (1, 1)),
    lambda s: account.book_unpriced(s, 1, 1, -1),
    lambda s: account.purchase(s, 0, 5, 50),
    lambda s: account.purchase(s, 5, -1, 50),
    lambda s: account.purchase(s, 5, 5, 101),
    lambda s: account.charge_days(s, -1, 5, 5),
)


@given(
    st.lists(st.integers(0, 10**6), min_size=8, max_size=8), st.data(), lives, st.integers(-(10**9), 10**9),
    st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 100),
)  # fmt: skip
def test_steps_charges_and_debt_are_exact(prices, data, life, initial, standing, debt_day, percent):
    steps = data.draw(stairs(min(prices)))
    s = MeterState()
    s.credit_micro = initial
    worth = Fraction(0)
    month = counts = bought = days = lent = paid = past_counts = past_micro = 0

    def credit():
        return initial + bought - floor(worth) - days * standing - paid

    for what, n, more in life:
        if what == "use":
            before, cost = credit(), floor(worth)
            worth += worth_of(counts - month, n, prices[more], steps)
            cost = floor(worth) - cost
            assert account.book(s, n, more, prices[more], as_booked(steps)) == cost
            counts += n
            if before <= 0:
                past_counts += n
                past_micro += cost
        elif what == "buy":
            account.purchase(s, n, more, percent)
            bought += n
            lent += more
            paid += min(floor(Fraction(n * percent, 100)), lent - paid)
        elif what == "days":
            account.charge_days(s, n, standing, debt_day)
            days += n
            paid += min(n * debt_day, lent - paid)
        elif what == "month":
            s.month_counts = s.import_counts
            month = counts
        else:
            kept = registers(s)
            with pytest.raises(ValueError):
                REFUSED[n](s)
            assert registers(s) == kept
        assert s.credit_micro == credit()
    assert s.import_counts == sum(s.rate_counts) == counts
    assert sum(s.rate_cost_micro) == floor(worth)
    assert Fraction(s.cost_acc, KWH) == worth - floor(worth)
    assert (s.debt_micro, s.debt_paid_micro, s.charges_micro) == (lent - paid, paid, days * standing)
    assert s.debt_micro >= 0
    assert (s.overdraft_counts, s.overdraft_micro) == (past_counts, past_micro)
    assert s.purchased_micro == bought


@given(st.integers(0, 60 * KWH), st.lists(st.integers(0, 20 * KWH), max_size=20), st.integers(0, 10**6), st.data())
def test_steps_do_not_depend_on_how_energy_is_cut_into_ticks(begin, parts, price, data):
    steps = as_booked(data.draw(stairs(price)))
    whole, cut = MeterState(), MeterState()
    whole.import_counts = cut.import_counts = begin
    account.book(whole, sum(parts), 0, price, steps)
    for n in parts:
        account.book(cut, n, 0, price, steps)
    assert registers(cut) == registers(whole)


@given(st.integers(0, 60 * KWH), st.integers(0, 10**6), st.data())
def test_the_price_said_is_the_price_of_the_next_count(begin, price, data):
    steps = data.draw(stairs(price))
    s = MeterState()
    s.import_counts = begin
    said = rates.price(s, price, as_booked(steps))
    assert said == worth_of(begin, 1, price, steps) * KWH >= 0


@given(st.integers(0, 60), st.integers(0, 10**6), st.data())
def test_energy_never_earns_money_by_getting_cheaper(begin, price, data):
    steps = as_booked(data.draw(stairs(price)))
    s = MeterState()
    s.import_counts = begin * KWH
    for _ in range(50):
        assert account.book(s, KWH, 0, price, steps) >= 0


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**6))
def test_days_charged_one_by_one_cost_what_they_cost_together(parts, standing, debt, debt_day):
    whole, cut = MeterState(), MeterState()
    whole.debt_micro = cut.debt_micro = debt
    account.charge_days(whole, sum(parts), standing, debt_day)
    for n in parts:
        account.charge_days(cut, n, standing, debt_day)
    assert registers(whole) == registers(cut)
