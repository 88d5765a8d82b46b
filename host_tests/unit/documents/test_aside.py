# SPDX-License-Identifier: Apache-2.0
"""Starts that fall go without one document at a time, and what the meter meters without is aside from then on."""

import json
import sys
from types import SimpleNamespace

import pytest
from meter.commands import change, results
from meter.core import codes
from meter.documents import aside, files, load
from meter.drivers.atm90e32.ic import Atm90e32
from meter.storage import seal

from host_tests.bench import documents as bench
from host_tests.unit.documents.test_calibration import Fram, document

OURS = {"alarm1": "77.00", "events": {"cover": None}, "phases": 3, "friendly": {"weekend": True}}


@pytest.fixture(autouse=True)
def board(monkeypatch):
    monkeypatch.setitem(sys.modules, "board", SimpleNamespace(MeterIc=Atm90e32))


@pytest.fixture
def root(tmp_path):
    put(tmp_path, "settings.json", bench.settings(**OURS))
    put(tmp_path, "settings.old", bench.settings(alarm1="66.00"))
    put(tmp_path, "tariff.json", flat("0.30"))
    put(tmp_path, "tariff.old", flat("0.20"))
    put(tmp_path, "calibration.json", document({0x61: 0x7000}))
    put(tmp_path, "calibration.old", document({0x61: 0x6000}))
    return tmp_path


def put(root, name, doc):
    (root / name).write_text(json.dumps(doc))


def flat(price, **more):
    return {"name": "x", "currency": "EUR", "price": price, **more}


def taken(root, fell=0):
    """(alarm 1, is `cover` watched, calibration, price, faults, what is aside)"""
    cfg, tariff, _, _, faults = load.read(str(root), fell)
    watched = cfg.watch[3] != 32_767
    gain = dict(cfg.calibration).get(0x61, 0)
    documents_ = faults & (codes.FAULT_SETTINGS | codes.FAULT_TARIFF | codes.FAULT_CALIBRATION)
    return cfg.alarm1_micro // 1_000_000, watched, gain, tariff.prices_micro[0] // 10_000, documents_, faults >> 16


AS_IT_IS = (77, False, 0x7000, 30, 0, 0)
WITHOUT = {
    2: (66, True, 0x7000, 30, codes.FAULT_SETTINGS, 1),
    3: (10, True, 0x7000, 30, codes.FAULT_SETTINGS, 2),
    4: (77, False, 0x6000, 30, codes.FAULT_CALIBRATION, 4),
    5: (77, False, 0, 30, codes.FAULT_CALIBRATION, 8),
    6: (77, False, 0x7000, 20, codes.FAULT_TARIFF, 16),
    7: (77, False, 0x7000, 0, codes.FAULT_TARIFF, 32),
    8: (77, True, 0x7000, 30, codes.FAULT_SETTINGS, 128),
    9: (10, True, 0, 0, codes.FAULT_SETTINGS | codes.FAULT_CALIBRATION | codes.FAULT_TARIFF, 0xAA),
}


@pytest.mark.parametrize("fell", range(25))
def test_a_start_goes_without_one_document(root, fell):
    assert taken(root, fell) == WITHOUT.get(fell % 10, AS_IT_IS)


def test_defaults_leave_whose_meter_it_is_and_how_it_is_connected(root):
    whose = {"meter_number": "A-1", "provisioned": True, "currency": "CHF", "phases": 3, "three_wire": True}
    put(root, "settings.json", {**bench.settings(), **whose, "max_a": 100, "hz": 60})
    for fell, max_ma, hz in ((3, 100_000, 60), (9, 60_000, 50)):
        cfg = load.read(str(root), fell)[0]
        assert (cfg.meter_number, cfg.provisioned, cfg.currency) == ("A-1", True, "CHF")
        assert (cfg.phases, cfg.three_wire, cfg.i_max_ma, cfg.hz) == (3, True, max_ma, hz)


@pytest.mark.parametrize("fell", WITHOUT)
def test_what_the_meter_meters_without_stays_aside_without_any_count(root, fell):
    assert aside.keep(fell, str(root)) == WITHOUT[fell][5]
    assert taken(root) == WITHOUT[fell]
    assert taken(root, 1) == WITHOUT[fell]
    assert (root / "settings.json").exists() and (root / "tariff.json").exists()


@pytest.mark.parametrize("fell", [0, 1, 10, 11])
def test_nothing_is_aside_after_a_start_that_went_without_nothing(root, fell):
    assert aside.keep(fell, str(root)) == 0 and not (root / "aside.json").exists()


def test_two_that_stop_the_meter_are_found_one_after_the_other(root):
    aside.keep(2, str(root))
    assert taken(root, 6) == (66, True, 0x7000, 20, codes.FAULT_SETTINGS | codes.FAULT_TARIFF, 17)
    aside.keep(6, str(root))
    assert taken(root) == (66, True, 0x7000, 20, codes.FAULT_SETTINGS | codes.FAULT_TARIFF, 17)


