# SPDX-License-Identifier: Apache-2.0
"""Several cards in the reader's field, and the other kinds of cards people hold to it."""

import pytest

from host_tests.stands.card import Slot
from host_tests.unit.chips.test_pn532_model import FEW_TRIES, FIELD_OFF, LIST, NO_CARD, Host
from scripts.chips.desfire import DesfireCard
from scripts.chips.mifare_classic import ClassicCard
from scripts.chips.ntag import NtagCard

UID = bytes.fromhex("04112233445566")
OTHER = bytes.fromhex("04112233445567")  # differs in the lowest bit of the last byte: this one has the 1
LIST_TWO = bytes.fromhex("0000FF04FCD44A0200E000")


def select(target):
    body = bytes((0xD4, 0x40, target)) + b"\x5a\0\0\0"
    return b"\x00\x00\xff" + bytes((len(body), -len(body) & 255)) + body + bytes((-sum(body) & 255, 0))


@pytest.fixture
def host():
    host = Host().wake()
    host.ask(FEW_TRIES, 9)
    return host


def put(host, *found):
    chip = host.chip
    for card, place in zip(found, (chip.insert, chip.insert_second), strict=False):
        place(card, host.clock.now_us)


def listed(host, command=LIST):
    """The UIDs in the answer, in its order."""
    answer = host.ask(command, 60, 60_000)[7:]
    count, answer = answer[0], answer[1:]
    uids = []
    for n in range(count):
        assert answer[0] == n + 1
        uid_n = answer[4]
        uids.append(answer[5 : 5 + uid_n])
        answer = answer[5 + uid_n + (6 if answer[3] == 0x20 else 0) :]
    return uids


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_cards_anticollision_takes_the_one_with_a_1_where_they_differ(host, turned):
    pair = [DesfireCard(UID), DesfireCard(OTHER)]
    put(host, *(reversed(pair) if turned else pair))
    assert listed(host) == [OTHER]


@pytest.mark.parametrize(
    ("one", "other", "taken"),
    [
        ("04000000000000", "04000000000080", 1),
        ("04010000000000", "04800000000000", 0),
        ("88000000"[2:] + "01", "04000000000000", 1),  # 00... against 88..., the cascade tag
        ("01020304", "02020304", 0),
    ],
)
def test_bits_go_over_the_air_the_lowest_first(host, one, other, taken):
    uids = [bytes.fromhex(one), bytes.fromhex(other)]
    put(host, *(ClassicCard(uid) if len(uid) == 4 else NtagCard(uid) for uid in uids))
    assert listed(host) == [uids[taken]]


def test_asked_for_two_the_chip_reports_both_and_each_can_be_spoken_to(host):
    good, other = DesfireCard(UID), DesfireCard(OTHER)
    put(host, good, other)
    assert listed(host, LIST_TWO) == [OTHER, UID]
    assert host.ask(select(1), 10)[5:8] == b"\xd5\x41\x00"
    assert (good.exchanges, other.exchanges) == (0, 1)
    host.ask(select(2), 10)
    assert (good.exchanges, other.exchanges) == (1, 1)


def test_asked_for_two_one_card_is_reported_at_once(host):
    put(host, DesfireCard(UID))
    assert listed(host, LIST_TWO) == [UID]


def test_the_other_card_is_found_by_the_next_look_and_both_again_after_the_field_was_off(host):
    put(host, DesfireCard(UID), DesfireCard(OTHER))
    assert listed(host) == [OTHER]
    assert listed(host) == [UID]
    assert host.ask(LIST, 10, 60_000) == NO_CARD
    host.ask(FIELD_OFF, 9)
    assert listed(host) == [OTHER]


def test_a_second_card_taken_out_is_gone_and_the_first_stays(host):
    put(host, DesfireCard(UID), DesfireCard(OTHER))
    assert listed(host, LIST_TWO) == [OTHER, UID]
    host.chip.remove_second(host.clock.now_us)
    assert host.ask(select(1), 10, 300_000)[5:8] == b"\xd5\x41\x01"
    assert host.ask(select(2), 10, 300_000)[5:8] == b"\xd5\x41\x00"
    assert host.chip.card.uid == UID


def test_the_first_taken_out_leaves_the_second(host):
    put(host, DesfireCard(UID), DesfireCard(OTHER))
    host.chip.remove(host.clock.now_us)
    host.chip.remove(host.clock.now_us)
    assert listed(host) == [OTHER]


@pytest.mark.parametrize("second", [False, True])
def test_each_card_can_be_pulled(host, second):
    pair = DesfireCard(UID), DesfireCard(OTHER)
    put(host, *pair)
    listed(host, LIST_TWO)
    pair[second].pull_after(0)
    assert host.ask(select(1 if second else 2), 10, 300_000)[5:8] == b"\xd5\x41\x01"
    assert (host.chip.card is None, host.chip.second is None) == (not second, second)


def test_only_two_fit_and_no_card_twice(host):
    card = DesfireCard(UID)
    put(host, card, DesfireCard(OTHER))
    with pytest.raises(ValueError, match="second card"):
        host.chip.insert_second(ClassicCard(b"\1\2\3\4"), host.clock.now_us)
    host.chip.remove_second(host.clock.now_us)
    with pytest.raises(ValueError, match="second card"):
        host.chip.insert_second(card, host.clock.now_us)


