# SPDX-License-Identifier: Apache-2.0
"""The supplier's own cards: what is on them, what meters answer, and what a cut-off card does: nothing."""

import pytest

from host_tests.stands.vend import KEYS, NUMBER, UID, Hand, Meter
from scripts.chips.desfire import DesfireCard
from scripts.supplier.errors import CardError, CardGone, FormatError, KeyFileError, Refused
from scripts.supplier.formats import WriteBack
from scripts.supplier.keys import UTILITY_AID
from scripts.supplier.signing import ORDER, SALE
from scripts.supplier.utility_formats import (
    ANSWERS,
    COVER_RESET,
    DOCUMENT,
    HEAD,
    KEY_CHANGE,
    READ_OUT,
    RELAY_TEST,
    SETTINGS,
    TARIFF,
    TRUST_CHANGE,
    Answer,
    Head,
    KeyChange,
    Meters,
    TrustChange,
)
from scripts.vend import issuing, utility_card
from scripts.vend.shop import Shop

SETTINGS_JSON = b'{"currency": "EUR", "alarm1": "10.00"}'


@pytest.fixture
def hand():
    """A blank card."""
    return Hand()


def files(hand):
    return hand.card.applications[UTILITY_AID].files


def head_on(hand):
    return Head.unpack(bytes(files(hand)[HEAD].data))


def document_on(hand):
    return bytes(files(hand)[DOCUMENT].data)[: head_on(hand).contents_n]


def test_a_settings_card_carries_its_document(shop, hand):
    written = utility_card.preset(shop, hand, SETTINGS, SETTINGS_JSON)
    assert head_on(hand) == written.head
    assert document_on(hand) == SETTINGS_JSON and written.head.matches(document_on(hand))
    assert written.head.meter_number == ""


def test_a_document_of_the_largest_size_goes_onto_a_card(shop, hand):
    document = b'{"a": "' + b"x" * (3072 - 9) + b'"}'
    utility_card.preset(shop, hand, TARIFF, document)
    assert document_on(hand) == document


def test_application_and_rights_are_those_agreed(shop, hand):
    utility_card.write_card(shop, hand, READ_OUT, answers=7)
    app = hand.card.applications[UTILITY_AID]
    assert (app.settings, app.versions) == (0x49, [1] * 5)
    assert app.keys == [KEYS.utility_card_key(1, role, UID) for role in range(5)]
    assert {n: (f.rights, f.comm) for n, f in app.files.items()} == {1: (0x1F24, 1), 2: (0x1F24, 1), 3: (0x3124, 1)}
    assert (app.files[ANSWERS].size, app.files[ANSWERS].limit) == (288, 7)


@pytest.mark.parametrize("kind", [RELAY_TEST, READ_OUT, COVER_RESET])
def test_a_card_without_a_document_is_a_head_alone(shop, hand, kind):
    written = utility_card.write_card(shop, hand, kind, meters=NUMBER)
    assert (head_on(hand).kind, head_on(hand).contents_n, head_on(hand).meter_number) == (kind, 0, NUMBER)
    assert written.answers == utility_card.ANSWERS_DEFAULT


@pytest.mark.parametrize("kind", [RELAY_TEST, READ_OUT])
def test_the_default_room_fits_a_card_of_8_kb(shop, kind):
    utility_card.write_card(shop, Hand(DesfireCard(UID, memory=8192)), kind)


def test_more_room_than_a_card_has_is_refused_in_words(shop, hand):
    with pytest.raises(CardError, match="memory is full"):
        utility_card.write_card(shop, hand, READ_OUT, answers=100)


def test_serials_rise_even_when_the_clock_does_not(shop, hand):
    still = Shop(shop.keys, shop.journal, lambda: 820_000_000)
    serials = [utility_card.write_card(still, hand, RELAY_TEST).head.serial for _ in range(3)]
    assert serials == [820_000_000, 820_000_001, 820_000_002]


