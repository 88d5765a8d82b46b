# SPDX-License-Identifier: Apache-2.0
"""How much credit a meter may hold: by its settings, and by its tariff when they say nothing."""

import json
from types import SimpleNamespace

import pytest
from meter.books import purchases
from meter.core import codes
from meter.core.errors import CardError
from meter.core.state import MeterState
from meter.documents import parse

from scripts.provision.identity import HOUSE

FLAT = {"name": "x", "currency": "IDR", "price": "1444.70"}
RATES = [{"name": "a", "price": "0.10"}, {"name": "b", "price": "0.30"}, {"name": "c", "price": "0.20"}]
DAY = {"rates": RATES, "days": {"d": [["00:00", "a"], ["12:00", "b"]]}, "fallback": "a"}


def meter(tariff_doc=FLAT, credit_micro=0, **settings):
    doc = {"meter_number": "1", "provisioned": True, "currency": "IDR", **settings}
    s = MeterState()
    s.credit_micro = credit_micro
    rates = parse.tariff({"name": "x", "currency": doc["currency"], **tariff_doc})
    return SimpleNamespace(s=s, cfg=parse.settings(doc), tariff=rates, terms=SimpleNamespace(friendly=False))


def takes(books, amount_micro, debt_micro=0):
    before = books.s.credit_micro
    try:
        purchases.purchase(books, amount_micro, debt_micro)
    except CardError as e:
        assert e.code == codes.CARD_HOARD and books.s.credit_micro == before and not books.s.purchase_count
        return False
    return True


def test_a_provisioned_meter_holds_what_1000_kwh_cost_and_no_millionth_more():
    assert takes(meter(), 1_444_700_000_000)
    assert not takes(meter(), 1_444_700_000_001)
    assert not takes(meter(credit_micro=1), 1_444_700_000_000)
    assert takes(meter(credit_micro=-5_000_000), 1_444_705_000_000)


def test_the_highest_price_of_the_tariff_counts_with_all_steps_that_make_it_dearer():
    assert takes(meter(DAY), 300_000_000) and not takes(meter(DAY), 300_000_001)
    steps = {**DAY, "steps": [[100, "0.10"], [300, "0.05"], [500, "-0.20"]]}
    assert takes(meter(steps), 450_000_000) and not takes(meter(steps), 450_000_001)
    cheaper = {**DAY, "steps": [[100, "-0.10"]]}
    assert takes(meter(cheaper), 300_000_000) and not takes(meter(cheaper), 300_000_001)


def test_a_very_cheap_tariff_leaves_room_for_credit_above_alarm_1():
    cheap = {"price": "0.002"}
    assert takes(meter(cheap, alarm1="10"), 20_000_000) and not takes(meter(cheap, alarm1="10"), 20_000_001)


def test_zero_in_the_settings_is_no_cap():
    assert takes(meter(hoard="0"), 10**15)


def test_a_cap_in_the_settings_is_the_cap():
    assert takes(meter(hoard="50"), 50_000_000) and not takes(meter(hoard="50"), 50_000_001)


def test_a_meter_that_is_nobodys_yet_has_none_by_default():
    assert takes(meter(provisioned=False), 10**15)
    assert not takes(meter(provisioned=False, hoard="50"), 50_000_001)


def test_where_nothing_has_a_price_there_is_no_cap():
    assert takes(meter({"price": "0"}), 10**15)


def test_what_goes_to_the_debt_is_no_credit():
    assert takes(meter(hoard="50", debt_percent=50), 100_000_000, debt_micro=50_000_000)


@pytest.mark.parametrize(
    "settings",
    [{"initial_credit": "999999999"}, {"emergency": "5"}, {"alarm1": "-1", "alarm2": "-1", "overdraft": "1"}],
)
def test_without_a_cap_in_the_settings_nothing_else_of_them_is_refused_for_its_sake(settings):
    meter(**settings)


def test_the_settings_that_provision_gives_a_meter_leave_the_cap_to_its_tariff():
    made = parse.settings({**json.loads(HOUSE.read_text()), "meter_number": "1", "provisioned": True})
    for amount_micro, taken in ((250_000_000, True), (250_000_001, False)):
        books = meter({**FLAT, "currency": "EUR", "price": "0.25"}, currency="EUR")
        books.cfg = made
        assert takes(books, amount_micro) == taken
