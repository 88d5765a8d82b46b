# SPDX-License-Identifier: Apache-2.0
"""The DESFire model's record and enciphered files, its description of itself, and the card as a dict."""

import copy
import json

import pytest

from host_tests.bench.cards.cards import Terminal
from host_tests.stands.card import refused
from scripts.chips.desfire import DesfireCard
from scripts.chips.desfire_crypto import ZERO, aes_cbc, aes_cmac, card_crc32

UID = bytes.fromhex("04112233445566")
AID = b"\x01\x02\x03"
RECORDS, PLAIN_RECORDS, FREE_RECORDS, SECRET = 3, 4, 5, 6
SIZE, LIMIT = 40, 4


def place(number, offset=0, n=0):
    return bytes((number,)) + offset.to_bytes(3, "little") + n.to_bytes(3, "little")


def number3(n):
    return n.to_bytes(3, "little")


def create_records(number, comm, rights, size=SIZE, limit=LIMIT):
    return b"\xc1" + bytes((number, comm)) + rights.to_bytes(2, "little") + number3(size) + number3(limit)


class Reader(Terminal):
    """A terminal that also does records."""

    def append(self, data, number=RECORDS, offset=0, mac=True):
        self.ask(b"\x3b" + place(number, offset, len(data)) + data, mac)

    def records(self, first=0, count=0, number=RECORDS):
        data = self.ask(b"\xbb" + place(number, first, count))
        return [data[at : at + SIZE] for at in range(0, len(data), SIZE)]


def enter(card, key_no=None):
    t = Reader(card)
    t.select(AID)
    if key_no is not None:
        t.login(key_no, ZERO)
    return t


@pytest.fixture
def card():
    """Four keys: key 1 reads records, key 2 writes them, key 3 may do both. File 6 is enciphered."""
    card = DesfireCard(UID)
    t = Reader(card)
    t.ask(b"\xca" + AID + b"\x0f\x84")
    t = enter(card, 0)
    t.ask(create_records(RECORDS, 1, 0x1230))
    t.ask(create_records(PLAIN_RECORDS, 0, 0x1230))
    t.ask(create_records(FREE_RECORDS, 1, 0xEE3F))
    t.ask(b"\xcb" + bytes((SECRET, 3)) + b"\x00\x33" + number3(50))
    return card


def record(n):
    return bytes([n]) * SIZE


def filled(card, n=LIMIT):
    for i in range(n):
        t = enter(card, 3)
        t.append(record(i + 1))
        t.commit()
    return t


# -- record files ---------------------------------------------------------------------------------


def test_a_record_is_there_from_the_commit_on(card):
    t = enter(card, 3)
    t.append(record(7))
    assert card.applications[AID].files[RECORDS].records == []
    t.commit()
    assert t.records() == [record(7)]


def test_all_writes_up_to_a_commit_make_one_record_filled_up_with_zeros(card):
    t = enter(card, 3)
    t.append(b"abc")
    t.append(b"XY", offset=1)
    t.append(b"end", offset=SIZE - 3)
    t.commit()
    assert t.records() == [b"aXY" + bytes(SIZE - 6) + b"end"]


def test_records_are_counted_from_the_newest_and_given_the_oldest_first(card):
    t = filled(card)
    assert t.records() == [record(n) for n in (1, 2, 3, 4)]
    assert t.records(0, 1) == [record(4)]
    assert t.records(1, 2) == [record(2), record(3)]
    assert t.records(3, 1) == [record(1)]
    assert t.records(2, 0) == [record(1), record(2)]


@pytest.mark.parametrize(("first", "count"), [(4, 1), (3, 2), (4, 0), (0, 5), (0xFFFFFF, 1)])
def test_records_that_are_not_there_are_refused(card, first, count):
    t = filled(card)
    with refused(0xBE):
        t.records(first, count)


def test_an_empty_file_is_refused(card):
    with refused(0xBE):
        enter(card, 3).records()


