# SPDX-License-Identifier: Apache-2.0
"""Mistakes at the counter: what can be put right, what stays because the meter has it, and nothing is paid twice."""

import itertools

import pytest

from host_tests.stands.vend import AMOUNT, KEYS, NUMBER, OTHER_UID, Hand, Meter, sell, shop_at
from scripts.chips.desfire import DesfireCard
from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import CardError, CardGone, FormatError, KeyFileError, Refused
from scripts.supplier.formats import PURCHASE, Purchase, SignedPurchase, WriteBack
from scripts.supplier.journal import BLANK, CORRECT, RESIGN, SALE
from scripts.supplier.keys import USER_AID
from scripts.supplier.signing import SALE as SALE_KEY
from scripts.supplier.utility_formats import TRUST_CHANGE, Answer
from scripts.vend import correcting, issuing, user_card
from scripts.vend.shop import Shop

WRONG = 200_000_000


def on(hand):
    return SignedPurchase.unpack(bytes(hand.card.applications[USER_AID].files[PURCHASE].data))


# -- a wrong amount -------------------------------------------------------------------------------


def test_a_wrong_amount_that_was_not_booked_is_put_right_under_its_number(shop, hand, meter):
    sell(shop, hand, WRONG)
    done = correcting.correct(shop, hand, amount_micro=AMOUNT)
    assert (done.before.amount_micro, done.purchase.amount_micro, done.purchase.count) == (WRONG, AMOUNT, 1)
    assert meter.serve(hand.card) == "booked"
    assert meter.credit_micro == AMOUNT
    assert shop.journal.last_sale(NUMBER).data["amount_micro"] == AMOUNT
    assert sell(shop, hand).purchase.count == 2


def test_a_wrong_debt_is_put_right_and_the_amount_stays(shop, hand):
    sell(shop, hand, debt_micro=5_000_000)
    done = correcting.correct(shop, hand, debt_micro=0)
    assert (done.purchase.amount_micro, done.purchase.debt_micro) == (AMOUNT, 0)


def test_what_the_meter_has_booked_is_not_corrected(shop, hand, meter):
    sell(shop, hand, WRONG)
    meter.serve(hand.card)
    for mistake in (lambda: correcting.correct(shop, hand, AMOUNT), lambda: correcting.take_back(shop, hand)):
        with pytest.raises(Refused, match="has booked purchase 1 already"):
            mistake()
    assert on(hand).purchase.amount_micro == WRONG


def test_a_purchase_the_meter_booked_before_the_card_was_pulled_pays_once_and_is_told(shop, hand, meter):
    sell(shop, hand, WRONG)
    assert meter.serve(hand.card, pulled=True) == "pulled"
    correcting.correct(shop, hand, AMOUNT)
    assert meter.serve(hand.card) == "seen"
    assert meter.credit_micro == WRONG
    found = user_card.read_card(shop, hand)
    assert found.settled == [
        "The meter booked purchase 1 with 200.00, before it was corrected to 20.00. Settle the difference with the"
        " customer."
    ]
    assert user_card.read_card(shop, hand).settled == []  # said once, and in the journal for good


def test_it_is_told_even_when_a_read_out_brought_the_figures_home_before(shop, hand, meter):
    sell(shop, hand, WRONG)
    meter.serve(hand.card, pulled=True)
    correcting.correct(shop, hand, AMOUNT)
    shop.journal.note_write_back(OTHER_UID, NUMBER, WriteBack(number=1, purchase_count=1, purchased_micro=WRONG))
    meter.serve(hand.card)
    assert "booked purchase 1 with 200.00" in user_card.read_card(shop, hand).settled[0]


def test_a_replacement_brings_the_corrected_amount(shop, hand, meter):
    sell(shop, hand, WRONG)
    correcting.correct(shop, hand, AMOUNT)
    new = Hand(DesfireCard(OTHER_UID))
    assert issuing.replace(shop, new, NUMBER).purchase.amount_micro == AMOUNT
    assert meter.serve(new.card) == "booked" and meter.credit_micro == AMOUNT


def test_a_correction_that_changes_nothing_is_refused(shop, hand):
    sell(shop, hand)
    with pytest.raises(Refused, match="says that already"):
        correcting.correct(shop, hand, AMOUNT)
    with pytest.raises(Refused, match="Say what"):
        correcting.correct(shop, hand)


