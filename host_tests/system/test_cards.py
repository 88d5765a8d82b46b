# SPDX-License-Identifier: Apache-2.0
"""Cards in the slot of a running meter: what is said, and what changes."""

import pytest
from meter.core import codes

from host_tests.bench.cards import read_back, sell


def test_a_purchase_is_answered_within_a_second_with_the_new_balance(bench):
    b = bench(initial_credit="12.00", up_s=15)  # a start is over
    b.insert("good")
    began_us = b.plant.clock.now_us
    while "Credit added" not in b.screen():
        b.run_s(0.02)
        assert b.plant.clock.now_us - began_us < 1_000_000
    assert "20.00 EUR" in b.screen() and "31.99" in b.screen()


def test_five_figures_follow_in_their_order_then_remove_card(bench):
    b = bench()
    b.insert("good")
    shown = []
    for _ in range(250):
        b.run_s(0.1)
        title = b.lcd()[1].strip()
        if b.lcd()[0].rstrip().endswith("/5") and title not in shown:
            shown.append(title)
    assert shown == ["Total purchased", "Purchases made", "Last purchase", "Total used", "Credit now"]
    assert "Remove card" in b.screen()


def test_the_same_card_again_adds_nothing(bench):
    b = bench()
    b.insert("good")
    b.run_s(3)
    b.insert(None)
    b.run_s(3)
    credit = b.state().credit_micro
    b.insert("good")
    b.run_s(3)
    assert b.state().credit_micro <= credit
    assert b.state().purchase_count == 1
    assert "Card accepted" in b.screen()


def test_the_card_carries_back_consumption_credit_and_overdraft(bench):
    b = bench(load_w=6000)
    b.run_s(300)
    b.insert("good")
    b.run_s(3)
    back = read_back(b.deck.card("good"))
    s = b.state()
    assert back.purchase_count == 1 and back.purchased_micro == 20_000_000
    assert 0 <= s.import_counts - back.import_counts < 6 * 6000 / 11.25
    assert back.credit_micro >= s.credit_micro
    assert back.overdraft_counts == s.overdraft_counts


def test_the_shop_can_sell_again_after_the_write_back(bench):
    b = bench()
    for n in range(1, 4):
        b.insert("good")
        b.run_s(2)
        b.insert(None)
        b.run_s(2)
        assert b.state().purchase_count == n
        assert sell(b.deck.card("good"), 1_000_000 * n) == n + 1


@pytest.mark.parametrize(
    "card, says, code",
    [
        ("foreign", "another meter", codes.CARD_FOREIGN),
        ("malformed", "damaged", codes.CARD_MALFORMED),
        ("blank", "Not a card for", codes.CARD_UNKNOWN),
        ("classic", "Not a card for", codes.CARD_UNKNOWN),
    ],
)
def test_a_wrong_card_is_named_logged_and_changes_nothing(bench, card, says, code):
    b = bench()
    b.insert(card)
    b.run_s(2)
    assert says in b.screen()
    assert b.state().purchase_count == 0
    assert [e.value for e in b.events() if e.code == codes.LOG_CARD_REFUSED] == [code]


def test_an_old_image_of_the_card_is_refused(bench):
    b = bench()
    b.insert("good")
    b.run_s(2)
    b.insert(None)
    b.run_s(2)
    b.insert("replayed")
    b.run_s(2)
    assert "used already" in b.screen()
    assert b.state().purchase_count == 1


def test_a_card_pulled_at_any_exchange_costs_no_money(bench):
    b = bench(load_w=0)
    card = b.deck.card("good")
    for exchanges in range(1, 16):
        credit, count = b.state().credit_micro, b.state().purchase_count
        card.pull_after(exchanges)
        b.insert("good")
        b.run_s(1.5)
        b.insert(None)
        b.run_s(1)
        s = b.state()
        gained = s.purchase_count - count
        assert gained in (0, 1)
        assert s.credit_micro - credit == gained * (20_000_000 if s.purchase_count == 1 else 0)
    card.pull_after(None)
    b.insert("good")
    b.run_s(2)
    assert b.state().purchase_count == 1
    assert read_back(card).purchase_count == 1


def test_a_wedged_reader_is_named_and_metering_goes_on(bench):
    b = bench(load_w=3000)
    b.fault("pn532", "wedged")
    b.insert("good")
    before = b.state().import_counts
    b.run_s(60)
    assert b.state().import_counts - before > 50 * 3000 / 11.25
    b.fault("pn532", "none")
    b.insert(None)
    b.run_s(45)
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1