@pytest.mark.parametrize(
    ("text", "word"),
    [(b"", "empty"), (b"[]", "object"), (b'{"a": 1, "a": 2}', "twice"), (b'{"a":"' + b"x" * 3072 + b'"}', "3072"),
     (b"\xff\xff", "UTF-8"), (b'{"a": NaN}', "NaN"), (b'{"a": "\\ud800"}', "half a character"),
     (b'{"a": ' + b"[" * 5000, "nested"), ("{}".encode("utf-16"), "UTF-16"), (b'{"a": 1e999}', "exponent|whole")],
)  # fmt: skip
def test_what_no_meter_can_take_is_refused_before_the_card_is_touched(shop, hand, text, word):
    with pytest.raises(FormatError, match=word):
        utility_card.preset(shop, hand, SETTINGS, text)
    assert hand.sent == []


# -- answers --------------------------------------------------------------------------------------


def test_answers_come_back_in_the_order_they_were_given(shop, hand):
    serial = utility_card.write_card(shop, hand, RELAY_TEST).head.serial
    answers = [Answer(number, serial, 5, RELAY_TEST, 0) for number in ("1", "2", "3")]
    for answer in answers:
        Meter(number=answer.meter_number).answer(hand.card, answer.pack())
    assert utility_card.read_answers(shop, hand).answers == answers


def test_a_card_without_answers_says_so(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST)
    assert utility_card.read_answers(shop, hand).answers == []


def test_a_read_out_brings_figures_home_and_tells_the_counter_what_was_booked(shop, hand):
    serial = utility_card.write_card(shop, hand, READ_OUT).head.serial
    back = WriteBack(number=4, purchase_count=3, import_counts=12345)
    Meter().answer(hand.card, Answer(NUMBER, serial, 5, READ_OUT, 0, back).pack())
    assert utility_card.read_answers(shop, hand).answers[0].write_back == back
    assert shop.journal.booked_count(NUMBER) == 3


def test_reading_answers_twice_notes_them_once(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST)
    Meter().answer(hand.card, Answer(NUMBER, 1, 5, RELAY_TEST, 0).pack())
    utility_card.read_answers(shop, hand)
    n = len(shop.journal.entries())
    utility_card.read_answers(shop, hand)
    assert len(shop.journal.entries()) == n


def test_a_card_is_emptied_when_asked(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST)
    Meter().answer(hand.card, Answer(NUMBER, 1, 5, RELAY_TEST, 0).pack())
    assert len(utility_card.read_answers(shop, hand, clear=True).answers) == 1
    assert utility_card.read_answers(shop, hand, clear=True).answers == []


def test_answers_on_a_card_that_is_written_anew_go_into_the_journal_first(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST)
    answer = Answer(NUMBER, 1, 5, RELAY_TEST, 0)
    Meter().answer(hand.card, answer.pack())
    written = utility_card.write_card(shop, hand, READ_OUT)
    assert written.rescued == 1
    assert any(e.data.get("answer") == answer.pack().hex() for e in shop.journal.entries(NUMBER))
    assert utility_card.read_answers(shop, hand).answers == []


def test_a_card_written_anew_with_the_same_files_starts_without_answers(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST)
    Meter().answer(hand.card, Answer(NUMBER, 1, 5, RELAY_TEST, 0).pack())
    utility_card.write_card(shop, hand, RELAY_TEST)
    assert files(hand)[ANSWERS].records == []


# -- keys -----------------------------------------------------------------------------------------


def test_a_key_change_card_gives_one_meter_its_next_keys(rolled, hand):
    meter = Meter(KEYS)
    written = utility_card.key_change(rolled, hand, NUMBER)
    assert (written.head.kind, written.head.meter_number, written.key_version) == (KEY_CHANGE, NUMBER, 1)
    current = bytes.fromhex(meter.document["card_key"])
    change = KeyChange.unpack(document_on(hand), current, NUMBER, written.head.serial)
    expected = rolled.keys.meter_document(NUMBER)
    assert (change.version, change.serial) == (2, written.head.serial)
    assert change.card_key.hex() == expected["card_key"] and change.utility_key.hex() == expected["utility_key"]


def test_a_key_change_card_has_the_keys_the_meter_has_now(rolled, hand):
    utility_card.key_change(rolled, hand, NUMBER)
    assert hand.card.applications[UTILITY_AID].versions == [1] * 5


