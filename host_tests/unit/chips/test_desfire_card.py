# SPDX-License-Identifier: Apache-2.0
"""The DESFire model keeps the card's rules: rights, MACs, backup files, sessions, tearing."""

import pytest

from host_tests.bench.cards import cards
from host_tests.bench.cards.cards import AID, IDENTITY, LABEL, PURCHASE, WRITEBACK
from host_tests.bench.cards.deck import Deck
from host_tests.stands.card import refused
from scripts.chips.desfire import DesfireCard
from scripts.chips.desfire_crypto import ZERO, aes_cmac
from scripts.supplier.errors import CardUntrusted, FormatError
from scripts.supplier.formats import WriteBack
from scripts.supplier.keys import CHANGE, MASTER, METER, READER, VENDING
from scripts.vend.desfire import PLAIN

UID = bytes.fromhex("04112233445566")
NUMBER = "00012345"


@pytest.fixture
def card():
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER)
    return card


def key(role, uid=UID, number=NUMBER):
    return cards.DEMO.user_card_key(1, role, uid, number)


def logged_in(card, role):
    t = cards.Terminal(card)
    t.select(AID)
    t.login(role, key(role))
    return t


def place(file_no, n=4):
    return bytes((file_no, 0, 0, 0, n, 0, 0))


@pytest.mark.parametrize("role", range(5))
def test_every_role_has_its_own_key(card, role):
    logged_in(card, role)
    for other in set(range(5)) - {role}:
        t = cards.Terminal(card)
        t.select(AID)
        with pytest.raises(CardUntrusted):
            t.login(role, key(other))


def test_two_cards_of_a_meter_and_two_meters_of_a_card_have_different_keys():
    keys = {key(METER, uid, number) for uid in (UID, UID[::-1]) for number in (NUMBER, "00012346")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("file_no", "role", "readable", "writable"),
    [
        (IDENTITY, METER, True, False), (IDENTITY, VENDING, True, True), (IDENTITY, READER, False, False),
        (PURCHASE, METER, True, False), (PURCHASE, VENDING, True, True), (PURCHASE, READER, False, False),
        (WRITEBACK, METER, True, True), (WRITEBACK, VENDING, True, False), (WRITEBACK, READER, False, False),
        (PURCHASE, MASTER, False, False), (PURCHASE, CHANGE, False, False),
    ],
)  # fmt: skip
def test_each_file_opens_to_its_roles_only(card, file_no, role, readable, writable):
    t = logged_in(card, role)
    if readable:
        assert len(t.read(file_no, 0, 4)) == 4
    else:
        with refused(0xAE):
            t.read(file_no, 0, 4)
    t = logged_in(card, role)
    if writable:
        t.write(file_no, 0, b"\1\2\3\4")
    else:
        with refused(0xAE):
            t.write(file_no, 0, b"\1\2\3\4")


def test_the_label_is_free_to_read_and_to_write_for_vending_only(card):
    t = cards.Terminal(card)
    t.select(AID)
    assert NUMBER.encode() in t.read(LABEL, 0, 17)
    with refused(0xAE):
        t.write(LABEL, 0, b"\0", PLAIN)


def test_a_write_without_or_with_a_wrong_mac_changes_nothing_and_ends_the_session(card):
    before = card.snapshot()
    t = logged_in(card, METER)
    command = b"\x3d" + place(WRITEBACK) + b"\1\2\3\4"
    answer, _ = card.transceive(command)
    assert answer == b"\xaf"  # still waits for eight bytes
    t = logged_in(card, METER)
    assert card.transceive(command + bytes(8))[0] == b"\x1e"
    with refused(0xAE):
        t.read(WRITEBACK, 0, 4)
    assert card.snapshot() == before


def test_written_data_is_not_seen_before_commit_and_gone_without_it(card):
    t = logged_in(card, METER)
    t.write(WRITEBACK, 0, b"\1\2\3\4")
    assert t.read(WRITEBACK, 0, 4) == bytes(4)
    t = logged_in(card, METER)
    assert t.read(WRITEBACK, 0, 4) == bytes(4)
    t.write(WRITEBACK, 0, b"\1\2\3\4")
    t.commit()
    assert t.read(WRITEBACK, 0, 4) == b"\1\2\3\4"


def test_a_commit_takes_all_files_at_once(card):
    t = logged_in(card, VENDING)
    t.write(IDENTITY, 0, b"\7")
    t.write(PURCHASE, 0, b"\7")
    t.commit()
    assert t.read(IDENTITY, 0, 1) == t.read(PURCHASE, 0, 1) == b"\7"


def test_commit_and_abort_with_nothing_written_say_so(card):
    with refused(0x0C):
        logged_in(card, METER).commit()
    with refused(0x0C):
        logged_in(card, METER).ask(b"\xa7")


def test_abort_drops_what_was_written(card):
    t = logged_in(card, METER)
    t.write(WRITEBACK, 0, b"\1")
    t.ask(b"\xa7")
    with refused(0x0C):
        t.commit()


@pytest.mark.parametrize("forget", ["select", "field", "error", "login"])
def test_a_session_ends_with(card, forget):
    t = logged_in(card, METER)
    if forget == "select":
        card.transceive(b"\x5a" + AID)
    elif forget == "field":
        card.field_off()
        card.transceive(b"\x5a" + AID)
    elif forget == "error":
        card.transceive(b"\xbd" + place(9))
    else:
        card.transceive(b"\xaa\x01")
        card.transceive(b"\xaf" + bytes(32))
    assert card.transceive(b"\xbd" + place(WRITEBACK))[0] == b"\xae"
    t.close()


