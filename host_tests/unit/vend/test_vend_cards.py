# SPDX-License-Identifier: Apache-2.0
"""A customer's card at the counter: issue, sell, read back, replace, and the keys that follow the meter's."""

import pytest

from host_tests.bench.cards import cards
from host_tests.stands.vend import AMOUNT, NUMBER, OTHER_UID, UID, Hand, Meter, after_change, sell, shop_at
from scripts.chips.desfire import DesfireCard
from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import CardError, CardGone, CardUntrusted, FormatError, Refused
from scripts.supplier.formats import (
    IDENTITY,
    LABEL,
    PURCHASE,
    WRITEBACK,
    Identity,
    Label,
    Purchase,
    SignedPurchase,
    WriteBack,
)
from scripts.supplier.journal import REPLACE, SALE
from scripts.supplier.keys import CHANGE, MASTER, METER, READER, USER_AID, VENDING, KeySet
from scripts.supplier.utility_formats import KEY_CHANGE, Answer
from scripts.vend import issuing, user_card, utility_card
from scripts.vend.desfire import Desfire

THIRD_UID = bytes.fromhex("04AABBCCDDEEF0")


def files(hand):
    return {number: bytes(file.data) for number, file in hand.card.applications[USER_AID].files.items()}


def as_role(hand, role):
    card = Desfire(hand)
    card.select(USER_AID)
    card.login(role, KeySet.demo().user_card_key(1, role, hand.uid, NUMBER))
    return card


def vend_write(hand, file_no, record):
    card = as_role(hand, VENDING)
    card.write(file_no, 0, record)
    card.commit()


# -- issue ----------------------------------------------------------------------------------------


def test_a_blank_card_becomes_the_card_of_its_meter(hand):
    record = files(hand)
    assert Label.unpack(record[LABEL]) == Label(NUMBER)
    assert Identity.unpack(record[IDENTITY]) == Identity(NUMBER, 1, "EUR")
    assert SignedPurchase.unpack(record[PURCHASE]) == SignedPurchase(Purchase(), NUMBER, 1, "EUR")
    assert WriteBack.unpack(record[WRITEBACK]) is None


def test_application_settings_sizes_and_rights_are_those_agreed(hand):
    app = hand.card.applications[USER_AID]
    assert (app.settings, len(app.keys)) == (0x49, 5)
    assert {n: len(f.data) for n, f in app.files.items()} == {0: 17, 1: 24, 2: 112, 3: 256}
    assert {n: f.rights for n, f in app.files.items()} == {0: 0xEF24, 1: 0x1F24, 2: 0x1F24, 3: 0x2F14}
    assert {n: (f.backup, f.comm) for n, f in app.files.items()} == {
        0: (False, 0), 1: (True, 1), 2: (True, 1), 3: (True, 1),
    }  # fmt: skip


def test_every_key_on_an_issued_card_is_its_own_and_carries_the_key_version(hand):
    app = hand.card.applications[USER_AID]
    assert app.versions == [1] * 5
    assert app.keys == [KeySet.demo().user_card_key(1, role, UID, NUMBER) for role in range(5)]
    assert len({*app.keys, ZERO}) == 6


@pytest.mark.parametrize("role", [MASTER, VENDING, READER, CHANGE])
def test_only_the_meter_can_write_its_report(hand, role):
    with pytest.raises(CardError):
        as_role(hand, role).write(WRITEBACK, 0, bytes(4))


def test_the_meter_cannot_write_what_it_is_paid_for(hand):
    with pytest.raises(CardError):
        as_role(hand, METER).write(PURCHASE, 0, bytes(4))


def test_a_card_that_is_a_user_card_already_is_not_issued_again(shop, hand):
    with pytest.raises(Refused, match="a user card already"):
        issuing.issue(shop, hand, "00099999", "EUR")


def test_a_meter_gets_one_card_only(shop, hand):
    with pytest.raises(Refused, match="has a card already"):
        issuing.issue(shop, Hand(DesfireCard(OTHER_UID)), NUMBER, "EUR")


def test_a_number_no_meter_can_have_is_refused_before_the_card_is_touched(shop):
    hand = Hand()
    with pytest.raises(FormatError, match="meter number"):
        issuing.issue(shop, hand, "1234567890123", "EUR")
    assert hand.sent == [] and shop.journal.entries() == []


def test_a_card_without_room_is_refused_and_says_so(shop):
    hand = Hand(DesfireCard(UID, memory=2048))
    hand.card.applications[b"\x09\x09\x09"] = full_application()
    with pytest.raises(CardError, match="memory is full"):
        issuing.issue(shop, hand, NUMBER, "EUR")


