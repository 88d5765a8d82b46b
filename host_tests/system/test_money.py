# SPDX-License-Identifier: Apache-2.0
"""Currencies other than the euro on the whole meter: large prices and balances, no decimals, three of them."""

import json

import pytest

from host_tests.bench import documents

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
    ("currency", "decimals", "price", "credit", "shown"),
    [
        ("IDR", 2, "1444.70", "999999979.99", "999999999."),
        ("VND", 0, "1893", "999999979", "VND        999999998"),
        ("KWD", 3, "0.022", "999999979.999", "999999999.99"),
    ],
)
def test_a_balance_of_a_thousand_million_is_metered_bought_onto_and_shown(
    bench, currency, decimals, price, credit, shown
):
    terms = {"currency": currency, "decimals": decimals, "initial_credit": credit, "overload_w": 0}
    b = bench(load_w=3600, tariff={**FLAT, "currency": currency, "price": price}, **terms)
    b.insert("good")
    b.run_s(4)
    assert "Credit added" in b.screen() and "999999" in b.screen()
    rows = pages_of(b, 20)
    b.insert(None)
    rows |= pages_of(b)
    assert any(shown in row for row in rows), rows
    s = b.state()
    spent_micro = s.import_counts * int(price.replace(".", "").ljust(len(price) + 6, "0")[:0] or 0)
    micro = round(float(price) * 10**6)
    spent_micro = s.import_counts * micro // 320_000
    bought_micro = round(float(credit) * 1000) * 1000 + 20_000_000
    assert s.credit_micro == bought_micro - spent_micro and s.purchase_count == 1


def test_a_provisioned_meter_without_a_tariff_says_so_until_the_supplier_brings_one(bench):
    files = documents.as_files(documents.settings(provisioned=True))
    b = bench(load_w=3600, provisioned=True, files={"tariff.json": b"?", "settings.json": files["settings.json"]})
    rows = pages_of(b)
    assert "No tariff: no price " in rows and "Tariff refused      " in rows
    s = b.state()
    assert s.import_counts > 0 and s.rate_counts[0] == s.import_counts and s.charges_micro == sum(s.rate_cost_micro) == 0
    assert b.plant.relay.closed and s.credit_micro == int(json.loads(files["settings.json"])["initial_credit"][:2]) * 10**6
