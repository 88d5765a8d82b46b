# SPDX-License-Identifier: Apache-2.0
"""The DESFire model in EV2 sessions: published examples, and what a session of that kind asks of every command."""

import json
from pathlib import Path

import pytest

from host_tests.bench.cards.cards import Terminal as Ev1Terminal
from scripts.chips.desfire import DesfireCard
from scripts.chips.desfire_channel import Ev2Channel
from scripts.chips.desfire_codes import Status
from scripts.chips.desfire_crypto import ZERO, aes_cbc, aes_cmac, card_crc32

EV2 = json.loads((Path(__file__).parents[2] / "vectors" / "desfire.json").read_text())["ev2"]
UID = bytes.fromhex("04958CAA5C5E80")
AID = b"\x01\x02\x03"
PLAIN, MACED, FULL = 0, 1, 3


def hexed(text):
    return bytes.fromhex(text)


def named(case):
    return case["source"].split(": ")[-1].split(", ")[-1]


def blank(keys=5, settings=0x0F):
    card = DesfireCard(UID, ev=2)
    assert card.transceive(b"\xca" + AID + bytes((settings, 0x80 | keys)))[0] == b"\x00"
    assert card.transceive(b"\x5a" + AID)[0] == b"\x00"
    return card


def log_in_as_published(card, case, key_no=0):
    randoms = [hexed(case["ti"]), hexed(case["rnd_b"])]
    card.random_bytes = lambda n: randoms.pop()
    assert card.transceive(bytes((0x71, key_no, 0)))[0] == b"\xaf" + hexed(case["challenge"])
    assert card.transceive(b"\xaf" + hexed(case["token"]))[0] == b"\x00" + hexed(case["proof"])


@pytest.mark.parametrize("case", EV2["logins"], ids=named)
def test_the_published_logins(case):
    card = blank()
    log_in_as_published(card, case)
    assert (card._channel.enc_key, card._channel.key) == (hexed(case["enc_key"]), hexed(case["mac_key"]))
    assert (card._channel.ti, card._channel.counter) == (hexed(case["ti"]), 0)


def test_the_published_second_login_and_key_changes():
    case = EV2["next_login"]
    card = blank()
    log_in_as_published(card, EV2["logins"][1])
    card._channel.counter = case["counter"]
    card.random_bytes = lambda n: hexed(case["rnd_b"])
    assert card.transceive(b"\x77\x00")[0] == b"\xaf" + hexed(case["challenge"])
    assert card.transceive(b"\xaf" + hexed(case["token"]))[0] == b"\x00" + hexed(case["proof"])
    assert (card._channel.enc_key, card._channel.key) == (hexed(case["enc_key"]), hexed(case["mac_key"]))
    for change in case["changes"]:
        answer, _ = card.transceive(bytes((0xC4, change["key_no"])) + hexed(change["wire"]))
        assert answer == hexed(change["answer"])
        assert card.applications[AID].keys[change["key_no"]] == hexed(change["new"])
        assert card.applications[AID].versions[change["key_no"]] == change["version"]
    assert card._channel is None  # its own key was changed


def test_the_published_session_keys():
    case = EV2["session_keys"]
    channel = Ev2Channel.after_login(hexed(case["key"]), hexed(case["rnd_a"]), hexed(case["rnd_b"]), bytes(4), 0)
    assert (channel.enc_key, channel.key) == (hexed(case["enc_key"]), hexed(case["mac_key"]))


@pytest.mark.parametrize("case", EV2["commands"], ids=named)
def test_the_published_commands_and_answers(case):
    channel = Ev2Channel(hexed(case["enc_key"]), hexed(case["mac_key"]), hexed(case["ti"]), case["counter"])
    data, wire, mode = hexed(case["data"]), hexed(case["wire"]), case["mode"]
    assert channel.wire_n(mode, len(data)) == len(wire)
    assert channel.take(hexed(case["head"]), wire, mode, len(data)) == data
    assert channel.give(hexed(case["answer"]), mode) == hexed(case["answer_wire"])


def test_the_published_uid_comes_enciphered():
    case = EV2["commands"][-1]
    card = blank()
    card._key_no, card._channel = 0, Ev2Channel(*(hexed(case[k]) for k in ("enc_key", "mac_key", "ti")))
    assert card.transceive(b"\x51" + hexed(case["wire"]))[0] == b"\x00" + hexed(case["answer_wire"])


# -- a terminal of its own ------------------------------------------------------------------------


