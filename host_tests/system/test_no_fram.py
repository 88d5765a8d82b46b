# SPDX-License-Identifier: Apache-2.0
"""A board without FRAM: the same meter, with its ledger and events on flash."""

import pytest
from meter.core import codes

from host_tests.bench.views.rings import erases, read_profile


@pytest.fixture
def lone(bench):
    def make(**kwargs):
        return bench(board="esp32_nofram", **kwargs)

    return make


def counts(seconds, load_w):
    return seconds * load_w / 11.25


def test_it_meters_sells_and_logs_and_says_no_fault(lone):
    b = lone(load_w=2000, initial_credit="12.00")
    b.run_s(60)
    b.insert("good")
    b.run_s(3)
    b.insert(None)
    b.run_s(1000)
    s = b.state()
    assert (s.purchase_count, s.purchased_micro) == (1, 20_000_000)
    assert s.import_counts > counts(1000, 2000)
    assert s.credit_micro == 32_000_000 - sum(s.rate_cost_micro)
    assert [e.code for e in b.events()] == [
        codes.LOG_RESET, codes.LOG_POWER_UP, codes.LOG_PURCHASE, codes.LOG_CARD_BOUND,
    ]  # fmt: skip
    assert len(read_profile(b.plant.flash)) == 1
    assert b.meter.restarts == 0


@pytest.mark.parametrize("up_s", [20, 61, 200])
def test_a_power_cut_costs_a_minute_of_energy_at_most(lone, up_s):
    b = lone(load_w=3000, initial_credit="50.00", up_s=up_s)
    flowed = b.plant.meter_ic.lifetime(0x80)
    b.plug(False)
    b.plug(True)
    b.run_s(5)
    s = b.state()
    assert 0 <= flowed - s.import_counts + counts(5, 3000) <= counts(67, 3000)
    assert s.credit_micro == 50_000_000 - sum(s.rate_cost_micro)
    assert s.boots == 2
    b.run_s(1)  # the self-test has its second
    assert "Credit" in b.screen()


def test_a_purchase_survives_a_cut_the_moment_it_is_shown(lone):
    b = lone(initial_credit="12.00")
    b.insert("good")
    while "Credit added" not in b.screen():
        b.run_s(0.01)
    b.plug(False)
    b.insert(None)
    b.plug(True)
    b.run_s(3)
    assert (b.state().purchase_count, b.state().purchased_micro) == (1, 20_000_000)
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1


def test_a_trip_is_remembered_over_a_cut(lone):
    b = lone(load_w=3000, initial_credit="3.10")
    b.run_s(900)
    claims = b.state().claims
    assert claims & codes.CLAIM_REMINDER and not b.plant.relay.closed
    b.plug(False)
    b.plug(True)
    b.run_s(20)
    assert b.state().claims == claims and not b.plant.relay.closed


def test_an_hour_of_it_wear_the_flash_for_more_than_20_years(lone):
    b = lone(load_w=600)
    b.run_s(3600)
    ledger = erases(b.plant.flash)[128:144]
    assert 7 <= sum(ledger) <= 9  # 60 records and those of the start, eight to a block
    assert 100_000 / (sum(ledger) * 24 / len(ledger) * 365.25) >= 20