def test_a_meter_that_has_the_newest_keys_gets_no_key_change(rolled, hand):
    rolled.journal.note_write_back(UID, NUMBER, WriteBack(number=1, key_version=2))
    with pytest.raises(Refused, match="has keys of version 2 already"):
        utility_card.key_change(rolled, hand, NUMBER)


def test_without_a_roll_there_is_no_key_change(shop, hand):
    with pytest.raises(Refused, match="keys roll"):
        utility_card.key_change(shop, hand, NUMBER)


def test_a_card_for_one_meter_has_the_version_that_meter_reported(rolled, hand):
    rolled.journal.note_write_back(UID, NUMBER, WriteBack(number=1, key_version=1))
    assert utility_card.write_card(rolled, hand, RELAY_TEST, meters=NUMBER).key_version == 1
    assert utility_card.write_card(rolled, hand, RELAY_TEST).key_version == 2
    assert hand.card.applications[UTILITY_AID].versions == [2] * 5


# -- which meters, and who signs ------------------------------------------------------------------


def test_every_kind_of_card_is_signed_with_the_order_key(shop, hand):
    for kind in (RELAY_TEST, READ_OUT, COVER_RESET):
        utility_card.write_card(shop, hand, kind)
        assert head_on(hand).signed_by(KEYS.order.public())
    utility_card.preset(shop, hand, TARIFF, SETTINGS_JSON)
    assert head_on(hand).signed_by(KEYS.order.public())


def test_a_card_for_a_range_says_so(shop, hand):
    utility_card.write_card(shop, hand, RELAY_TEST, meters=Meters("001", "099"))
    head = head_on(hand)
    assert (head.first, head.last, head.meter_number) == ("001", "099", "")


def test_a_card_for_some_meters_lists_them_before_its_document(shop, hand):
    listed = Meters(listed=("7", "42"))
    utility_card.preset(shop, hand, SETTINGS, SETTINGS_JSON, listed)
    assert head_on(hand).listed == 2 and head_on(hand).matches(document_on(hand))
    assert head_on(hand).document(document_on(hand)) == SETTINGS_JSON


def test_a_list_that_leaves_no_room_for_its_document_is_refused_before_the_card_is_touched(shop, hand):
    listed = Meters(listed=tuple(f"{n:012d}" for n in range(100)))
    with pytest.raises(FormatError, match="3072"):
        utility_card.preset(shop, hand, TARIFF, b'{"a": "' + b"x" * 2000 + b'"}', listed)
    assert hand.sent == [] and shop.journal.entries() == []


def test_a_serial_is_not_used_up_by_a_card_that_cannot_be_made(shop, hand):
    with pytest.raises(KeyFileError, match="order key 9"):
        utility_card.write_card(shop, hand, RELAY_TEST, order_key=9)
    assert hand.sent == [] and shop.journal.entries() == []


def test_a_shop_makes_no_card_that_commands_meters(shop, hand):
    counter = Shop(KEYS.for_shop(), shop.journal, shop.clock)
    with pytest.raises(KeyFileError, match="in the office"):
        utility_card.write_card(counter, hand, RELAY_TEST)
    assert hand.sent == []


# -- new public keys ------------------------------------------------------------------------------


@pytest.fixture
def signing(shop):
    """After both signing keys were rolled."""
    return Shop(shop.keys.rolled_signing(SALE).rolled_signing(ORDER), shop.journal, shop.clock)


def test_new_public_keys_are_signed_by_the_order_key_of_before_and_proven_by_the_new_one(signing, hand):
    utility_card.trust_change(signing, hand)
    head, change = head_on(hand), TrustChange.unpack(document_on(hand))
    assert (head.kind, head.key_number) == (TRUST_CHANGE, 1) and head.signed_by(KEYS.order.public())
    assert (change.sale_number, change.order_number) == (2, 2)
    assert (change.sale, change.order) == (signing.keys.sale.public(2), signing.keys.order.public(2))
    assert change.proven()


def test_a_new_sale_key_alone_is_signed_by_the_order_key_there_is(shop, hand):
    rolled = Shop(shop.keys.rolled_signing(SALE), shop.journal, shop.clock)
    utility_card.trust_change(rolled, hand)
    assert head_on(hand).key_number == 1 and TrustChange.unpack(document_on(hand)).order_number == 1