class Terminal:
    """Speaks EV2 to a card; the arithmetic is written down here again."""

    def __init__(self, card):
        self.card = card
        card.field_on()
        self.raw(b"\x5a" + AID)

    def raw(self, command):
        answer = self.card.transceive(command)[0]
        while answer[0] == 0xAF and command[0] not in (0x71, 0x77, 0xAA):
            more = self.card.transceive(b"\xaf")[0]
            answer = more[:1] + answer[1:] + more[1:]
        return answer

    def login(self, key_no=0, key=ZERO, first=True, caps=b""):
        sent = self.raw(bytes((0x71, key_no, len(caps))) + caps if first else bytes((0x77, key_no)))
        assert sent[0] == 0xAF, sent.hex()
        rnd_a, rnd_b = bytes(range(16)), aes_cbc(key, ZERO, sent[1:], decrypt=True)
        proof = self.raw(b"\xaf" + aes_cbc(key, ZERO, rnd_a + rnd_b[1:] + rnd_b[:1]))
        plain = aes_cbc(key, ZERO, proof[1:], decrypt=True)
        if first:
            self.ti, self.counter, self.caps = plain[:4], 0, plain[20:]
            plain = plain[4:20]
        assert plain == rnd_a[1:] + rnd_a[:1]
        mixed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
        tail = b"\0\1\0\x80" + rnd_a[:2] + mixed + rnd_b[6:] + rnd_a[8:]
        self.enc, self.mac_key = aes_cmac(key, ZERO, b"\xa5\x5a" + tail), aes_cmac(key, ZERO, b"\x5a\xa5" + tail)
        return self

    def mac(self, code, content):
        counted = bytes((code,)) + self.counter.to_bytes(2, "little") + self.ti + content
        return aes_cmac(self.mac_key, ZERO, counted)[1::2]

    def cbc(self, label, data, decrypt=False):
        iv = aes_cbc(self.enc, ZERO, label + self.ti + self.counter.to_bytes(2, "little") + bytes(8))
        return aes_cbc(self.enc, iv, data, decrypt)

    def ask(self, head, data=b"", mode=MACED):
        """The data of the answer; a number when the card refuses."""
        if mode == FULL and data:
            data += b"\x80" + bytes(-(len(data) + 1) % 16)
            data = self.cbc(b"\xa5\x5a", data)
        command = head + data + (self.mac(head[0], head[1:] + data) if mode else b"")
        while len(command) > 60:
            assert self.card.transceive(command[:60])[0] == b"\xaf"
            command = b"\xaf" + command[60:]
        answer = self.raw(command)
        if answer[0]:
            return answer[0]
        self.counter += 1
        if mode == PLAIN:
            return answer[1:]
        data, mac = answer[1:-8], answer[-8:]
        assert mac == self.mac(0, data)
        if mode == FULL and data:
            data = self.cbc(b"\x5a\xa5", data, decrypt=True).rstrip(b"\0")[:-1]
        return data


def place(number, n, at=0):
    return bytes((number,)) + at.to_bytes(3, "little") + n.to_bytes(3, "little")


@pytest.fixture
def t():
    """Logged in with key 0 on a card with a backup file in each mode, 1, 2, 3, and a MACed record file, 4."""
    t = Terminal(blank()).login()
    for number, mode in ((1, PLAIN), (2, MACED), (3, FULL)):
        assert t.ask(bytes((0xCB, number, mode, 0x00, 0x00)) + (100).to_bytes(3, "little")) == b""
    assert t.ask(b"\xc1\x04\x01\x00\x00\x20\x00\x00\x03\x00\x00") == b""
    return t


@pytest.mark.parametrize(("number", "mode"), [(1, PLAIN), (2, MACED), (3, FULL)])
def test_each_file_is_spoken_to_in_its_own_mode(t, number, mode):
    data = bytes(range(1, 81))
    assert t.ask(b"\x3d" + place(number, 80), data, mode) == b""
    assert t.ask(b"\xc7") == b""
    assert t.ask(b"\xbd" + place(number, 80), mode=mode) == data
    assert t.ask(b"\xbd" + place(number, 0, 64), mode=mode)[:16] == data[64:]


@pytest.mark.parametrize(("number", "mode"), [(1, MACED), (2, PLAIN), (2, FULL), (3, MACED)])
def test_another_mode_than_the_file_s_is_refused(t, number, mode):
    answer = t.card.transceive(b"\x3d" + place(number, 4) + bytes((4, 12, 0, 24)[mode]))[0]
    assert answer in (b"\x1e", b"\x7e", b"\xaf")
    assert t.card._pending == {}


def test_a_plain_answer_carries_no_mac_but_counts(t):
    before = t.card._channel.counter
    assert t.card.transceive(b"\xbd" + place(1, 4))[0] == bytes(5)
    assert t.card._channel.counter == before + 1


def test_a_plain_command_slipped_in_is_noticed_at_the_next_mac(t):
    t.card.transceive(b"\x3d" + place(1, 1) + b"\x07")
    assert t.ask(b"\xc7") == 0x1E
    assert Terminal(t.card).login().ask(b"\xbd" + place(1, 1), mode=PLAIN) == b"\0"


def test_records_are_written_and_read_with_macs(t):
    for n in range(3):
        assert t.ask(b"\x3b" + place(4, 32), bytes([n + 1]) * 32) == b""
        assert t.ask(b"\xc7\x00") == b""
    assert t.ask(b"\xbb" + place(4, 0)) == b"\1" * 32 + b"\2" * 32 + b"\3" * 32
    assert t.ask(b"\xf5\x04") == bytes.fromhex("03 01 0000 200000 030000 030000")
    assert t.ask(b"\xeb\x04") == b""
    assert t.ask(b"\xc7") == b""
    assert t.ask(b"\xbb" + place(4, 0)) == 0xBE


