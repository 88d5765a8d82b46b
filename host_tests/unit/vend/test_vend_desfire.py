# SPDX-License-Identifier: Apache-2.0
"""The vending terminal speaks DESFire as published examples do, and believes nothing a card did not prove."""

import json
from pathlib import Path

import pytest

from host_tests.stands.vend import UID, Hand
from scripts.chips.desfire import DesfireCard
from scripts.supplier import crypto
from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import CardError, CardGone, CardStatus, CardUntrusted
from scripts.vend.desfire import BACKUP, LINEAR, MACED, STANDARD, Desfire, FileSpec, Session

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "desfire.json").read_text())
LOGINS = VECTORS["logins"]
AID = b"\x01\x02\x03"


def hexed(text):
    return bytes.fromhex(text)


def named(case):
    return case["source"].split(":")[-1].split(",")[-1].strip()


class Script:
    """A carrier that expects these commands and gives these answers."""

    uid = UID
    frame_n = 60

    def __init__(self, *turns):
        self.turns = list(turns)

    def exchange(self, command):
        expected, answer = self.turns.pop(0)
        assert command == expected
        return answer

    def close(self):
        pass


def login_turns(case):
    return (
        (bytes((0xAA, case["key_no"])), b"\xaf" + hexed(case["challenge"])),
        (b"\xaf" + hexed(case["token"]), b"\x00" + hexed(case["proof"])),
    )


def in_session(script, key, key_no=0):
    card = Desfire(script)
    card.session = Session(key, key_no)
    return card


@pytest.mark.parametrize(("n", "mac"), VECTORS["cmac"]["macs"].items())
def test_the_cmac_is_that_of_rfc_4493(n, mac):
    v = VECTORS["cmac"]
    assert crypto.cmac(hexed(v["key"]), hexed(v["message"])[: int(n)]) == hexed(mac)


def test_the_subkeys_are_those_of_rfc_4493():
    v = VECTORS["cmac"]
    assert crypto.cmac_subkeys(hexed(v["key"])) == (hexed(v["k1"]), hexed(v["k2"]))


def test_diversification_is_that_of_an10922():
    v = VECTORS["diversification"]
    assert crypto.cmac_div(hexed(v["key"]), hexed(v["uid"] + v["aid"] + v["system"])) == hexed(v["diversified"])


@pytest.mark.parametrize("case", [c for c in LOGINS if "proof" in c], ids=named)
def test_login_is_the_published_exchange(case):
    card = Desfire(Script(*login_turns(case)), lambda n: hexed(case["rnd_a"]))
    card.login(case["key_no"], hexed(case["key"]))
    assert card.session is not None and card.session.key == hexed(case["session"])


def test_the_mac_chain_carries_through_the_published_session():
    commands = VECTORS["session"]["commands"]
    turns = [(hexed(c["command"]), b"\x00" + hexed(c["data"] + c["mac"])) for c in commands]
    card = in_session(Script(*turns), hexed(VECTORS["session"]["session"]))
    assert [card.ask(hexed(c["command"])) for c in commands] == [hexed(c["data"]) for c in commands]


def test_files_are_created_written_and_read_as_in_the_published_session():
    commands = VECTORS["session"]["commands"]
    turns = [(hexed(c["command"]), b"\x00" + hexed(c["data"] + c["mac"])) for c in commands]
    card = in_session(Script(*turns), hexed(VECTORS["session"]["session"]))
    card.create_file(FileSpec(5, STANDARD, 0, (0, 0, 1, 1), 80))
    assert card.file_ids() == {5}
    card.ask(b"\xf5\x05")
    card.write(5, 0, bytes(range(0x34)), comm=0)
    card.write(5, 0x34, bytes(range(0x34, 0x50)), comm=0)
    assert card.read(5, 0, 0x30) + card.read(5, 0x30, 0x20) == bytes(range(0x50))
    card.delete_file(5)


@pytest.mark.parametrize("case", VECTORS["first_macs"], ids=named)
def test_the_first_mac_seen_on_a_card_is_accepted(case):
    script = Script((hexed(case["command"]), b"\x00" + hexed(case["data"] + case["mac"])))
    assert in_session(script, hexed(case["session"])).ask(hexed(case["command"])) == hexed(case["data"])


@pytest.mark.parametrize("case", VECTORS["change_keys"], ids=lambda c: c["new"])
def test_a_key_is_changed_as_published(case):
    head = b"\xc4" + bytes((case["key_no"],))
    script = Script((head + hexed(case["cipher"]), b"\x00" + hexed(case.get("mac", ""))))
    card = in_session(script, hexed(case["session"]), 0)
    card.change_key(case["key_no"], hexed(case["new"]), hexed(case["old"]), case["version"])
    assert (card.session is None) == case["own"]


# -- what is not believed -------------------------------------------------------------------------


def test_an_answer_with_one_wrong_bit_ends_the_session():
    case = VECTORS["first_macs"][0]
    answer = bytearray(b"\x00" + hexed(case["data"] + case["mac"]))
    answer[1] ^= 1
    card = in_session(Script((hexed(case["command"]), bytes(answer))), hexed(case["session"]))
    with pytest.raises(CardUntrusted, match="changed on its way"):
        card.ask(hexed(case["command"]))
    assert card.session is None


