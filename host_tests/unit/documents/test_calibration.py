# SPDX-License-Identifier: Apache-2.0
"""The calibration document at a meter's start, and the seal: which one is in force, and what is said."""

import hashlib
import json
import struct
import sys
import zlib
from types import SimpleNamespace

import pytest
from meter.core import codes
from meter.core import settings as config
from meter.core.errors import BusError, ConfigError
from meter.documents import calibration_doc as calibration
from meter.documents import load as made
from meter.documents import parse
from meter.drivers.atm90e26.ic import Atm90e26
from meter.drivers.atm90e26.table import init_table as table_26
from meter.drivers.atm90e32.ic import Atm90e32
from meter.drivers.atm90e32.table import init_table as table_32
from meter.storage import seal

from host_tests.bench.documents import as_files, settings

WORDS = {0x61: 58395, 0x62: 33012, 0x48: 0x8003, 0x6C: 5}


def text_of(doc):
    """By the words of documents/calibration_doc.py, written a second time."""
    rising = sorted((int(addr, 16), word) for addr, word in doc["registers"].items())
    registers = ",".join(f"{addr:02X}={word:04X}" for addr, word in rising)
    return "|".join((doc["serial"], doc["ic"], str(doc["current_scale"]), str(int(doc["sealed"])), registers)).encode()


def check_sum(doc):
    return f"{zlib.crc32(text_of(doc)):08X}"


def document(words=WORDS, sealed=False, scale=1, serial=None, **changes):
    doc = {
        "serial": serial or settings()["meter_number"],
        "ic": "atm90e32",
        "current_scale": scale,
        "registers": {f"{addr:02X}": word for addr, word in words.items()},
        "sealed": sealed,
    }
    doc |= changes
    return {**doc, "crc32": check_sum(doc)}


def parsed(doc, part=Atm90e32, **changes):
    return calibration.parse(doc, parse.settings(settings(**changes)), part.calibrated())


@pytest.fixture(autouse=True)
def board(monkeypatch):
    """A board of which only the part is asked for."""
    made = SimpleNamespace(MeterIc=Atm90e32)
    monkeypatch.setitem(sys.modules, "board", made)
    return made


@pytest.fixture
def root(tmp_path):
    for name, data in as_files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def put(root, doc, name="calibration.json"):
    (root / name).write_text(doc if isinstance(doc, str) else json.dumps(doc))


def set_up(root, **changes):
    (root / "settings.json").write_text(json.dumps(settings(**changes)))


def provision(root):
    set_up(root, provisioned=True)


def started(root):
    cfg, _, _, _, faults = made.read(str(root))
    return cfg, faults


# -- the document ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale, max_a", [(1, 60), (2, 100)])
@pytest.mark.parametrize("sealed", [False, True])
def test_registers_reach_the_settings_the_driver_is_made_with(root, scale, max_a, sealed):
    set_up(root, max_a=max_a)
    put(root, document(scale=scale, sealed=sealed))
    cfg, faults = started(root)
    assert (dict(cfg.calibration), cfg.current_scale, faults) == (WORDS, scale, 0)
    table = {addr: value for _, addr, value in table_32(cfg)}
    assert table[0x61] == 58395 and table[0x62] == 33012 // scale and table[0x65] == 0x8000