def full_application():
    filler = Hand(DesfireCard(OTHER_UID, memory=2048))
    card = Desfire(filler)
    card.create_application(b"\x09\x09\x09", 0x0F, 1)
    card.select(b"\x09\x09\x09")
    card.ask(b"\xcd\x00\x00\x00\x00" + (1900).to_bytes(3, "little"))
    return filler.card.applications[b"\x09\x09\x09"]


def test_finishing_an_issue_that_was_complete_does_not_undo_what_was_sold_since(shop, tmp_path):
    trial = Hand()
    with shop_at(tmp_path / "trial") as once:
        issuing.issue(once, trial, NUMBER, "EUR")
    hand = Hand()
    hand.card.pull_after(len(trial.sent) - 1, heard=True)
    with pytest.raises(CardGone):
        issuing.issue(shop, hand, NUMBER, "EUR")
    with shop_at(tmp_path / "elsewhere") as elsewhere:
        sell(elsewhere, hand)
    issuing.issue(shop, hand, NUMBER, "EUR")
    assert SignedPurchase.unpack(files(hand)[PURCHASE]).purchase.count == 1


# -- sell -----------------------------------------------------------------------------------------


def test_the_first_sale_is_purchase_1_with_amount_debt_and_time(shop, hand):
    sale = sell(shop, hand, debt_micro=3_000_000)
    assert sale.purchase == Purchase(1, AMOUNT, 3_000_000, sale.purchase.sold_utc_s)
    assert SignedPurchase.unpack(files(hand)[PURCHASE]).purchase == sale.purchase
    assert 820_000_000 < sale.purchase.sold_utc_s < 820_001_000


def test_a_second_sale_is_refused_until_the_first_has_been_to_the_meter(shop, hand, meter):
    sell(shop, hand)
    with pytest.raises(Refused, match="has not been to meter 00012345 yet"):
        sell(shop, hand)
    assert meter.serve(hand.card) == "booked"
    assert sell(shop, hand).purchase.count == 2


def test_ten_sales_with_a_visit_each_reach_the_meter_exactly_once(shop, hand, meter):
    for n in range(1, 11):
        assert sell(shop, hand, n * 1_000_000).purchase.count == n
        assert meter.serve(hand.card) == "booked"
        assert meter.serve(hand.card) == "seen"
    assert meter.credit_micro == 55_000_000


def test_a_card_that_visits_before_anything_is_sold_can_be_sold_on(shop, hand, meter):
    assert meter.serve(hand.card) == "seen"
    assert sell(shop, hand).purchase.count == 1


@pytest.mark.parametrize(("amount_micro", "debt_micro"), [(0, 0), (-1, 0), (1, -1)])
def test_nothing_is_sold_for_nothing(shop, hand, amount_micro, debt_micro):
    with pytest.raises(Refused, match="more than nothing"):
        sell(shop, hand, amount_micro, debt_micro=debt_micro)


def test_an_amount_no_card_holds_is_refused_before_the_journal_hears_of_it(shop, hand):
    with pytest.raises(FormatError, match="too large"):
        sell(shop, hand, 10**16)
    assert shop.journal.open_intents() == []


def test_a_meter_ahead_of_the_card_is_refused(shop, hand, meter):
    meter.count = 1
    vend_write(hand, PURCHASE, cards.purchase(1, AMOUNT, 0, 1))
    meter.serve(hand.card)
    vend_write(hand, PURCHASE, cards.purchase(0, 0))
    with pytest.raises(Refused, match=r"has booked purchase 1, and this card carries 0"):
        sell(shop, hand)


def test_a_card_set_back_to_an_older_state_is_refused(shop, hand):
    image = hand.card.snapshot()
    sell(shop, hand)
    hand.card.restore(image)
    with pytest.raises(Refused, match="Purchase 1 was sold for meter 00012345, and this card carries 0"):
        sell(shop, hand)


def test_what_another_shop_sold_is_learned_from_the_card(shop, hand, meter, tmp_path):
    sell(shop, hand)
    with shop_at(tmp_path / "elsewhere") as elsewhere:
        with pytest.raises(Refused, match="has not been to meter"):
            sell(elsewhere, hand)
        meter.serve(hand.card)
        assert sell(elsewhere, hand).purchase.count == 2
        assert elsewhere.journal.last_sale(NUMBER).count == 2
    meter.serve(hand.card)
    assert sell(shop, hand).purchase.count == 3


