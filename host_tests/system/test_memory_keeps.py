# SPDX-License-Identifier: Apache-2.0
"""A FRAM that acknowledges and keeps nothing (WP high, worn, counterfeit), before the whole firmware."""

from meter.core import codes

from host_tests.bench.run.session import Bench

from .visits import screens

NAME = "Memory keeps nothing"


def logged(b, code):
    return [e.value for e in b.events() if e.code == code]


def self_test(b):
    return [line for line in b.meter.console if line.startswith("SELFTEST")][-1]


def test_two_purchases_are_refused_the_fault_is_named_and_they_are_booked_when_it_is_over(bench):
    b = bench(load_w=600)
    b.run_s(10)
    b.plant.fram.keeps_nothing = True
    for _ in range(2):
        b.insert("good")
        shown = screens(b, 8)
        b.insert(None)
        assert "Memory fault" in shown and "added" not in shown
        b.run_s(5)
    assert NAME in screens(b, 90)
    b.plant.fram.keeps_nothing = False
    b.run_s(80)
    assert b.state().purchase_count == 0
    b.insert("good")
    assert "Credit added" in screens(b, 5)
    b.insert(None)
    b.run_s(10)
    assert b.state().purchase_count == 1 and "Attention" not in screens(b, 60)
    assert codes.FAULT_FRAM_KEEPS in logged(b, codes.LOG_FAULT)
    assert codes.FAULT_FRAM_KEEPS in logged(b, codes.LOG_FAULT_CLEARED)
    assert b.meter.restarts == 0 and not b.crashes()


def test_a_meter_that_is_told_at_its_start_meters_with_its_old_balance(bench):
    b = bench(load_w=600)
    b.run_s(10)
    b.plug(False)
    b.plant.fram.keeps_nothing = True
    b.plug(True)
    credit = b.state().credit_micro
    shown = screens(b, 90)
    assert " fram=fault " in self_test(b) and self_test(b).endswith("result=fail")
    assert NAME in shown and f"{credit // 10_000_000}" in shown
    assert b.plant.relay.closed
    b.plant.fram.keeps_nothing = False
    b.run_s(80)
    assert "Attention" not in screens(b, 60)


def test_a_part_that_keeps_nothing_beyond_the_ledger_is_found_at_the_start(bench):
    b = bench(load_w=600)
    b.plug(False)
    b.plant.fram.keeps_nothing = 0x5000
    b.plug(True)
    b.run_s(5)
    assert " fram=fault " in self_test(b)


def test_a_new_meter_waits_for_a_memory_that_keeps():
    with Bench(load_w=600, initial_credit="20.00", up=False) as b:
        b.plant.fram.keeps_nothing = True
        b.plug(True)
        assert NAME in screens(b, 20)
        assert " fram=fault " in self_test(b)
        b.plant.fram.keeps_nothing = False
        b.run_s(10)
        assert 19_900_000 < b.state().credit_micro <= 20_000_000
        b.run_s(80)
        assert "Attention" not in screens(b, 60)