def test_a_document_without_registers_is_one(root):
    put(root, document({}))
    assert started(root)[0].calibration == []


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"serial": "OTHER"}, "serial"),
        ({"serial": 1}, "serial"),
        ({"ic": "ade9000"}, "ic"),
        ({"current_scale": 3}, "current_scale"),
        ({"sealed": 1}, "sealed"),
        ({"registers": []}, "registers"),
        ({"registers": {"31": 1}}, "registers.31"),  # pulse constant
        ({"registers": {"33": 1}}, "registers.33"),  # mode
        ({"registers": {"32": 1}}, "registers.32"),
        ({"registers": {"34": 1}}, "registers.34"),  # mode: the PGA
        ({"registers": {"22": 1}}, "registers.22"),  # the mains' frequency
        ({"registers": {"35": 1}}, "registers.35"),  # start threshold
        ({"registers": {"3A": 1}}, "registers.3A"),
        ({"registers": {"4D": 1}}, "registers.4D"),
        ({"registers": {"6D": 1}}, "registers.6D"),
        ({"registers": {"6a": 1}}, "registers.6a"),
        ({"registers": {"-1": 1}}, "registers.-1"),
        ({"registers": {"Ugain": 1}}, "registers.Ugain"),
        ({"registers": {"61": 65536}}, "registers.61"),
        ({"registers": {"61": -1}}, "registers.61"),
        ({"registers": {"61": 1.0}}, "registers.61"),
        ({"crc32": "00000000"}, "crc32"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(changes, path):
    with pytest.raises(ConfigError) as e:
        parsed(document() | changes)
    assert e.value.path == path


def test_the_other_part_has_other_registers():
    doc = document({0x23: 1, 0x31: 0x6000, 0x3A: 3}, ic="atm90e26")
    table, _ = parsed(doc, Atm90e26)
    assert list(zip(*table, strict=True)) == [(0x23, 1), (0x31, 0x6000), (0x3A, 3)]
    for addr in (0x21, 0x27, 0x2B, 0x61):
        with pytest.raises(ConfigError, match=f"registers.{addr:02X}"):
            parsed(document({addr: 1}, ic="atm90e26"), Atm90e26)


@pytest.mark.parametrize("mine, other", [(Atm90e32, "atm90e26"), (Atm90e26, "atm90e32")])
def test_a_document_of_the_other_part_is_refused_and_the_power_on_gains_stay(root, board, mine, other, capsys):
    board.MeterIc = mine
    put(root, document({}, ic=other))
    cfg, faults = started(root)
    assert (cfg.calibration, faults) == ([], codes.FAULT_CALIBRATION)
    assert f"calibration: ic: is {other}, and this board has " in capsys.readouterr().out


@pytest.mark.parametrize(
    "part, table, never",
    [
        # Metering, channel map, limits, F0, PL_constant, MMode0, MMode1, thresholds (Atmel-46003B, tables 5 to 15)
        (Atm90e32, table_32,
         (0x00, 0x01, 0x02, *range(0x05, 0x10), 0x22, 0x31, 0x32, 0x33, 0x34, *range(0x35, 0x3B))),
        # Function, sag, power mode; PL_constant, thresholds, MMode; commands and check sums (Atmel-46002B, 5.2 and 5.3)
        (Atm90e26, table_26,
         (0x02, 0x03, 0x04, 0x20, 0x21, 0x22, *range(0x27, 0x2C), 0x2C, 0x30, 0x3B)),
    ],
)  # fmt: skip
def test_what_the_settings_decide_can_be_set_neither_by_a_document_nor_past_it(part, table, never):
    def rows(calibration):
        setup = SimpleNamespace(phases=1, pulse_constant=3200, calibration=calibration)
        return {addr: value for _, addr, value in table(setup)}

    name, *_ = part.calibrated()
    for addr in never:
        with pytest.raises(ConfigError, match=f"registers.{addr:02X}"):
            parsed(document({addr: 0x55AA}, ic=name), part)
    assert rows(()) == rows([(addr, 0x55AA) for addr in never])


def test_whatever_a_document_may_set_reaches_the_part():
    for part, table in ((Atm90e32, table_32), (Atm90e26, table_26)):
        name, may, _, _ = part.calibrated()
        wanted = {addr: 0x4000 + addr for i in range(0, len(may), 2) for addr in range(may[i], may[i + 1] + 1)}
        found, _ = parsed(document(wanted, ic=name), part)
        setup = SimpleNamespace(phases=1, pulse_constant=3200, calibration=list(zip(*found, strict=True)))
        assert wanted.items() <= {addr: value for _, addr, value in table(setup)}.items()


@pytest.mark.parametrize("max_a, scale, other", [(60, 1, 2), (100, 2, 1)])
def test_a_document_of_another_current_scale_is_refused_and_the_settings_scale_stays(root, max_a, scale, other, capsys):
    set_up(root, max_a=max_a)
    put(root, document(scale=other))
    cfg, faults = started(root)
    assert (cfg.calibration, cfg.current_scale, faults) == ([], scale, codes.FAULT_CALIBRATION)
    assert f"current_scale: is {other}, and by the settings' max_a it is {scale}" in capsys.readouterr().out
    assert seal.hold(Fram(), cfg) == seal.HELD and cfg.current_scale == scale


def test_every_register_is_under_the_check_sum():
    doc = document()
    for key in doc["registers"]:
        other = {**doc, "registers": {**doc["registers"], key: doc["registers"][key] ^ 1}}
        with pytest.raises(ConfigError, match="crc32"):
            parsed(other)


def test_breaking_the_seal_breaks_the_check_sum():
    with pytest.raises(ConfigError, match="crc32"):
        parsed({**document(sealed=True), "sealed": False})


@pytest.mark.parametrize("key", document())
def test_every_key_must_be_there(key):
    doc = document()
    del doc[key]
    with pytest.raises(ConfigError, match=key):
        parsed(doc)


def test_a_meter_whose_settings_are_lost_is_calibrated_all_the_same(root):
    put(root, document())
    (root / "settings.json").write_text("?")
    cfg, faults = started(root)
    assert dict(cfg.calibration) == WORDS and faults == codes.FAULT_SETTINGS


# -- missing, damaged --------------------------------------------------------------------------------


def test_only_a_provisioned_meter_must_have_one(root):
    assert started(root)[1] == 0
    provision(root)
    cfg, faults = started(root)
    assert (cfg.calibration, faults) == ([], codes.FAULT_CALIBRATION)


@pytest.mark.parametrize("provisioned", [False, True])
@pytest.mark.parametrize("damage", ["{", "[]", "{}", json.dumps(document() | {"crc32": "0"})])
def test_a_damaged_one_is_a_fault_and_gives_way_to_the_one_before(root, damage, provisioned, capsys):
    if provisioned:
        provision(root)
    put(root, damage)
    assert started(root)[1] == codes.FAULT_CALIBRATION
    put(root, document({0x61: 0x7777}), "calibration.old")
    cfg, faults = started(root)
    assert (cfg.calibration, faults) == ([(0x61, 0x7777)], codes.FAULT_CALIBRATION)
    assert "the one before is in force" in capsys.readouterr().out


def test_a_damaged_one_before_is_of_no_interest(root):
    put(root, document())
    put(root, "?", "calibration.old")
    cfg, faults = started(root)
    assert (dict(cfg.calibration), faults) == (WORDS, 0)


# -- the seal ----------------------------------------------------------------------------------------


class Fram:
    def __init__(self):
        self.data = bytearray(32768)
        self.writes = 0
        self.silent = False

    def read_into(self, at, buf):
        if self.silent:
            raise BusError(0, "FRAM does not answer")
        buf[:] = self.data[at : at + len(buf)]

    def write(self, at, buf):
        self.writes += 1
        self.data[at : at + len(buf)] = buf

    keep = write


SEALED = document(sealed=True)
OTHER = {0x61: 0x8001}


def held(root, fram):
    cfg = started(root)[0]
    return seal.hold(fram, cfg), dict(cfg.calibration)


@pytest.fixture
def fram(root):
    """The FRAM of a meter that has seen its sealed document."""
    fram = Fram()
    put(root, SEALED)
    assert held(root, fram) == (seal.HELD, WORDS)
    return fram


@pytest.mark.parametrize("blank", [0, 0xFF], ids=hex)
def test_an_unsealed_document_may_be_replaced_by_any(root, blank):
    """New FRAM reads as all 0 or all FF, depending on the maker."""
    fram = Fram()
    fram.data[:] = bytes((blank,)) * len(fram.data)
    for words in (WORDS, OTHER):
        put(root, document(words))
        assert held(root, fram) == (seal.HELD, words)
    assert fram.writes == 0


def test_the_first_sealed_document_is_kept_in_mind_once(root, fram):
    assert seal.read(fram) == hashlib.sha256(text_of(SEALED)).digest()
    assert held(root, fram) == (seal.HELD, WORDS)
    assert fram.writes == 1


def forged():
    """Another sealed document with SEALED's check sum: of digits 0 to 7, which differ from "0" in free bits, CRC-32 is
    linear, and 48 of these solve its 32 equations."""
    free = [(addr, 1 << n) for addr in (0x41, 0x42, 0x43, 0x44) for n in range(16) if n % 4 < 3]

    def made(bits):
        return document(OTHER | {a: sum(bit for addr, bit in bits if addr == a) for a, _ in free}, sealed=True)

    def crc(bits):
        return int(made(bits)["crc32"], 16)

    basis = {}
    for one in free:
        value, bits = crc({one}) ^ crc(()), {one}
        while value and value.bit_length() in basis:
            other, more = basis[value.bit_length()]
            value, bits = value ^ other, bits ^ more
        if value:
            basis[value.bit_length()] = value, bits
    left, chosen = crc(()) ^ int(SEALED["crc32"], 16), set()
    while left:
        value, bits = basis[left.bit_length()]
        left, chosen = left ^ value, chosen ^ bits
    return made(chosen)


def test_a_document_made_to_have_the_sealed_ones_check_sum_is_another(root, fram):
    doc = forged()
    assert doc["crc32"] == SEALED["crc32"] and doc["registers"] != SEALED["registers"]
    put(root, doc)
    assert held(root, fram) == (seal.LOST, {})


def test_a_record_of_version_1_is_no_seal(root):
    fram = Fram()
    old = struct.pack("<HBBI", 0x5350, 1, 0, int(SEALED["crc32"], 16))
    fram.data[0x7FF0:0x7FFC] = old + struct.pack("<I", zlib.crc32(old))
    at = seal.BASE
    fram.data[at : at + 12] = fram.data[0x7FF0:0x7FFC]
    assert seal.read(fram) is None
    fram.data[at + 36 : at + 40] = struct.pack("<I", zlib.crc32(fram.data[at : at + 36]))
    assert seal.read(fram) is None


@pytest.mark.parametrize("n", range(seal.SIZE))
def test_with_a_damaged_seal_no_document_is_in_force_that_is_not_sealed(root, fram, n):
    fram.data[seal.BASE + n] ^= 0x10
    put(root, document(OTHER))
    assert held(root, fram) == (seal.UNKNOWN, {}) and fram.writes == 1


def test_a_seal_read_wrongly_once_is_read_again(root, fram):
    genuine = fram.read_into
    noise = [0xFF, 0x01]

    def read_into(at, buf):
        genuine(at, buf)
        if noise:
            buf[6] ^= noise.pop()

    fram.read_into = read_into
    put(root, document(OTHER, sealed=True))
    assert held(root, fram) == (seal.LOST, {}) and fram.writes == 1


@pytest.mark.parametrize("sealed", [False, True])
def test_another_document_gives_way_to_the_sealed_one_before(root, fram, sealed):
    put(root, document(OTHER, sealed=sealed))
    put(root, SEALED, "calibration.old")
    assert held(root, fram) == (seal.OLD, WORDS)


@pytest.mark.parametrize("doc", [document(OTHER), document(OTHER, sealed=True), document(WORDS), "?", None])
def test_without_the_sealed_document_nothing_is_in_force(root, fram, doc):
    if doc is None:
        (root / "calibration.json").unlink()
    else:
        put(root, doc)
    assert held(root, fram) == (seal.LOST, {})
    put(root, SEALED)
    assert held(root, fram) == (seal.HELD, WORDS)


@pytest.mark.parametrize("n", range(seal.SIZE))
def test_a_damaged_seal_is_set_anew_by_the_sealed_document(root, fram, n):
    fram.data[seal.BASE + n] ^= 0x10
    assert held(root, fram) == (seal.HELD, WORDS)
    assert seal.read(fram) == hashlib.sha256(text_of(SEALED)).digest()


def test_a_silent_fram_changes_nothing(root, fram):
    fram.silent = True
    put(root, document(OTHER))
    cfg = started(root)[0]
    with pytest.raises(BusError):
        seal.hold(fram, cfg)
    assert dict(cfg.calibration) == OTHER


def test_settings_without_any_document_are_uncalibrated():
    assert config.Settings().calibration == []