def test_reading_tells_what_the_meter_reported(shop, hand, meter):
    sell(shop, hand)
    assert user_card.read_card(shop, hand).write_back is None
    meter.serve(hand.card)
    found = user_card.read_card(shop, hand)
    assert (found.write_back.number, found.write_back.purchase_count) == (1, 1)
    assert shop.journal.booked_count(NUMBER) == 1


def test_reading_twice_writes_the_journal_once(shop, hand, meter):
    meter.serve(hand.card)
    user_card.read_card(shop, hand)
    n = len(shop.journal.entries())
    user_card.read_card(shop, hand)
    assert len(shop.journal.entries()) == n


# -- cards that are not what they should be -------------------------------------------------------


def test_a_blank_card_is_no_user_card(shop):
    with pytest.raises(Refused, match="no user card"):
        user_card.read_card(shop, Hand())


def test_another_suppliers_card_is_refused(hand, tmp_path):
    with shop_at(tmp_path / "theirs", KeySet.new()) as theirs, pytest.raises(Refused, match="does not accept our keys"):
        user_card.read_card(theirs, hand)


@pytest.mark.parametrize("file_no", [IDENTITY, PURCHASE, WRITEBACK])
def test_a_damaged_record_is_refused_with_a_remedy(shop, hand, meter, file_no):
    meter.serve(hand.card)
    hand.card.applications[USER_AID].files[file_no].data[5] ^= 1
    with pytest.raises(FormatError, match=r"damaged.*(Replace the card|into the meter once more)"):
        sell(shop, hand)


def test_a_label_that_was_changed_opens_nothing(shop, hand):
    hand.card.applications[USER_AID].files[LABEL].data[:] = Label("00099999").pack()
    with pytest.raises(Refused, match="does not accept our keys"):
        sell(shop, hand)


def test_a_damaged_label_is_refused(shop, hand):
    hand.card.applications[USER_AID].files[LABEL].data[2] ^= 1
    with pytest.raises(Refused, match="label"):
        sell(shop, hand)


def test_an_identity_of_another_meter_is_refused(shop, hand):
    vend_write(hand, IDENTITY, Identity("00099999", 1, "EUR").pack())
    with pytest.raises(FormatError, match="identity 00099999"):
        sell(shop, hand)


@pytest.mark.parametrize(
    ("forged", "says"),
    [({"key": cards.OTHER_KEY}, "not signed by this supplier"), ({"number": "00099999"}, "for another card"),
     ({"generation": 2}, "for another card"), ({"currency": "USD"}, "for another card"),
     ({"signature": cards.UNSIGNED}, "not signed by this supplier")],
)  # fmt: skip
def test_a_purchase_that_this_supplier_did_not_sell_for_this_card_is_found(shop, hand, forged, says):
    vend_write(hand, PURCHASE, cards.purchase(1, AMOUNT, **forged))
    with pytest.raises(FormatError, match=says):
        user_card.read_card(shop, hand)
    assert shop.journal.last_sale(NUMBER) is None


# -- replace --------------------------------------------------------------------------------------


def replaced(shop, uid=OTHER_UID):
    new = Hand(DesfireCard(uid))
    return new, issuing.replace(shop, new, NUMBER)


def test_a_replacement_has_the_next_generation_and_brings_the_purchase_that_was_not_booked(shop, hand, meter):
    sale = sell(shop, hand)
    new, made = replaced(shop)
    assert made.identity.generation == 2
    assert made.purchase == sale.purchase
    assert meter.serve(new.card) == "booked"
    assert meter.credit_micro == AMOUNT


def test_a_lost_card_that_was_booked_before_pays_nothing_twice(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)  # the shop has not seen this
    new, _ = replaced(shop)
    assert meter.serve(new.card) == "seen"
    assert meter.credit_micro == AMOUNT


def test_a_lost_card_that_comes_first_and_its_replacement_pay_once(shop, hand, meter):
    sell(shop, hand)
    new, _ = replaced(shop)
    assert [meter.serve(hand.card), meter.serve(new.card)] == ["booked", "seen"]
    assert meter.credit_micro == AMOUNT


def test_the_meter_refuses_the_lost_card_once_it_has_seen_the_replacement(shop, hand, meter):
    sell(shop, hand)
    new, _ = replaced(shop)
    assert [meter.serve(new.card), meter.serve(hand.card)] == ["booked", "generation"]
    assert meter.credit_micro == AMOUNT