def test_a_copy_with_the_same_uid_answers_at_the_same_time(host):
    card, copy = DesfireCard(UID), DesfireCard(UID, seed=2)
    for each in (card, copy):
        each.transceive(b"\xca\1\2\3\x0f\x81")
    put(host, card, copy)
    assert listed(host, LIST_TWO) == [UID]
    body = b"\xd4\x40\x01\x5a\x01\x02\x03"
    enter = b"\x00\x00\xff\x07\xf9" + body + bytes((-sum(body) & 255, 0))
    assert host.ask(enter, 10)[5:9] == b"\xd5\x41\x00\x00"  # the same answer of both
    body = b"\xd4\x40\x01\xaa\x00"
    login = b"\x00\x00\xff\x05\xfb" + body + bytes((-sum(body) & 255, 0))
    assert host.ask(login, 10)[5:8] == b"\xd5\x41\x02"  # two challenges: noise
    host.chip.remove_second(host.clock.now_us)
    assert host.ask(select(1), 10)[5:8] == b"\xd5\x41\x00"


def test_releasing_one_target_keeps_the_other(host):
    put(host, DesfireCard(UID), DesfireCard(OTHER))
    listed(host, LIST_TWO)
    host.ask(bytes.fromhex("0000FF03FDD45201D900"), 10)
    assert host.ask(select(1), 10)[5:8] == b"\xd5\x41\x27"
    assert host.ask(select(2), 10)[5:8] == b"\xd5\x41\x00"


def test_a_second_card_is_seen_while_the_chip_looks(host):
    host.ask(bytes.fromhex("0000FF06FAD43205FF01FFF600"), 9)
    host.write(LIST)
    host.pause()
    host.read(6)
    host.chip.insert_second(DesfireCard(OTHER), host.clock.now_us)
    host.pause(30_000)
    assert host.read(28)[13:21] == b"\x07" + OTHER


# -- the driver, as it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "sak"), [(NtagCard(UID), 0x00), (ClassicCard(b"\1\2\3\4"), 0x08), (DesfireCard(UID, ev=2), 0x20)]
)
def test_the_driver_finds_every_kind_of_card(card, sak):
    slot = Slot()
    slot.run(slot.reader.start())
    slot.insert(card)
    assert slot.run(slot.reader.wait_card(5_000)) == (card.uid, sak, 1)


def test_the_driver_finds_one_of_two_cards_the_same_each_time():
    slot = Slot()
    slot.run(slot.reader.start())
    slot.insert(DesfireCard(UID))
    slot.chip.insert_second(DesfireCard(OTHER), slot.vt.now_us)
    assert [slot.run(slot.reader.look()) for _ in range(3)] == [(OTHER, 0x20, 1)] * 3


# -- NTAG -----------------------------------------------------------------------------------------


@pytest.fixture
def tag():
    return NtagCard(UID)


def page(n, data=None):
    return bytes((0x30, n)) if data is None else bytes((0xA2, n)) + data


def test_the_first_pages_hold_uid_check_bytes_and_capabilities(tag):
    first = tag.transceive(page(0))[0]
    assert first[:3] + first[4:8] == UID
    assert first[3] == 0x88 ^ UID[0] ^ UID[1] ^ UID[2]
    assert first[8] == UID[3] ^ UID[4] ^ UID[5] ^ UID[6]
    assert first[12:] == bytes.fromhex("E1101200")


def test_user_pages_are_written_and_read_and_reading_rolls_over(tag):
    assert tag.transceive(page(39, b"abcd"))[0] == b""
    assert tag.transceive(page(39))[0][:4] == b"abcd"
    assert tag.transceive(page(44))[0][4:] == tag.transceive(page(0))[0][:12]


@pytest.mark.parametrize(
    "command", [page(45), page(0, b"abcd"), page(40, b"abcd"), page(4, b"abc"), b"\x60", b"\x5a\0\0\0", b"", b"\x30"]
)
def test_what_the_tag_refuses_leaves_it_mute_until_the_field_was_off(tag, command):
    assert tag.transceive(command) == (None, 0)
    assert tag.transceive(page(4)) == (None, 0)
    tag.field_off()
    tag.field_on()
    assert tag.transceive(page(4))[0] == bytes(16)


def test_locks_and_one_time_bits_are_only_ever_set(tag):
    tag.transceive(page(3, b"\0\0\0\1"))
    assert tag.transceive(page(3))[0][:4] == bytes.fromhex("E1101201")
    tag.transceive(page(2, b"\xff\xff\x10\x00"))
    assert tag.transceive(page(0))[0][8] == UID[3] ^ UID[4] ^ UID[5] ^ UID[6]
    assert tag.transceive(page(4, b"abcd")) == (None, 0)


def test_a_tag_has_seven_bytes_of_uid():
    with pytest.raises(ValueError, match="7 bytes"):
        NtagCard(b"\1\2\3\4")