def test_a_purchase_of_another_shop_is_corrected_there(shop, hand, tmp_path):
    sell(shop, hand, WRONG)
    with shop_at(tmp_path / "elsewhere") as elsewhere:
        user_card.read_card(elsewhere, hand)
        with pytest.raises(Refused, match="in another shop"):
            correcting.correct(elsewhere, hand, AMOUNT)


def test_an_amount_above_what_a_card_holds_is_no_correction(shop, hand):
    sell(shop, hand)
    with pytest.raises(FormatError, match="too large"):
        correcting.correct(shop, hand, 10**16)
    assert shop.journal.open_intents() == []


# -- a purchase taken back ------------------------------------------------------------------------


def test_a_purchase_that_was_taken_back_is_sold_again_under_its_number(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    sell(shop, hand, WRONG)
    done = correcting.take_back(shop, hand)
    assert (done.before.count, done.purchase.count, done.purchase.amount_micro) == (2, 1, AMOUNT)
    assert meter.serve(hand.card) == "seen"
    assert sell(shop, hand, 5_000_000).purchase.count == 2
    assert meter.serve(hand.card) == "booked"
    assert meter.credit_micro == AMOUNT + 5_000_000


def test_the_first_purchase_taken_back_leaves_a_card_without_any(shop, hand, meter):
    sell(shop, hand)
    correcting.take_back(shop, hand)
    assert (on(hand).purchase, on(hand).key_number) == (Purchase(), 0)
    assert sell(shop, hand).purchase.count == 1
    assert meter.serve(hand.card) == "booked"


def test_nothing_is_taken_back_twice(shop, hand):
    sell(shop, hand)
    correcting.take_back(shop, hand)
    with pytest.raises(Refused, match="Nothing was sold"):
        correcting.take_back(shop, hand)


def test_a_purchase_taken_back_that_the_meter_had_booked_is_told_with_the_next(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card, pulled=True)
    correcting.take_back(shop, hand)
    assert meter.serve(hand.card) == "count"  # it is ahead of the card: the customer is back with it
    sell(shop, hand, 5_000_000)
    assert meter.serve(hand.card) == "seen" and meter.credit_micro == AMOUNT
    (words,) = user_card.read_card(shop, hand).settled
    assert "booked purchase 1 with 20.00, before it was corrected to 5.00" in words


# -- a wrong currency -----------------------------------------------------------------------------


def test_a_card_of_the_wrong_currency_is_put_right_with_what_is_on_it(shop, meter):
    hand = Hand()
    issuing.issue(shop, hand, NUMBER, "USD")
    sell(shop, hand)
    assert meter.serve(hand.card) == "currency"
    correcting.correct(shop, hand, currency="EUR")
    assert meter.serve(hand.card) == "booked"
    new = Hand(DesfireCard(OTHER_UID))
    assert issuing.replace(shop, new, NUMBER).identity.currency == "EUR"


def test_a_card_its_meter_has_taken_keeps_its_currency(shop, hand, meter):
    meter.serve(hand.card)
    with pytest.raises(Refused, match="EUR is right"):
        correcting.correct(shop, hand, currency="USD")


def test_a_currency_no_meter_has_is_refused(shop, hand):
    with pytest.raises(FormatError, match="Did you mean USD"):
        correcting.correct(shop, hand, currency="usd")


# -- a card for the wrong meter -------------------------------------------------------------------


def test_a_card_for_the_wrong_meter_becomes_blank_and_then_the_right_one(shop, hand, meter):
    assert correcting.blank(shop, hand) == NUMBER
    assert hand.card.applications[USER_AID].keys == [ZERO] * 5
    issuing.issue(shop, hand, "00099999", "EUR")
    sell(shop, hand)
    assert Meter(number="00099999").serve(hand.card) == "booked"


def test_the_meter_of_a_card_taken_back_gets_one_of_the_next_generation(shop, hand):
    correcting.blank(shop, hand)
    made = issuing.issue(shop, Hand(DesfireCard(OTHER_UID)), NUMBER, "EUR")
    assert made.identity.generation == 2


def test_a_card_with_a_purchase_or_one_its_meter_has_taken_stays_what_it_is(shop, hand, meter):
    sell(shop, hand)
    with pytest.raises(Refused, match="take-back"):
        correcting.blank(shop, hand)
    meter.serve(hand.card)
    with pytest.raises(Refused, match="has taken this card"):
        correcting.blank(shop, hand)


def test_a_card_being_taken_back_is_for_nothing_else(shop, hand):
    hand.card.pull_after(25)
    with pytest.raises(CardGone):
        correcting.blank(shop, hand)
    hand.card.field_on()
    for other in (
        lambda: user_card.read_card(shop, hand),
        lambda: issuing.issue(shop, hand, "7", "EUR"),
    ):
        with pytest.raises(Refused, match="'blank' again"):
            other()


def test_a_card_cut_off_at_any_exchange_of_being_taken_back_is_finished_by_the_same_command(tmp_path):
    for n in itertools.count():
        hand = Hand()
        with shop_at(tmp_path / f"journal-{n}") as shop:
            issuing.issue(shop, hand, NUMBER, "EUR")
            hand.card.pull_after(n)
            try:
                correcting.blank(shop, hand)
                break
            except CardGone:
                hand.card.field_on()
            assert correcting.blank(shop, hand) == NUMBER
            assert shop.journal.open_intents(BLANK) == []
            assert issuing.issue(shop, hand, NUMBER, "EUR").identity.generation == 2
    assert n > 20


# -- cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [CORRECT, "take-back", RESIGN])
def test_a_correction_cut_off_at_any_exchange_is_there_or_not_and_pays_once(tmp_path, job):
    rolled = KEYS.rolled_signing(SALE_KEY)
    work = {
        CORRECT: lambda shop, hand: correcting.correct(shop, hand, AMOUNT),
        "take-back": correcting.take_back,
        RESIGN: correcting.resign,
    }[job]
    for n in itertools.count():
        hand = Hand()
        with shop_at(tmp_path / f"journal-{n}", rolled) as shop:
            issuing.issue(shop, hand, NUMBER, "EUR")
            sell(shop, hand, WRONG)
            hand.card.pull_after(n, heard=True)  # not heard is as heard one exchange before
            try:
                work(shop, hand)
                break
            except CardGone:
                hand.card.field_on()
            found = user_card.read_card(shop, hand)
            assert shop.journal.open_intents() == []
            last = shop.journal.last_sale(NUMBER)
            assert (last.count, last.data["amount_micro"]) == (found.purchase.count, found.purchase.amount_micro)
            meter = Meter(rolled)
            meter.document["sale"] = [
                found.record.key_number or 2,
                rolled.sale.public(found.record.key_number or 2).hex(),
            ]
            meter.serve(hand.card)
            assert meter.credit_micro == found.purchase.amount_micro
    assert n > 20


def test_a_correction_cut_off_on_a_card_then_lost_leaves_what_was_sold(shop, hand, meter, tmp_path):
    sell(shop, hand, WRONG)
    trial = Hand(DesfireCard.load(hand.card.dump()))
    with shop_at(tmp_path / "trial") as elsewhere:
        user_card.read_card(elsewhere, trial)
    hand.card.pull_after(len(trial.sent) + 2, heard=True)  # the look at it, the write in two frames, the commit
    with pytest.raises(CardGone):
        correcting.correct(shop, hand, AMOUNT)
    hand.card.field_on()
    new = Hand(DesfireCard(OTHER_UID))
    assert issuing.replace(shop, new, NUMBER).purchase.amount_micro == WRONG
    assert shop.journal.open_intents() == []
    assert [meter.serve(hand.card), meter.serve(new.card)] == ["booked", "seen"]


# -- signed again ---------------------------------------------------------------------------------


@pytest.fixture
def signing(shop):
    """After the sale key was rolled."""
    return Shop(shop.keys.rolled_signing(SALE_KEY), shop.journal, shop.clock)


def test_a_purchase_signed_with_a_key_not_in_force_is_signed_again_and_booked_once(shop, signing, hand):
    sell(shop, hand)
    assert user_card.read_card(shop, hand).waits_for == 0
    meter = Meter(signing.keys)
    assert meter.serve(hand.card) == "another sale key"
    assert user_card.read_card(signing, hand).waits_for == 2
    done = correcting.resign(signing, hand)
    assert (done.sale_key, done.before, on(hand).key_number) == (2, done.purchase, 2)
    assert meter.serve(hand.card) == "booked"
    assert meter.serve(hand.card) == "seen" and meter.credit_micro == AMOUNT


def test_a_meter_that_was_not_told_of_the_new_key_gets_the_signature_of_before(shop, signing, hand):
    sell(signing, hand)
    meter = Meter(KEYS)
    assert on(hand).key_number == 2 and meter.serve(hand.card) == "another sale key"
    assert correcting.resign(signing, hand).sale_key == 1
    assert meter.serve(hand.card) == "booked"


def test_a_sale_is_signed_with_the_key_of_what_the_meter_booked_last(shop, signing, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    assert sell(signing, hand).sale_key == 1
    assert meter.serve(hand.card) == "booked"


def test_a_sale_is_signed_with_the_key_a_card_has_brought_to_the_meter(shop, signing, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    user_card.read_card(shop, hand)
    intent = shop.journal.intend("utility", OTHER_UID, NUMBER, 77, {"kind": TRUST_CHANGE, "sale": 2, "order": 1})
    shop.journal.settle(intent, "done")
    shop.journal.note("utility", OTHER_UID, NUMBER, {"answer": Answer(NUMBER, 77, 5, TRUST_CHANGE, 0).pack().hex()})
    assert sell(signing, hand).sale_key == 2


def test_a_sale_can_be_signed_with_the_key_that_is_said(signing, hand):
    assert sell(signing, hand, sale_key=1).sale_key == 1
    with pytest.raises(KeyFileError, match="sale key 9 is needed"):
        correcting.resign(signing, hand, 9)


def test_what_is_booked_is_not_signed_again(shop, signing, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    with pytest.raises(Refused, match="has booked purchase 1"):
        correcting.resign(signing, hand)


def test_with_one_sale_key_there_is_nothing_to_sign_again(shop, hand):
    sell(shop, hand)
    with pytest.raises(Refused, match="has no other one"):
        correcting.resign(shop, hand)


def test_a_replacement_is_signed_for_its_own_generation(shop, hand, meter):
    sell(shop, hand)
    new = Hand(DesfireCard(OTHER_UID))
    issuing.replace(shop, new, NUMBER)
    assert (on(new).generation, on(hand).generation) == (2, 1)
    assert on(new).signed_by(KEYS.sale.public()) and on(new).signature != on(hand).signature


def test_a_shop_without_its_sale_key_sells_nothing(shop, hand):
    from scripts.supplier.keys import KeySet

    poor = Shop(KeySet({1: KEYS.masters(1)}), shop.journal, shop.clock)
    with pytest.raises(KeyFileError, match="no sale key"):
        sell(poor, hand)
    assert shop.journal.open_intents(SALE) == []


# -- another counter ------------------------------------------------------------------------------


def test_nothing_is_corrected_on_a_card_that_was_replaced_meanwhile(shop, hand):
    sell(shop, hand, WRONG)
    issuing.replace(shop, Hand(DesfireCard(OTHER_UID)), NUMBER)
    for work in (lambda: correcting.correct(shop, hand, AMOUNT), lambda: correcting.take_back(shop, hand)):
        with pytest.raises(Refused, match="Another card has replaced this one"):
            work()
    assert on(hand).purchase.amount_micro == WRONG


def test_a_card_that_refuses_the_correction_keeps_what_it_had(shop, hand):
    sell(shop, hand, WRONG)
    exchange, broken = hand.exchange, [True]

    def failing(command):
        if command[0] == 0xC7 and broken and broken.pop():
            hand.card.field_on()
            return b"\xee"
        return exchange(command)

    hand.exchange = failing
    with pytest.raises(CardError, match="never happened"):
        correcting.correct(shop, hand, AMOUNT)
    assert on(hand).purchase.amount_micro == WRONG and shop.journal.open_intents() == []


def test_what_a_meter_reports_of_itself_does_not_look_like_a_correction(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    assert user_card.read_card(shop, hand).settled == []
    assert isinstance(user_card.read_card(shop, hand).write_back, WriteBack)