def test_a_full_file_takes_no_more_and_keeps_what_it_has(card):
    t = filled(card)
    with refused(0xBE):
        t.append(record(9))
    assert enter(card, 3).records() == [record(n) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(("offset", "n"), [(0, SIZE + 1), (SIZE, 1), (SIZE - 1, 2)])
def test_writing_past_the_end_of_a_record_is_refused(card, offset, n):
    with refused(0xBE):
        enter(card, 3).append(bytes(n), offset=offset)


def test_a_cleared_file_is_empty_from_the_commit_on(card):
    t = filled(card)
    t.ask(b"\xeb\x03")
    assert len(t.records()) == LIMIT
    t.commit()
    with refused(0xBE):
        t.records()
    t = enter(card, 3)
    t.append(record(8))
    t.commit()
    assert t.records() == [record(8)]


def test_a_file_cleared_but_not_committed_takes_no_record_and_the_clearing_is_off(card):
    t = filled(card, 2)
    t.ask(b"\xeb\x03")
    with refused(0x9D):
        t.append(record(9))
    with refused(0x0C):
        enter(card, 3).commit()
    assert len(enter(card, 3).records()) == 2


def test_clearing_drops_the_record_that_was_being_written(card):
    t = filled(card, 1)
    t.append(record(9))
    t.ask(b"\xeb\x03")
    t.commit()
    assert card.applications[AID].files[RECORDS].records == []


@pytest.mark.parametrize("forget", ["abort", "select", "field", "error"])
def test_a_record_that_was_not_committed_is_gone(card, forget):
    t = enter(card, 3)
    t.append(record(9))
    if forget == "abort":
        t.ask(b"\xa7")
    elif forget == "select":
        t.select(AID)
    elif forget == "field":
        card.field_off()
    else:
        with refused(0xF0):
            t.read(9, 0, 1)
    with refused(0x0C):
        enter(card, 3).commit()


def test_a_login_keeps_what_waits_for_a_commit(card):
    t = enter(card, 2)
    t.append(record(9))
    t.login(1, ZERO)
    t.commit()
    assert t.records() == [record(9)]


@pytest.mark.parametrize("heard", [False, True])
def test_a_card_pulled_at_the_commit_has_all_of_it_or_nothing(card, heard):
    t = enter(card, 3)
    t.append(record(9))
    card.pull_after(0, heard=heard)
    assert card.transceive(b"\xc7")[0] is None
    assert card.applications[AID].files[RECORDS].records == ([record(9)] if heard else [])


@pytest.mark.parametrize(
    ("key_no", "reads", "writes", "clears"),
    [(0, False, False, False), (1, True, False, False), (2, False, True, False), (3, True, True, True)],
)
def test_each_right_opens_its_commands_only(card, key_no, reads, writes, clears):
    filled(card, 1)
    for allowed, act in (
        (reads, lambda t: t.records()),
        (writes, lambda t: t.append(record(2))),
        (clears, lambda t: t.ask(b"\xeb\x03")),
    ):
        t = enter(card, key_no)
        if allowed:
            act(t)
        else:
            with refused(0xAE):
                act(t)


def test_a_maced_file_takes_no_record_without_a_mac(card):
    command = b"\x3b" + place(RECORDS, 0, 4) + b"abcd"
    enter(card, 3)
    assert card.transceive(command)[0] == b"\xaf"  # still waits for eight bytes
    enter(card, 3)
    assert card.transceive(command + bytes(8))[0] == b"\x1e"
    assert card._pending == {}


def test_a_plain_file_takes_records_without_a_mac_and_answers_with_one(card):
    t = enter(card, 3)
    t.append(b"abcd", PLAIN_RECORDS, mac=False)
    t.commit()
    assert t.records(number=PLAIN_RECORDS)[0][:4] == b"abcd"


def test_who_comes_in_free_speaks_plain(card):
    t = enter(card)
    t.append(b"abcd", FREE_RECORDS, mac=False)
    t.commit()
    assert t.records(number=FREE_RECORDS)[0][:4] == b"abcd"
    with refused(0xAE):
        t.ask(b"\xeb\x05")


def test_long_records_go_in_chained_frames(card):
    t = enter(card, 0)
    t.ask(create_records(9, 1, 0x1230, 288, 3))
    t = enter(card, 3)
    data = bytes(range(256)) + bytes(32)
    for _ in range(3):
        t.append(data, 9)
        t.commit()
    before = card.exchanges
    assert t.ask(b"\xbb" + place(9)) == data * 3
    assert card.exchanges - before == -(-(3 * 288 + 8) // 59)


def test_the_commands_of_one_kind_of_file_do_not_open_the_other(card):
    for command in (
        b"\xbd" + place(RECORDS, 0, 4),
        b"\x3d" + place(RECORDS, 0, 4) + bytes(12),
        b"\xbb" + place(SECRET),
        b"\x3b" + place(SECRET, 0, 4) + bytes(12),
        b"\xeb" + bytes((SECRET,)),
    ):
        enter(card, 3)
        assert card.transceive(command)[0] == b"\x9d"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (create_records(40, 1, 0), 0x9E), (create_records(9, 2, 0), 0x9E), (create_records(9, 1, 0, 0), 0x9E),
        (create_records(9, 1, 0, 32, 0), 0x9E), (create_records(RECORDS, 1, 0), 0xDE),
        (create_records(9, 1, 0, 1024, 8), 0x0E), (create_records(9, 1, 0)[:-1], 0x7E),
    ],
    ids=lambda x: x.hex() if isinstance(x, bytes) else None,
)  # fmt: skip
def test_files_that_cannot_be_are_refused(card, command, status):
    enter(card, 0)
    assert card.transceive(command)[0] == bytes((status,))


