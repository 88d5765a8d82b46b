# SPDX-License-Identifier: Apache-2.0
"""Cards in the slot of a running meter: what is said, and what changes."""

import pytest
from meter.core import codes

from host_tests.bench.cards.cards import OTHER_KEY, read_back, sell


def answered(b, card, words):
    """µs from a card's coming to these words."""
    b.insert(card)
    began_us = b.plant.clock.now_us
    while words not in b.screen():
        b.run_s(0.02)
        assert b.plant.clock.now_us - began_us < 4_000_000
    return b.plant.clock.now_us - began_us


def test_a_purchase_is_answered_within_two_seconds_and_a_card_without_one_within_a_second(bench):
    b = bench(initial_credit="12.00", up_s=15)  # a start is over
    assert answered(b, "good", "Credit added") < 2_000_000
    assert "20.00 EUR" in b.screen() and "31.99" in b.screen()
    b.insert(None)
    b.run_s(2)
    assert answered(b, "empty", "Card accepted") < 1_000_000


VERIFYING_US = range(540_000, 1_150_000)  # after the card came, as modelled


def test_ticks_go_on_while_a_signature_is_verified(bench):
    b = bench(load_w=3000, up_s=15)
    reads_us, among = [], []
    b.plant.meter_ic.on_energy_read = lambda addr, counts, us: reads_us.append(us) if addr == 0x80 else None
    for n in range(10):
        if n:
            sell(b.deck.card("good"), 1_000_000)
        b.run_s((1_000_000 - b.plant.clock.now_us % 1_000_000) / 1e6 + n / 10)
        reads_us.clear()
        b.insert("good")
        began_us = b.plant.clock.now_us
        b.run_s(4)
        among += [us % 1_000_000 for us in reads_us if us - began_us in VERIFYING_US]
        assert len({us // 1_000_000 for us in reads_us}) >= 4
        b.insert(None)
        b.run_s(2)
    assert b.state().purchase_count == 10 and b.meter.restarts == 0
    # A step is 20 ms at most; a module that comes in between, 45 ms.
    assert len(among) >= 5 and max(among) - min(among) < 50_000


@pytest.mark.parametrize("at_s", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
def test_a_card_pulled_while_its_signature_is_verified_is_booked_once_or_not_at_all(bench, at_s):
    b = bench(load_w=0, initial_credit="5.00")
    b.insert("good")
    b.run_s(at_s)
    b.insert(None)
    b.run_s(3)
    assert "insert" in b.screen().lower()
    s = b.state()
    assert (s.purchase_count, s.credit_micro) in ((0, 5_000_000), (1, 25_000_000))
    b.insert("good")
    b.run_s(3)
    s = b.state()
    assert (s.purchase_count, s.credit_micro, s.refused_cards) == (1, 25_000_000, 0)
    assert read_back(b.deck.card("good")).purchase_count == 1


def test_a_meter_unplugged_while_it_verifies_books_once(bench):
    b = bench(load_w=0, initial_credit="5.00")
    for at_s in (0.6, 0.9, 1.2, 1.5):
        b.insert("good")
        b.run_s(at_s)
        b.plug(False)
        b.insert(None)
        b.plug(True)
        b.run_s(8)
    b.insert("good")
    b.run_s(3)
    assert (b.state().purchase_count, b.state().credit_micro) == (1, 25_000_000)


def test_a_forged_purchase_is_refused_on_the_meter_itself(bench):
    b = bench(load_w=0, initial_credit="5.00")
    sell(b.deck.card("empty"), 50_000_000, key=OTHER_KEY)
    b.plant.reader.insert(b.deck.card("empty"), b.plant.clock.now_us)
    b.run_s(3)
    assert "Not signed by your" in b.screen()
    s = b.state()
    assert (s.purchase_count, s.credit_micro, s.failed_logins) == (0, 5_000_000, 1)


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
        ("foreign", "Card of 99999999", codes.CARD_FOREIGN),
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
    for exchanges in range(1, 21):
        credit, count = b.state().credit_micro, b.state().purchase_count
        card.pull_after(exchanges)
        b.insert("good")
        b.run_s(2)
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