@pytest.mark.parametrize("answer", [b"\x00", b"\x00\x10", b"\x00" + bytes(7)])
def test_an_answer_without_its_mac_is_refused(answer):
    card = in_session(Script((b"\x64\x00", answer)), bytes(16))
    with pytest.raises(CardUntrusted):
        card.ask(b"\x64\x00")


def test_a_card_that_cannot_prove_the_key_is_refused():
    case = LOGINS[0]
    turns = login_turns({**case, "proof": "00" * 16})
    card = Desfire(Script(*turns), lambda n: hexed(case["rnd_a"]))
    with pytest.raises(CardUntrusted, match="does not know key 0"):
        card.login(0, hexed(case["key"]))
    assert card.session is None


def test_a_wrong_key_of_ours_is_told_in_words():
    card = blank()
    with pytest.raises(CardUntrusted, match="not the one this key file has"):
        card.login(1, b"\x01" * 16)


def test_a_refusal_says_why():
    with pytest.raises(CardStatus, match="no such application") as e:
        Desfire(Hand()).select(AID)
    assert e.value.status == 0xA0


def test_an_empty_answer_is_an_error():
    with pytest.raises(CardError, match="empty"):
        Desfire(Script((b"\x5a\x01\x02\x03", b""))).select(AID)


def test_a_card_that_leaves_is_told_apart_from_one_that_refuses():
    hand = Hand()
    hand.card.pull_after(0)
    with pytest.raises(CardGone):
        Desfire(hand).select(AID)


# -- against the card model -----------------------------------------------------------------------


def blank(settings=0x4F):
    """An application of five zero keys, entered."""
    card = Desfire(Hand())
    card.create_application(AID, settings, 5)
    card.select(AID)
    return card


@pytest.mark.parametrize("n", [1, 44, 45, 46, 52, 53, 480, 1000])
@pytest.mark.parametrize("frame_n", [60, 56])
def test_long_data_goes_out_and_comes_back_in_frames(n, frame_n):
    hand = Hand()
    hand.frame_n = frame_n
    card = Desfire(hand)
    card.create_application(AID, 0x4F, 5)
    card.select(AID)
    card.login(0, ZERO)
    card.create_file(FileSpec(1, BACKUP, MACED, (0, 0, 0, 0), 1000))
    data = bytes(i * 7 & 255 for i in range(n))
    card.write(1, 1000 - n, data)
    card.commit()
    assert card.read(1, 1000 - n, n) == data
    assert max(map(len, hand.sent)) <= frame_n


def test_written_data_is_not_there_before_the_commit_and_not_after_an_abort():
    card = blank()
    card.login(0, ZERO)
    card.create_file(FileSpec(1, BACKUP, MACED, (0, 0, 0, 0), 4))
    card.write(1, 0, b"news")
    card.abort()
    assert card.read(1, 0, 4) == bytes(4)
    card.write(1, 0, b"news")
    card.commit()
    assert card.read(1, 0, 4) == b"news"


def test_records_come_back_oldest_first_and_can_be_cleared():
    card = blank()
    card.login(0, ZERO)
    card.create_file(FileSpec(3, LINEAR, MACED, (0, 0, 0, 0), 32, 5))
    records = [bytes((i,)) * 32 for i in range(1, 5)]
    for record in records:
        card.write_record(3, record)
        card.commit()
    assert card.read_records(3, 32) == records
    card.clear_records(3)
    card.commit()
    assert card.read_records(3, 32) == []


def test_a_changed_key_opens_and_carries_its_version():
    card = blank()
    card.login(4, ZERO)
    card.change_key(2, b"k" * 16, ZERO, 7)
    card.login(2, b"k" * 16)
    assert card.key_version(2) == 7


def test_get_version_names_chip_and_card():
    card = Desfire(Hand(DesfireCard(UID, ev=2, memory=4096)))
    told = card.version()
    assert (told.uid, told.major, told.storage) == (UID, 2, 0x18)


def test_every_login_uses_fresh_random_bytes():
    asked = []
    hand = Hand()
    card = Desfire(hand, lambda n: asked.append(n) or bytes(n))
    card.create_application(AID, 0x4F, 5)
    card.select(AID)
    card.login(0, ZERO)
    card.login(1, ZERO)
    assert asked == [16, 16]


class Endless:
    """A card that answers everything with more to come."""

    uid = bytes(7)
    frame_n = 60

    def __init__(self, frame):
        self.frame, self.n = frame, 0

    def exchange(self, command):
        self.n += 1
        return self.frame

    def close(self):
        pass


@pytest.mark.parametrize(("frame", "most"), [(b"\xaf", 1), (b"\xaf" + bytes(59), 1200), (b"\xafx", 1200)])
def test_a_card_that_says_more_for_ever_is_ended(frame, most):
    card = Endless(frame)
    with pytest.raises(CardError, match="does not end"):
        Desfire(card).version()
    assert card.n == most


def test_a_key_version_of_no_bytes_is_an_error_in_words():
    with pytest.raises(CardError, match="no DESFire"):
        Desfire(Endless(b"\x00")).key_version(0)
