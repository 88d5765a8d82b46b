# SPDX-License-Identifier: Apache-2.0
"""Currencies other than the euro on the whole meter: large prices and balances, no decimals, three of them."""

import pytest
from meter.panel import text

FLAT = {"name": "R-1 1300VA", "currency": "IDR", "price": "1444.70"}


def pages_of(b, seconds=60):
    """Every row that is shown in this time."""
    seen = set()
    for _ in range(seconds):
        seen.update(b.lcd())
        b.run_s(1)
    assert all(len(row) == 20 and "##" not in row for row in seen)
    return seen


@pytest.mark.parametrize(
    ("currency", "decimals", "price", "price_micro", "credit", "credit_micro"),
    [
        ("IDR", 2, "1444.70", 1_444_700_000, "999999979.99", 999_999_979_990_000),
        ("VND", 0, "1893", 1_893_000_000, "999999979", 999_999_979_000_000),
        ("KWD", 3, "0.022", 22_000, "999999979.999", 999_999_979_999_000),
    ],
)
def test_a_balance_of_a_thousand_million_is_metered_bought_onto_and_shown(
    bench, currency, decimals, price, price_micro, credit, credit_micro
):
    terms = {"currency": currency, "decimals": decimals, "initial_credit": credit, "hoard": "0", "overload_w": 0}
    b = bench(load_w=3600, tariff={**FLAT, "currency": currency, "price": price}, **terms)
    before = b.state().credit_micro
    b.insert("good")  # 20.00
    said = pages_of(b, 20)
    assert "\x02 Credit added      " in said
    assert any(text.money(before + 20_000_000, decimals)[:6] in row and currency in row for row in said)
    b.insert(None)
    rows = pages_of(b)
    s = b.state()
    assert s.credit_micro == credit_micro + 20_000_000 - s.import_counts * price_micro // 320_000
    assert s.purchase_count == 1 and s.purchased_micro == 20_000_000
    shown = [row for row in rows if row.startswith(currency + " ")]
    assert shown and all(len(row.split()[1]) == len(text.money(s.credit_micro, decimals)) for row in shown)


def test_a_provisioned_meter_without_a_tariff_says_so_until_the_supplier_brings_one(bench):
    b = bench(load_w=3600, provisioned=True, initial_credit="12.00", files={"tariff.json": b"?"})
    rows = pages_of(b)
    assert "No tariff: no price " in rows and "Tariff refused      " in rows
    s = b.state()
    assert s.import_counts > 0 and s.rate_counts[0] == s.import_counts
    assert sum(s.rate_cost_micro) == s.charges_micro == 0 and s.credit_micro == 12_000_000
    assert b.plant.relay.closed