def test_answers_carry_the_mac_chain(card):
    t = logged_in(card, METER)
    command = b"\xbd" + place(PURCHASE)
    iv = aes_cmac(t.session.key, ZERO, command)
    answer, _ = card.transceive(command)
    assert answer[-8:] == aes_cmac(t.session.key, iv, answer[1:5] + b"\0")[:8]


def test_long_reads_and_writes_go_in_chained_frames(card):
    t = logged_in(card, METER)
    data = bytes(range(cards.SIZES[WRITEBACK]))
    t.write(WRITEBACK, 0, data)
    t.commit()
    before = card.exchanges
    assert t.read(WRITEBACK, 0, len(data)) == data
    assert card.exchanges - before == -(-(len(data) + 8) // 59)
    assert t.ask(b"\xbd" + place(WRITEBACK, 0)) == data


def test_a_command_inside_a_chain_is_refused(card):
    logged_in(card, METER)
    assert card.transceive(b"\xbd" + place(WRITEBACK, 128))[0][0] == 0xAF
    assert card.transceive(b"\xc7")[0] == b"\xca"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"", 0x7E), (b"\x5a\x01", 0x7E), (b"\x5a\x09\x09\x09", 0xA0), (b"\x99", 0x1C), (b"\xaf", 0x1C),
        (b"\xaa\x05", 0x40), (b"\xbd" + place(9), 0xF0), (b"\x3d\x03", 0x7E),
        (b"\xbd" + place(WRITEBACK), 0xAE),
        (bytes(61), 0x7E), (b"\xca" + AID + b"\x0f\x82", 0x9D), (b"\xc4\x01" + bytes(32), 0xAE),
    ],
    ids=lambda x: x.hex() if isinstance(x, bytes) else None,
)  # fmt: skip
def test_status_codes(card, command, status):
    card.transceive(b"\x5a" + AID)
    assert card.transceive(command)[0] == bytes((status,))


def test_reading_and_writing_past_the_end_is_refused(card):
    with refused(0xBE):
        logged_in(card, METER).read(PURCHASE, 0, cards.SIZES[PURCHASE] + 1)
    with refused(0xBE):
        logged_in(card, METER).write(WRITEBACK, cards.SIZES[WRITEBACK] - 1, b"\1\2")


def test_an_application_exists_once_and_files_need_the_master_key(card):
    t = cards.Terminal(card)
    with refused(0xDE):
        t.ask(b"\xca" + AID + b"\x49\x85")
    with refused(0xAE):
        logged_in(card, VENDING).ask(b"\xcd\x07\x00\xee\xee\x10\x00\x00")


def test_a_blank_card_knows_no_application_and_no_aes_key():
    blank = DesfireCard(UID)
    assert blank.transceive(b"\x5a" + AID)[0] == b"\xa0"
    assert blank.transceive(b"\xaa\x00")[0] == b"\xae"


def test_pulled_before_a_command_it_is_not_carried_out(card):
    t = logged_in(card, METER)
    t.write(WRITEBACK, 0, b"\1")
    card.pull_after(0)
    assert card.transceive(b"\xc7")[0] is None
    assert logged_in(card, METER).read(WRITEBACK, 0, 1) == b"\0"


def test_pulled_before_the_answer_it_has_been_carried_out(card):
    t = logged_in(card, METER)
    t.write(WRITEBACK, 0, b"\1")
    card.pull_after(0, heard=True)
    assert card.transceive(b"\xc7")[0] is None
    assert logged_in(card, METER).read(WRITEBACK, 0, 1) == b"\1"


def test_a_pull_can_be_called_off(card):
    card.pull_after(1)
    card.pull_after(None)
    for _ in range(3):
        assert card.transceive(b"\x5a" + AID)[0] == b"\0"


def test_an_image_brings_the_old_contents_back_with_all_its_keys(card):
    image = card.snapshot()
    cards.sell(card, 1_000_000)
    card.restore(image)
    assert cards.sell(card, 1_000_000) == 1


# -- the card shop --------------------------------------------------------------------------------


def write_back(card, purchases):
    """What a meter would do after it has booked this many."""
    t = logged_in(card, METER)
    t.write(WRITEBACK, 0, WriteBack(purchase_count=purchases).pack())
    t.commit()
    t.close()


def test_the_shop_sells_again_only_when_the_last_purchase_has_come_back_booked(card):
    assert cards.sell(card, 20_000_000) == 1
    with pytest.raises(ValueError, match="purchase 1 has not been"):
        cards.sell(card, 20_000_000)
    write_back(card, 1)
    assert cards.sell(card, 20_000_000) == 2


def test_the_shop_reads_nothing_back_from_a_new_card_and_refuses_damage(card):
    assert cards.read_back(card) is None
    t = logged_in(card, METER)
    t.write(WRITEBACK, 5, b"\1")
    t.commit()
    with pytest.raises(FormatError, match="damaged"):
        cards.read_back(card)


@pytest.mark.parametrize("amount", [0, -1])
def test_the_shop_sells_no_amount_that_is_not_positive(card, amount):
    with pytest.raises(ValueError, match="more than nothing"):
        cards.sell(card, amount)


def test_the_deck_offers_the_promised_cards():
    deck = Deck(NUMBER)
    ids = [entry.id for entry in deck.cards]
    household = ["good", "empty", "foreign", "replayed", "malformed", "blank", "classic"]
    assert ids == [*household, "tariff", "relay", "inspector"]
    assert all(entry.label and entry.text.endswith(".") for entry in deck.cards)
    with pytest.raises(KeyError):
        deck.take("none")