def test_memory_is_counted_in_pieces_of_32_bytes_and_twice_for_backup_files():
    card = DesfireCard(UID, memory=2048)
    Reader(card).ask(b"\xca" + AID + b"\x0f\x81")
    t = enter(card, 0)
    t.ask(b"\xcb\x01\x00\x00\x00" + number3(33))
    assert t.ask(b"\x6e") == number3(2048 - 128)
    t.ask(b"\xcd\x02\x00\x00\x00" + number3(1920))
    with refused(0x0E):
        t.ask(b"\xcd\x03\x00\x00\x00" + number3(1))
    t = enter(card, 0)
    t.ask(b"\xdf\x02")
    assert card.free_bytes() == 1920


# -- enciphered files, EV1 ------------------------------------------------------------------------


def test_enciphered_data_with_checksum_and_running_start_value(card):
    t = enter(card, 3)
    head = b"\x3d" + place(SECRET, 0, 10)
    plain = b"0123456789" + card_crc32(head + b"0123456789") + bytes(2)
    cipher = aes_cbc(t.session.key, ZERO, plain)
    t.session.iv = cipher[-16:]
    t._checked(head + cipher)
    t.commit()
    answer = card.transceive(b"\xbd" + place(SECRET, 0, 10))[0]
    iv = aes_cmac(t.session.key, t.session.iv, b"\xbd" + place(SECRET, 0, 10))
    plain = aes_cbc(t.session.key, iv, answer[1:], decrypt=True)
    assert plain == b"0123456789" + card_crc32(b"0123456789\0") + bytes(2)


def test_an_enciphered_write_with_a_wrong_checksum_is_refused(card):
    t = enter(card, 3)
    head = b"\x3d" + place(SECRET, 0, 10)
    plain = b"0123456789" + card_crc32(b"0123456789") + bytes(2)
    assert card.transceive(head + aes_cbc(t.session.key, ZERO, plain))[0] == b"\x1e"


# -- what a card tells of itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ev", "memory", "hardware", "software"),
    [(1, 4096, "04010101001805", "04010101041805"), (2, 2048, "04010112001605", "04010102011605")],
)
def test_the_version_comes_in_three_frames(ev, memory, hardware, software):
    card = DesfireCard(UID, ev=ev, memory=memory)
    assert card.transceive(b"\x60")[0] == b"\xaf" + bytes.fromhex(hardware)
    assert card.transceive(b"\xaf")[0] == b"\xaf" + bytes.fromhex(software)
    last = card.transceive(b"\xaf")[0]
    assert len(last) == 15
    assert last[:8] == b"\x00" + UID


def test_in_a_session_the_version_ends_in_a_mac(card):
    assert len(enter(card, 1).ask(b"\x60")) == 28


def test_settings_of_every_kind_of_file(card):
    t = enter(card, 0)
    t.ask(b"\xcd\x01\x00\x34\x12" + number3(5))
    assert t.ask(b"\xf5\x01") == bytes.fromhex("00 00 3412 050000")
    assert t.ask(b"\xf5\x06") == bytes.fromhex("01 03 0033 320000")
    assert t.ask(b"\xf5\x03") == bytes.fromhex("03 01 3012 280000 040000 000000")
    filled(card, 2)
    assert enter(card, 0).ask(b"\xf5\x03")[-3:] == number3(2)


def test_settings_are_listed_to_the_master_only_unless_the_application_says_otherwise():
    card = DesfireCard(UID)
    Reader(card).ask(b"\xca" + AID + b"\x09\x82")
    enter(card, 0).ask(create_records(RECORDS, 1, 0x0000))
    for command in (b"\xf5\x03", b"\x6f"):
        with refused(0xAE):
            enter(card).ask(command)
        with refused(0xAE):
            enter(card, 1).ask(command)
    assert enter(card).ask(b"\x64\x01") == b"\x00"


