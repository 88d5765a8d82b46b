# SPDX-License-Identifier: Apache-2.0
"""Carriers: the simulated card in its file, and PC/SC without a reader, without a card, without pyscard."""

import json
import sys
import types

import pytest

from host_tests.stands.vend import UID
from scripts.chips.desfire import DesfireCard
from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import CardError, CardGone, ReaderError
from scripts.vend.desfire import BACKUP, MACED, Desfire, FileSpec
from scripts.vend.readers import open_reader, wrapped

AID = b"\x01\x02\x03"


@pytest.mark.parametrize("spec", ["", "usb", "sim", "sim:", "SIM:x"])
def test_an_unknown_place_is_refused_with_the_known_ones(spec):
    with pytest.raises(ReaderError, match="pcsc, pcsc:NAME or sim:FILE"):
        open_reader(spec)


# -- simulated cards ------------------------------------------------------------------------------


def test_a_simulated_card_is_kept_in_its_file(tmp_path):
    spec = f"sim:{tmp_path / 'card.json'}"
    reader = open_reader(spec)
    card = Desfire(reader)
    card.create_application(AID, 0x4F, 5)
    card.select(AID)
    card.login(0, ZERO)
    card.create_file(FileSpec(1, BACKUP, MACED, (0, 0, 0, 0), 4))
    card.write(1, 0, b"kept")
    card.commit()
    reader.close()

    again = Desfire(open_reader(spec))
    assert again.uid == reader.uid
    again.select(AID)
    again.login(0, ZERO)
    assert again.read(1, 0, 4) == b"kept"


def test_what_is_not_committed_is_not_kept(tmp_path):
    path = tmp_path / "card.json"
    card = Desfire(open_reader(f"sim:{path}"))
    card.create_application(AID, 0x4F, 5)
    card.select(AID)
    card.login(0, ZERO)
    card.create_file(FileSpec(1, BACKUP, MACED, (0, 0, 0, 0), 4))
    before = path.read_text()
    card.write(1, 0, b"lost")
    assert path.read_text() == before


def test_a_blank_card_that_nothing_was_done_to_leaves_no_file(tmp_path):
    reader = open_reader(f"sim:{tmp_path / 'card.json'}")
    with pytest.raises(CardError):
        Desfire(reader).select(AID)
    assert list(tmp_path.iterdir()) == []


def test_two_new_cards_have_different_numbers(tmp_path):
    uids = {open_reader(f"sim:{tmp_path / name}").uid for name in "abcd"}
    assert len(uids) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"format": "x"}', "\0"])
def test_what_is_no_simulated_card_is_refused_in_words(tmp_path, content):
    (tmp_path / "card").write_text(content)
    with pytest.raises(ReaderError, match="is not a simulated card"):
        open_reader(f"sim:{tmp_path / 'card'}")


def test_a_card_file_holds_json(tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(DesfireCard(UID).dump()))
    assert open_reader(f"sim:{path}").uid == UID


# -- PC/SC ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("native", "apdu"),
    [("5A015750", "905A00000301575000"), ("C7", "90C7000000"), ("AF" + "11" * 32, "90AF000020" + "11" * 32 + "00")],
)
def test_a_native_command_is_wrapped_as_iso_7816_has_it(native, apdu):
    assert wrapped(bytes.fromhex(native)) == bytes.fromhex(apdu)


class NoCard(Exception):
    pass


class FakeConnection:
    """A PC/SC connection to a simulated card. Unwraps; `status` replaces the answer's words."""

    def __init__(self, card):
        self.card, self.status, self.gone, self.longest = card, None, False, 0

    def connect(self):
        if self.card is None:
            raise NoCard("no card")
        self.card.field_on()

    def transmit(self, apdu):
        if self.gone:
            raise NoCard("removed")
        if apdu == [0xFF, 0xCA, 0, 0, 0]:
            return list(self.card.uid), 0x90, 0x00
        assert apdu[0] == 0x90 and apdu[2:4] == [0, 0] and apdu[-1] == 0
        data = apdu[5:-1] if len(apdu) > 5 else []
        assert len(apdu) == 5 or apdu[4] == len(data)
        self.longest = max(self.longest, len(apdu))
        if self.status:
            return [], *self.status
        answer, _ = self.card.transceive(bytes([apdu[1], *data]))
        return list(answer[1:]), 0x91, answer[0]

    def disconnect(self):
        pass