def test_a_replacement_of_a_booked_card_can_be_sold_on_at_once(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    user_card.read_card(shop, hand)
    new, _ = replaced(shop)
    assert sell(shop, new).purchase.count == 2
    assert meter.serve(new.card) == "booked"
    assert meter.credit_micro == 2 * AMOUNT


def test_a_replacement_whose_purchase_may_be_open_goes_to_the_meter_first(shop, hand, meter):
    sell(shop, hand)
    new, _ = replaced(shop)
    with pytest.raises(Refused, match="has not been to meter"):
        sell(shop, new)
    meter.serve(new.card)
    assert sell(shop, new).purchase.count == 2


def test_nothing_is_sold_on_a_card_that_was_replaced(shop, hand, meter):
    sell(shop, hand)
    meter.serve(hand.card)
    replaced(shop)
    with pytest.raises(Refused, match="Another card has replaced this one"):
        sell(shop, hand)
    assert user_card.read_card(shop, hand).replaced


def test_a_replacement_can_be_replaced(shop, hand, meter):
    sell(shop, hand)
    replaced(shop)
    new, made = replaced(shop, THIRD_UID)
    assert made.identity.generation == 3
    assert meter.serve(new.card) == "booked"


def test_a_card_cannot_replace_itself(shop, hand):
    with pytest.raises(Refused, match="Take a blank one"):
        issuing.replace(shop, hand, NUMBER)


def test_a_meter_the_journal_does_not_know_gets_no_replacement(shop):
    with pytest.raises(Refused, match="knows no card of meter"):
        replaced(shop)


def test_a_shop_that_does_not_know_the_last_sale_makes_no_replacement(shop, hand):
    shop.journal.note_write_back(UID, NUMBER, WriteBack(number=9, purchase_count=4))
    with pytest.raises(Refused, match=r"has booked purchase 4, and this journal knows 0\."):
        replaced(shop)
    assert shop.journal.open_intents() == []


def test_one_reading_is_enough_for_a_replacement_in_another_shop(shop, hand, meter, tmp_path):
    sell(shop, hand)
    with shop_at(tmp_path / "elsewhere") as elsewhere:
        with pytest.raises(Refused):
            sell(elsewhere, hand)
        new, made = replaced(elsewhere)
    assert made.purchase.amount_micro == AMOUNT
    assert meter.serve(new.card) == "booked"


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
def test_a_sale_cut_off_on_a_card_then_lost_is_carried_over_and_pays_once(shop, hand, meter, heard, tmp_path):
    n = exchanges_of_a_sale(hand, tmp_path / "trial")
    hand.card.pull_after(n - 1, heard)
    with pytest.raises(CardGone):
        sell(shop, hand)
    new, made = replaced(shop)
    assert made.carried_over is not None and made.carried_over.amount_micro == AMOUNT
    assert "Take the money" in issuing.carried_words(made)
    meter.serve(hand.card)
    meter.serve(new.card)
    assert meter.credit_micro == AMOUNT
    assert shop.journal.last_sale(NUMBER).count == 1 and shop.journal.open_intents() == []


def exchanges_of_a_sale(hand, path):
    """How many exchanges a sale takes, tried on a copy of the card with a journal of its own."""
    trial = Hand(DesfireCard.load(hand.card.dump()))
    with shop_at(path) as shop:
        sell(shop, trial)
    return len(trial.sent)


def test_while_a_replacement_is_unfinished_nothing_is_sold_on_the_old_card(shop, hand):
    new = Hand(DesfireCard(OTHER_UID))
    new.card.pull_after(20)
    with pytest.raises(CardGone):
        issuing.replace(shop, new, NUMBER)
    with pytest.raises(Refused, match="Run 'replace' again"):
        sell(shop, hand)


def test_another_blank_card_may_finish_a_replacement(shop, hand, meter):
    sell(shop, hand)
    broken = Hand(DesfireCard(OTHER_UID))
    broken.card.pull_after(20)
    with pytest.raises(CardGone):
        issuing.replace(shop, broken, NUMBER)
    new, made = replaced(shop, THIRD_UID)
    assert made.identity.generation == 3
    assert shop.journal.open_intents(REPLACE) == []
    assert meter.serve(new.card) == "booked"


def test_a_card_begun_for_one_meter_is_not_used_for_another(shop):
    hand = Hand()
    hand.card.pull_after(20)
    with pytest.raises(CardGone):
        issuing.issue(shop, hand, NUMBER, "EUR")
    with pytest.raises(Refused, match="'issue' for meter 00012345 was begun"):
        issuing.issue(shop, hand, "00099999", "EUR")
    with pytest.raises(Refused, match=r"never finished|Run 'issue' for meter 00012345 again"):
        sell(shop, hand)


# -- new keys -------------------------------------------------------------------------------------


def test_a_card_gets_new_keys_at_the_sale_after_its_meter_reported_them(rolled, hand, meter):
    sell(rolled, hand)
    meter.serve(hand.card)
    assert sell(rolled, hand).renewed_to is None  # the meter still has the old ones
    meter.document = after_change(rolled.keys)
    assert meter.serve(hand.card) == "booked"
    sale = sell(rolled, hand)
    assert sale.renewed_to == 2
    assert hand.card.applications[USER_AID].versions == [2] * 5
    assert meter.serve(hand.card) == "booked"
    meter.serve(hand.card)
    assert sell(rolled, hand).renewed_to is None


def test_the_new_keys_are_those_of_the_new_masters(rolled, hand, meter):
    meter.document = after_change(rolled.keys)
    meter.serve(hand.card)
    sell(rolled, hand)
    expected = [rolled.keys.user_card_key(2, role, UID, NUMBER) for role in range(5)]
    assert hand.card.applications[USER_AID].keys == expected


def test_a_card_cut_off_at_any_point_of_its_renewal_works_on_and_is_finished_at_the_next_sale(
    rolled, hand, meter, tmp_path
):
    meter.document = after_change(rolled.keys)
    meter.serve(hand.card)
    before = hand.card.dump()
    sale_n = len(hand.sent)
    sell(rolled, hand)
    total_n = len(hand.sent) - sale_n
    sold = [i for i, command in enumerate(hand.sent[sale_n:]) if command[0] == 0xC7][-1]
    for at in range(sold + 1, total_n):
        for heard in (False, True):
            card = DesfireCard.load(before)
            one = Hand(card)
            with shop_at(tmp_path / f"renew-{at}-{heard}", rolled.keys) as shop:
                card.pull_after(at, heard)
                sale = user_card.sell(shop, one, AMOUNT)
                assert sale.purchase.count == 1 and sale.renewal_failed
                card.field_on()
                own = Meter(rolled.keys)
                own.document = after_change(rolled.keys)
                assert own.serve(card) == "booked"
                own.serve(card)
                assert user_card.sell(shop, one, AMOUNT).purchase.count == 2
                assert card.applications[USER_AID].versions == [2] * 5
                assert shop.journal.open_intents() == []


def test_a_card_that_was_never_at_its_meter_gets_the_keys_a_key_change_has_brought_there(rolled, hand):
    supplier = Hand(DesfireCard(OTHER_UID))
    serial = utility_card.key_change(rolled, supplier, NUMBER).head.serial
    Meter().answer(supplier.card, Answer(NUMBER, serial, 5, KEY_CHANGE, 0).pack())
    utility_card.read_answers(rolled, supplier)
    assert sell(rolled, hand).renewed_to == 2
    assert Meter(rolled.keys).serve(hand.card) == "booked"


def test_a_card_never_goes_back_to_older_keys(rolled, meter):
    hand = Hand()
    issuing.issue(rolled, hand, NUMBER, "EUR", key_version=2)
    meter.document = after_change(rolled.keys)
    meter.report_version = 1
    assert meter.serve(hand.card) == "seen"
    assert sell(rolled, hand).renewed_to is None
    assert hand.card.applications[USER_AID].versions == [2] * 5


def test_keys_newer_than_the_key_file_are_told_in_words(rolled, hand, meter, shop):
    meter.document = after_change(rolled.keys)
    meter.serve(hand.card)
    sell(rolled, hand)
    with pytest.raises(Exception, match="Use the newest key file"):
        user_card.read_card(shop, hand)


def test_a_new_card_of_a_meter_has_the_version_its_meter_reported(rolled, hand, meter):
    meter.serve(hand.card)
    user_card.read_card(rolled, hand)
    new = Hand(DesfireCard(OTHER_UID))
    assert issuing.replace(rolled, new, NUMBER).key_version == 1
    assert meter.serve(new.card) == "seen"


def test_a_forged_answer_stops_a_sale_and_leaves_the_card_alone(shop, hand):
    before = files(hand)
    exchange = hand.exchange

    def forged(command):
        answer = exchange(command)
        return answer[:-1] + bytes((answer[-1] ^ 1,)) if command[0] == 0xBD and len(answer) > 20 else answer

    hand.exchange = forged
    with pytest.raises((CardUntrusted, Refused)):
        sell(shop, hand)
    assert files(hand) == before and shop.journal.open_intents(SALE) == []