def test_of_three_order_keys_the_one_the_meters_have_must_be_said(signing, hand):
    thrice = Shop(signing.keys.rolled_signing(ORDER), signing.journal, signing.clock)
    with pytest.raises(Refused, match=r"order keys 1, 2, 3\. Say which one the meters have now: --from"):
        utility_card.trust_change(thrice, hand)
    utility_card.trust_change(thrice, hand, has=1)
    assert head_on(hand).key_number == 1 and TrustChange.unpack(document_on(hand)).order_number == 3


def test_after_its_answer_a_meter_gets_cards_signed_with_its_new_order_key(signing, hand):
    older = Shop(signing.keys.rolled_signing(ORDER), signing.journal, signing.clock)
    serial = utility_card.trust_change(older, hand, has=1, to=2).head.serial
    Meter().answer(hand.card, Answer(NUMBER, serial, 5, TRUST_CHANGE, 0).pack())
    utility_card.read_answers(older, hand)
    assert utility_card.write_card(older, hand, RELAY_TEST, meters=NUMBER).head.key_number == 2
    assert utility_card.write_card(older, hand, RELAY_TEST).head.key_number == 3
    assert utility_card.write_card(older, hand, RELAY_TEST, order_key=1).head.key_number == 1


# -- the other kind of card -----------------------------------------------------------------------


def test_a_user_card_is_not_made_a_utility_card_nor_the_reverse(shop, hand):
    issuing.issue(shop, hand, NUMBER, "EUR")
    with pytest.raises(Refused, match="This is a user card"):
        utility_card.write_card(shop, hand, RELAY_TEST)
    other = Hand(DesfireCard(UID[::-1]))
    utility_card.write_card(shop, other, RELAY_TEST)
    with pytest.raises(Refused, match="This is a utility card"):
        issuing.issue(shop, other, "2", "EUR")


def test_a_user_card_has_no_answers(shop, hand):
    issuing.issue(shop, hand, NUMBER, "EUR")
    with pytest.raises(Refused, match="no utility card"):
        utility_card.read_answers(shop, hand)


def test_a_new_card_cut_off_at_any_exchange_has_no_head_and_can_be_written_again(shop):
    n = 0
    while True:
        hand = Hand()
        hand.card.pull_after(n)
        try:
            utility_card.preset(shop, hand, SETTINGS, SETTINGS_JSON)
            break  # the cut lies after the last exchange
        except CardGone:
            pass
        app = hand.card.applications.get(UTILITY_AID)
        assert app is None or HEAD not in app.files or not any(app.files[HEAD].data)
        utility_card.preset(shop, hand, SETTINGS, SETTINGS_JSON)
        assert document_on(hand) == SETTINGS_JSON
        n += 1
    assert n > 20


def test_a_card_can_be_written_again_without_end(shop, hand):
    """A card never gets back the memory of a deleted file, so files are kept where they serve."""
    utility_card.preset(shop, hand, TARIFF, b'{"a": "' + b"x" * 2000 + b'"}')
    hand.sent.clear()
    for kind in (SETTINGS, TARIFF) * 3:
        utility_card.preset(shop, hand, kind, SETTINGS_JSON)
        assert document_on(hand) == SETTINGS_JSON
    assert not any(command[0] == 0xDF for command in hand.sent)


def test_a_written_card_cut_off_at_any_exchange_brings_the_old_document_or_none(shop):
    n = 0
    while True:
        hand = Hand()
        utility_card.preset(shop, hand, SETTINGS, SETTINGS_JSON)
        old = head_on(hand)
        hand.card.pull_after(n)
        try:
            utility_card.preset(shop, hand, TARIFF, b'{"rates": "' + b"7" * 600 + b'"}')
            break  # the cut lies after the last exchange
        except CardGone:
            pass
        # The head is the old one, and the document is too, or does not fit it, or is not there.
        assert head_on(hand) == old
        document = bytes(files(hand)[DOCUMENT].data) if DOCUMENT in files(hand) else b""
        assert old.matches(document[: old.contents_n]) == document.startswith(SETTINGS_JSON)
        written = utility_card.preset(shop, hand, TARIFF, b"{}")
        assert head_on(hand) == written.head
        n += 1
    assert n > 20