def test_another_document_in_its_place_is_not_aside(root):
    aside.keep(2, str(root))
    put(root, "settings.json", bench.settings(alarm1="55.00"))
    assert taken(root)[0] == 55 and taken(root)[4:] == (0, 0)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"settings": 3}', '{"settings": [1, 2, 9]}', '{"tariff": []}'])
def test_a_damaged_list_is_none(root, text):
    (root / "aside.json").write_text(text)
    assert taken(root) == AS_IT_IS


def test_a_tariff_that_waited_and_stopped_the_meter_gives_way_to_the_one_before_it(root):
    put(root, "later.json", flat("0.90", **{"from": "2026-01-01 00:00"}))
    assert load.read(str(root))[2] is not None
    _, tariff, later, _, _ = load.read(str(root), 6)
    assert (tariff.prices_micro[0], later) == (300_000, None)


# -- another document from a card -----------------------------------------------------------------


class Books:
    utc_s = 821_520_000  # 2026-01-12 08:00

    def __init__(self, root):
        self.cfg, self.tariff, self.later, _, self.faults = load.read(str(root))
        self.logged = []

    def log(self, code, value=0):
        self.logged.append(code)

    def fault(self, bit, on):
        self.faults = self.faults | bit if on else self.faults & ~bit

    def put_in_force(self, cfg, tariff, later):
        self.cfg, self.tariff, self.later = cfg, tariff, later

    def is_past(self, minute):
        return True


def by_card(root, name, doc):
    with files.stage(str(root), name) as f:
        f.write(json.dumps(doc).encode())
    books = Books(root)
    crc = files.check_sum(str(root), files.kept(name, "new"))[1]
    done = change.change(books, name, crc, codes.BY_CARD, str(root))
    return done, books


def test_the_next_good_settings_replace_them_and_those_aside_are_nothing_to_fall_back_on(root):
    aside.keep(2, str(root))
    done, books = by_card(root, "settings.json", bench.settings(alarm1="55.00", **{k: OURS[k] for k in ("phases",)}))
    assert done and not books.faults & codes.FAULT_SETTINGS
    assert taken(root)[0] == 55 and json.loads((root / "settings.bad").read_text())["alarm1"] == "77.00"
    assert json.loads((root / "settings.old").read_text())["alarm1"] == "66.00"


def test_the_same_once_more_is_tried_again(root):
    aside.keep(2, str(root))
    assert by_card(root, "settings.json", bench.settings(**OURS))[0] and taken(root) == AS_IT_IS
    assert by_card(root, "settings.json", bench.settings(**OURS))[0] == results.ALREADY


def test_the_next_tariff_is_not_hidden_by_one_that_waited_and_is_aside(root):
    put(root, "later.json", flat("0.90", **{"from": "2026-01-01 00:00"}))
    aside.keep(6, str(root))
    by_card(root, "tariff.json", flat("0.50"))
    assert taken(root) == (77, False, 0x7000, 50, 0, 0) and (root / "later.bad").exists()
    assert load.read(str(root))[2] is None


# -- a sealed calibration -------------------------------------------------------------------------


def held(root, fram, fell=0):
    cfg = load.read(str(root), fell)[0]
    found = seal.hold(fram, cfg, aside.goes_without(fell, aside.CALIBRATION))
    return found, dict(cfg.calibration).get(0x61, 0)


def test_a_sealed_calibration_that_stops_the_meter_is_given_up_and_another_one_sealed(root):
    fram = Fram()
    put(root, "calibration.json", document({0x61: 0x7000}, sealed=True))
    assert held(root, fram) == (seal.HELD, 0x7000)
    for fell in (4, 5):
        assert held(root, fram, fell) == (seal.HELD, 0)  # no tampering; and none that was not sealed is in force
    aside.keep(4, str(root))
    seal.give_up(fram)
    assert held(root, fram) == (seal.HELD, 0)
    put(root, "calibration.json", document({0x61: 0x5000}))
    assert held(root, fram) == (seal.HELD, 0)
    put(root, "calibration.json", document({0x61: 0x5000}, sealed=True))
    assert held(root, fram) == (seal.HELD, 0x5000)
    put(root, "calibration.json", document({0x61: 0x4000}, sealed=True))
    assert held(root, fram) == (seal.LOST, 0)


def test_a_list_in_the_file_system_alone_opens_no_seal(root):
    fram = Fram()
    put(root, "calibration.json", document({0x61: 0x7000}, sealed=True))
    held(root, fram)
    aside.keep(4, str(root))
    assert held(root, fram) == (seal.LOST, 0)