def test_the_uid_is_told_enciphered_after_a_login_only(card):
    t = enter(card)
    assert card.transceive(b"\x51")[0] == b"\xae"
    t = enter(card, 1)
    answer = card.transceive(b"\x51")[0]
    plain = aes_cbc(t.session.key, aes_cmac(t.session.key, ZERO, b"\x51"), answer[1:], decrypt=True)
    assert plain == UID + card_crc32(UID + b"\0") + bytes(5)


# -- the card as a dict ---------------------------------------------------------------------------


@pytest.fixture
def used(card):
    filled(card, 2)
    t = enter(card, 0)
    t.change_key(2, bytes(range(16)), ZERO, 7)
    return card


def test_a_card_goes_through_json_unchanged(used):
    image = json.loads(json.dumps(used.dump()))
    again = DesfireCard.load(image)
    assert again.dump() == used.dump() == image
    assert (again.uid, again.ev, again.memory_bytes) == (used.uid, used.ev, used.memory_bytes)
    assert again.snapshot() == used.snapshot()
    t = enter(again, 3)
    t.append(record(9))
    t.commit()
    assert [r[0] for r in t.records()] == [1, 2, 9]
    assert len(used.applications[AID].files[RECORDS].records) == 2


def test_an_ev2_card_stays_one():
    assert DesfireCard.load(DesfireCard(UID, ev=2, memory=4096).dump()).transceive(b"\x60")[0][4:7] == b"\x12\x00\x18"


def test_what_was_not_committed_is_not_kept(used):
    before = used.dump()
    enter(used, 3).append(record(9))
    assert used.dump() == before


APP = ("applications", "010203")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((), [], "the card: not an object"),
        (("format",), "DESFire card, 9", "this is no"),
        (("uid",), None, "uid is missing"),
        (("uid",), "0411", "uid: 2 bytes instead of 7"),
        (("uid",), "xyz", "uid: not hexadecimal"),
        (("uid",), 7, "uid: not hexadecimal"),
        (("ev",), 3, "ev: 3 is no number from 1 to 2"),
        (("ev",), True, "ev: True is no number"),
        (("memory",), 5000, "2048, 4096 or 8192"),
        (("memory",), 2 << 20, "memory: 2097152 is no number"),
        (("colour",), 1, "colour is unknown"),
        (("applications",), [], "applications: not an object"),
        (("applications", "0102"), {}, "application 0102: 2 bytes"),
        (("applications", "000000"), {}, "there is no such, or twice"),
        ((*APP, "settings"), 256, "settings: 256"),
        ((*APP, "keys"), [], "0 keys"),
        ((*APP, "keys", 0, "key"), "00", "key 0: 1 bytes instead of 16"),
        ((*APP, "keys", 0, "version"), -1, "version: -1"),
        ((*APP, "files", "32"), {}, "number '32'"),
        ((*APP, "files", "03"), {}, "number '03'"),
        ((*APP, "files", "3", "kind"), "cyclic", "kind is 'cyclic'"),
        ((*APP, "files", "3", "comm"), 2, "no communication mode has the number 2"),
        ((*APP, "files", "3", "rights"), 65536, "rights: 65536"),
        ((*APP, "files", "3", "size"), 41, "record 0: 40 bytes instead of 41"),
        ((*APP, "files", "3", "limit"), 1, "2 records where 1 fit"),
        ((*APP, "files", "3", "limit"), 9999, "do not fit into its memory"),
        ((*APP, "files", "3", "records"), "00", "not a list"),
        ((*APP, "files", "6", "data"), "", "0 bytes instead of some"),
        ((*APP, "files", "6", "data"), None, "data is missing"),
    ],
)
def test_a_damaged_dict_is_refused_in_words(used, path, value, words):
    image = copy.deepcopy(used.dump())
    if not path:
        image = value
    else:
        at = image
        for step in path[:-1]:
            at = at[step]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        DesfireCard.load(image)


@pytest.mark.parametrize("arguments", [{"ev": 3}, {"memory": 1000}])
def test_cards_that_are_not_made_are_refused(arguments):
    with pytest.raises(ValueError, match="DESFire card"):
        DesfireCard(UID, **arguments)
