# SPDX-License-Identifier: Apache-2.0
"""The calibration document at a meter's start, and the seal: which one is in force, and what is said."""

import json
import zlib

import pytest
from meter import made
from meter.core import calibration, codes, config
from meter.core.errors import BusError, ConfigError
from meter.drivers import atm90e32_regs
from meter.storage import seal

from host_tests.bench.documents import as_files, settings

WORDS = {0x61: 58395, 0x62: 33012, 0x48: 0x8003, 0x6C: 5}


def check_sum(doc):
    """By the words of calibration.py, written anew."""
    rising = sorted((int(addr, 16), word) for addr, word in doc["registers"].items())
    registers = ",".join(f"{addr:02X}={word:04X}" for addr, word in rising)
    text = "|".join((doc["serial"], doc["ic"], str(doc["current_scale"]), str(int(doc["sealed"])), registers))
    return f"{zlib.crc32(text.encode()):08X}"


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


@pytest.fixture
def root(tmp_path):
    for name, data in as_files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def put(root, doc, name="calibration.json"):
    (root / name).write_text(doc if isinstance(doc, str) else json.dumps(doc))


def provision(root):
    (root / "settings.json").write_text(json.dumps(settings(provisioned=True)))


def started(root):
    cfg, _, _, _, faults = made.read(str(root))
    return cfg, faults


# -- the document ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("sealed", [False, True])
def test_registers_and_scale_reach_the_settings_the_driver_is_made_with(root, scale, sealed):
    put(root, document(scale=scale, sealed=sealed))
    cfg, faults = started(root)
    assert (dict(cfg.calibration), cfg.current_scale, faults) == (WORDS, scale, 0)
    table = {addr: value for _, addr, value in atm90e32_regs.init_table(cfg)}
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
        calibration.parse(document() | changes, config.parse(settings()))
    assert e.value.path == path


def test_the_other_part_has_other_registers():
    doc = document({0x23: 1, 0x31: 2, 0x3A: 3}, ic="atm90e26")
    _, table, _ = calibration.parse(doc, config.parse(settings()))
    assert list(zip(*table, strict=True)) == [(0x23, 1), (0x31, 2), (0x3A, 3)]
    for addr in (0x21, 0x27, 0x2B, 0x61):
        with pytest.raises(ConfigError, match=f"registers.{addr:02X}"):
            calibration.parse(document({addr: 1}, ic="atm90e26"), config.parse(settings()))


def test_every_register_is_under_the_check_sum():
    doc = document()
    for key in doc["registers"]:
        other = {**doc, "registers": {**doc["registers"], key: doc["registers"][key] ^ 1}}
        with pytest.raises(ConfigError, match="crc32"):
            calibration.parse(other, config.parse(settings()))


def test_breaking_the_seal_breaks_the_check_sum():
    with pytest.raises(ConfigError, match="crc32"):
        calibration.parse({**document(sealed=True), "sealed": False}, config.parse(settings()))


@pytest.mark.parametrize("key", document())
def test_every_key_must_be_there(key):
    doc = document()
    del doc[key]
    with pytest.raises(ConfigError, match=key):
        calibration.parse(doc, config.parse(settings()))


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
    put(root, document({0x61: 7}), "calibration.old")
    cfg, faults = started(root)
    assert (cfg.calibration, faults) == ([(0x61, 7)], codes.FAULT_CALIBRATION)
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


SEALED = document(sealed=True)
OTHER = {0x61: 1}


def held(root, fram):
    cfg = started(root)[0]
    return seal.hold(fram, cfg), dict(cfg.calibration)


@pytest.fixture
def fram(root):
    """Of a meter that has seen its sealed document."""
    fram = Fram()
    put(root, SEALED)
    assert held(root, fram) == (seal.HELD, WORDS)
    return fram


def test_an_unsealed_document_may_be_replaced_by_any(root):
    fram = Fram()
    for words in (WORDS, OTHER):
        put(root, document(words))
        assert held(root, fram) == (seal.HELD, words)
    assert fram.writes == 0


def test_the_first_sealed_document_is_kept_in_mind_once(root, fram):
    assert seal.read(fram) == int(SEALED["crc32"], 16)
    assert held(root, fram) == (seal.HELD, WORDS)
    assert fram.writes == 1


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
    assert seal.read(fram) == int(SEALED["crc32"], 16)


def test_a_silent_fram_changes_nothing(root, fram):
    fram.silent = True
    put(root, document(OTHER))
    cfg = started(root)[0]
    with pytest.raises(BusError):
        seal.hold(fram, cfg)
    assert dict(cfg.calibration) == OTHER


def test_the_record_lies_within_the_part_and_behind_all_others():
    assert seal.BASE + seal.SIZE <= 32768
    assert seal.BASE >= 0x5000 + 12_272


def test_settings_without_any_document_are_uncalibrated():
    assert config.Settings().calibration == []