class FakeReader:
    def __init__(self, name, card):
        self.name, self.connection = name, FakeConnection(card)

    def __str__(self):
        return self.name

    def createConnection(self):
        return self.connection


@pytest.fixture
def pcsc(monkeypatch):
    """Sets which readers there are."""
    there = []
    package = types.ModuleType("smartcard")
    exceptions = types.ModuleType("smartcard.Exceptions")
    exceptions.CardConnectionException = exceptions.NoCardException = NoCard
    exceptions.SmartcardException = OSError
    system = types.ModuleType("smartcard.System")
    system.readers = lambda: there
    for name, module in (
        ("smartcard", package),
        ("smartcard.Exceptions", exceptions),
        ("smartcard.System", system),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return there


def test_without_pyscard_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "smartcard.System", None)
    monkeypatch.setitem(sys.modules, "smartcard.Exceptions", None)
    with pytest.raises(ReaderError, match=r"pcscd.*pip install -r scripts/lock/pcsc.txt"):
        open_reader("pcsc")


def test_without_a_reader_it_is_said(pcsc):
    with pytest.raises(ReaderError, match="There is no card reader; there is none at all"):
        open_reader("pcsc")


def test_without_the_pcsc_service_it_is_said(pcsc, monkeypatch):
    def readers():
        raise OSError("Service not available")

    monkeypatch.setattr(sys.modules["smartcard.System"], "readers", readers)
    with pytest.raises(ReaderError, match="Start pcscd"):
        open_reader("pcsc")


def test_a_reader_is_chosen_by_a_part_of_its_name(pcsc):
    pcsc += [FakeReader("Other 00", None), FakeReader("ACS ACR122U 01", DesfireCard(UID))]
    assert open_reader("pcsc:acr122").uid == UID
    with pytest.raises(ReaderError, match="no card reader 'HID'; there is Other 00, ACS"):
        open_reader("pcsc:HID")


def test_a_reader_without_a_card_says_so(pcsc):
    pcsc.append(FakeReader("ACR122U", None))
    with pytest.raises(CardGone, match="no card on the reader"):
        open_reader("pcsc")


def test_a_card_of_another_kind_is_refused(pcsc):
    card = DesfireCard(UID)
    card.uid = UID[:4]
    pcsc.append(FakeReader("ACR122U", card))
    with pytest.raises(CardError, match="no DESFire"):
        open_reader("pcsc")


def test_a_whole_session_runs_over_pcsc_in_frames_a_reader_takes(pcsc):
    pcsc.append(FakeReader("ACR122U", DesfireCard(UID)))
    card = Desfire(open_reader("pcsc"))
    card.create_application(AID, 0x4F, 5)
    card.select(AID)
    card.login(0, ZERO)
    card.create_file(FileSpec(1, BACKUP, MACED, (0, 0, 0, 0), 256))
    card.write(1, 0, bytes(range(256)))
    card.commit()
    assert card.read(1, 0, 256) == bytes(range(256))
    assert pcsc[0].connection.longest <= 61


@pytest.mark.parametrize("status", [(0x63, 0x00), (0x64, 0x01)])
def test_a_reader_that_lost_the_card_means_it_is_gone(pcsc, status):
    pcsc.append(FakeReader("ACR122U", DesfireCard(UID)))
    reader = open_reader("pcsc")
    pcsc[0].connection.status = status
    with pytest.raises(CardGone):
        reader.exchange(b"\xc7")


def test_a_card_taken_away_is_gone(pcsc):
    pcsc.append(FakeReader("ACR122U", DesfireCard(UID)))
    reader = open_reader("pcsc")
    pcsc[0].connection.gone = True
    with pytest.raises(CardGone):
        reader.exchange(b"\xc7")


def test_words_that_no_desfire_says_are_an_error(pcsc):
    pcsc.append(FakeReader("ACR122U", DesfireCard(UID)))
    reader = open_reader("pcsc")
    pcsc[0].connection.status = (0x6A, 0x81)
    with pytest.raises(CardError, match="6A81"):
        reader.exchange(b"\xc7")