def test_commands_without_or_with_a_wrong_mac_are_refused_and_end_the_session(t):
    assert t.card.transceive(b"\x6f")[0] == b"\x7e"
    t.login()
    assert t.card.transceive(b"\x6f" + bytes(8))[0] == b"\x1e"
    assert t.card.transceive(b"\x6f" + bytes(8))[0] == b"\x7e"  # nobody is logged in: no MAC is expected


@pytest.mark.parametrize("bit", range(0, 256, 17))
def test_an_enciphered_write_changed_on_its_way_is_refused(t, bit):
    head, data = b"\x3d" + place(3, 10), b"0123456789\x80\0\0\0\0\0"
    cipher = t.cbc(b"\xa5\x5a", data)
    wire = bytearray(cipher + t.mac(0x3D, head[1:] + cipher))
    wire[bit // 8 % len(wire)] ^= 1 << bit % 8
    assert t.card.transceive(head + wire)[0] == b"\x1e"


@pytest.mark.parametrize("padded", [b"0123456789\0\0\0\0\0\0", b"0123456789\x80\0\0\0\0\1", bytes(16)])
def test_a_wrong_padding_is_refused_though_the_mac_is_right(t, padded):
    cipher = t.cbc(b"\xa5\x5a", padded)
    head = b"\x3d" + place(3, 10)
    assert t.card.transceive(head + cipher + t.mac(0x3D, head[1:] + cipher))[0] == b"\x1e"


def test_a_command_heard_before_is_refused(t):
    command = b"\x3d" + place(2, 1) + b"\x05"
    command += t.mac(0x3D, command[1:])
    assert t.card.transceive(command)[0][0] == 0
    assert t.card.transceive(command)[0] == b"\x1e"


def test_the_last_counter_is_never_used(t):
    t.card._channel.counter = t.counter = 0xFFFE
    assert t.ask(b"\x6f") == b"\1\2\3\4"
    assert t.ask(b"\x6f") == 0x1E


def test_a_further_login_goes_on_with_transaction_and_counter(t):
    ti, counter = t.ti, t.counter
    t.ask(b"\x3d" + place(2, 1), b"\x09")
    t.login(1, first=False)
    assert (t.card._channel.ti, t.card._channel.counter) == (ti, counter + 1)
    assert t.ask(b"\xc7") == b""
    assert t.ask(b"\xbd" + place(2, 1)) == 0xAE  # key 1 has no right


def test_a_further_login_needs_one_before(t):
    fresh = Terminal(t.card)
    assert fresh.raw(b"\x77\x00") == b"\xae"


def test_capabilities_come_back_and_those_for_lrp_are_refused(t):
    t.login(caps=b"\x00\x01\x02")
    assert t.caps == bytes(6) + b"\x00\x01\x02\x00\x00\x00"
    assert t.raw(b"\x71\x00\x01\x02") == b"\x9d"
    assert t.raw(b"\x71\x00\x02\x00") == b"\x7e"


def test_another_key_is_changed_with_its_checksum_and_answered_with_a_mac(t):
    new = bytes(range(16))
    assert t.ask(b"\xc4\x02", new + b"\x03" + card_crc32(new), FULL) == b""
    assert t.ask(b"\x64\x02") == b"\x03"
    assert t.ask(b"\xc4\x02", new + b"\x04" + card_crc32(new), FULL) == 0x1E  # not combined with the old key
    assert Terminal(t.card).login(2, new).ask(b"\xbd" + place(2, 1)) == 0xAE


def test_a_wrong_key_is_refused(t):
    fresh = Terminal(t.card)
    fresh.raw(b"\x71\x01\x00")
    assert fresh.raw(b"\xaf" + bytes(32)) == b"\xae"
    assert fresh.raw(b"\x71\x09\x00") == b"\x40"


def test_an_ev1_card_does_not_know_these_logins():
    card = DesfireCard(UID)
    card.transceive(b"\xca" + AID + b"\x0f\x81")
    card.transceive(b"\x5a" + AID)
    assert card.transceive(b"\x71\x00\x00")[0] == b"\x1c"
    assert card.transceive(b"\x77\x00")[0] == b"\x1c"


def test_an_ev1_login_on_an_ev2_card_stays_ev1():
    ev1 = Ev1Terminal(blank())
    ev1.select(AID)
    ev1.login(0, ZERO)
    ev1.ask(b"\xcb\x01\x01\x00\x00\x10\x00\x00")
    ev1.write(1, 0, b"abc")
    ev1.commit()
    assert ev1.read(1, 0, 3) == b"abc"
    assert ev1.card.transceive(b"\x77\x00")[0] == b"\xae"


def test_a_channel_wants_the_right_number_of_bytes():
    with pytest.raises(Status):
        Ev2Channel(ZERO, ZERO, bytes(4)).take(b"\x6f", b"", MACED, 0)
