# SPDX-License-Identifier: Apache-2.0
"""A meter on a port gets its identity. The board is a real MicroPython over a folder; whether a meter is whole is
judged by the firmware's own reading of that folder.

Not tested here: a real serial line, and LittleFS, whose files are whole or not there after a cut; here a cut write
leaves half, which is worse.
"""

import contextlib
import io
import json
import sys
import types

import pytest
from meter.core import codes
from meter.documents import load as firmware_made
from meter.drivers.atm90e32.ic import Atm90e32

from host_tests.stands.provision import INTERPRETER, UID, Bench, files
from scripts.provision import identity
from scripts.provision.board import Board
from scripts.provision.errors import BoardError, RefusedError
from scripts.provision.found import Found, refuse
from scripts.supplier.keys import KeySet
from scripts.supplier.signing import ORDER, SALE, SigningKeys

NUMBER = "00012345"
SIGNING = SigningKeys(SALE, {1: b"\x11" * 32}), SigningKeys(ORDER, {1: b"\x22" * 32})
MASTERS = KeySet({1: tuple(bytes([i]) * 15 + b"\x77" for i in range(6))}, *SIGNING)
ROLLED = KeySet(
    {**{1: MASTERS.masters(1)}, 2: tuple(bytes([0x80 + i]) * 15 + b"\x55" for i in range(6))}, *SIGNING
)  # fmt: skip
TRUST = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
TARIFF = {"name": "House", "currency": "EUR", "price": "0.25"}
SOURCE = identity.Source(MASTERS, "esp32_devkit", tariff=TARIFF, trust_key=TRUST)
SEALED = {"serial": "OTHER-7", "ic": "atm90e32", "current_scale": 1, "registers": {}, "sealed": True, "crc32": "0"}


@pytest.fixture(autouse=True)
def quick(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "board", types.SimpleNamespace(MeterIc=Atm90e32))
    monkeypatch.setattr(identity, "now_utc_s", lambda: 820_000_000)


@pytest.fixture
def bench(tmp_path):
    if not INTERPRETER.exists():
        pytest.skip("there is no 32-bit MicroPython here")
    made = []

    def start(cut_at=0, unplug_at=0):
        root = tmp_path / "board"
        root.mkdir(exist_ok=True)
        made.append(Bench(root, tmp_path / "loop.py", cut_at, unplug_at))
        return made[-1]

    yield start
    for one in made:
        one.close()


def meter(number=NUMBER, source=SOURCE, **changes):
    return identity.make(source, number, changes)


def provision(device, made, again=False):
    link = Board(device)
    found = link.look()
    made = found.as_there(made)
    changes = refuse(found, made, again)
    link.write(made, found)
    return changes


def had_before(root, number="OLD-1", provisioned=True):
    """A meter that has lived: documents of before, a tariff that waits, remains of a cut."""
    made = meter(number, identity.Source(ROLLED, "esp32_devkit", tariff=TARIFF, trust_key=b"\x11" * 32))
    for name, content in made.files.items():
        (root / name).write_bytes(content)
        if name.endswith(".json"):
            (root / (name[:-4] + "old")).write_bytes(content)
    if not provisioned:
        for name in ("settings.json", "settings.old"):
            (root / name).write_text(json.dumps({"meter_number": number}))
    (root / "later.json").write_bytes(made.files["tariff.json"])
    (root / "keys.new").write_bytes(made.files["keys.json"])
    return made


def as_the_firmware_reads(root):
    """(settings, tariff, later, keys, faults without the calibration's)."""
    with contextlib.redirect_stdout(io.StringIO()):
        cfg, tariff, later, keys, faults = firmware_made.read(str(root))
    return cfg, tariff, later, keys, faults & ~codes.FAULT_CALIBRATION


def is_whole(root, number=NUMBER, masters=MASTERS):
    cfg, tariff, later, keys, faults = as_the_firmware_reads(root)
    derived = (masters.newest, masters.card_key(masters.newest, number), masters.utility_key(masters.newest))
    return (
        (cfg.meter_number, cfg.provisioned, faults) == (number, True, 0)
        and (tariff.name, later) == ("House", None)
        and keys[:3] == derived
        and (root / "trust.key").read_bytes() == TRUST
    )


def test_a_new_board_becomes_the_meter(bench):
    device = bench()
    assert provision(device, meter()) == []
    assert is_whole(device.root)
    assert files(device.root) == meter().files


def test_a_second_time_writes_nothing(bench):
    device = bench()
    provision(device, meter())
    before = len(device.sent)
    assert provision(device, meter()) == []
    assert not any("'wb'" in code or "remove" in code for code in device.sent[before:])


def test_the_settings_are_written_last(bench):
    device = bench()
    provision(device, meter())
    written = [code.split("open('/")[1].split(".new")[0] for code in device.sent if "'wb'" in code]
    assert sorted(written) == sorted(meter().files) and written[-1] == "settings.json"


def cuts(bench, before, again):
    """Cut the power at each change of the file system in turn. Return the folder after each."""
    for n in range(1, 60):
        device = bench(cut_at=n)
        for path in device.root.iterdir():
            path.unlink()
        before(device.root)
        try:
            provision(device, meter(), again)
        except BoardError as e:
            assert "same command again" in str(e) and device.dead
        else:
            assert n > 8
            return
        yield device.root
    raise AssertionError("it never came to an end")


def test_power_cut_between_any_two_writes_leaves_a_new_meter_unprovisioned_or_whole(bench):
    for root in cuts(bench, lambda root: None, False):
        assert is_whole(root) or not as_the_firmware_reads(root)[0].provisioned
        provision(bench(), meter())
        assert is_whole(root)


def test_power_cut_between_any_two_writes_leaves_no_mixture_of_two_meters(bench):
    seen = set()
    for root in cuts(bench, had_before, True):
        cfg = as_the_firmware_reads(root)[0]
        was = cfg.meter_number == "OLD-1" and is_old(root)
        assert is_whole(root) or was or not cfg.provisioned
        seen.add((is_whole(root), was))
        provision(bench(), meter(), again=True)
        assert is_whole(root)
        assert not [name for name in files(root) if name.endswith((".old", ".new", ".bad", ".tmp"))]
    assert {(False, True), (False, False)} <= seen


def is_old(root):
    _, _, _, keys, _ = as_the_firmware_reads(root)
    return keys[1] == ROLLED.card_key(2, "OLD-1")


def test_nothing_of_the_meter_before_can_come_back(bench):
    device = bench()
    had_before(device.root)
    provision(device, meter(), again=True)
    assert files(device.root) == meter().files


def test_another_meter_is_refused_and_told_what_would_change(bench):
    device = bench()
    had_before(device.root, provisioned=False)
    before = files(device.root)
    with pytest.raises(RefusedError) as e:
        provision(device, meter())
    said = str(e.value)
    for words in ("OLD-1", f"becomes {NUMBER}", "keys are replaced (version 2 by 1)", "books", "--again"):
        assert words in said
    assert files(device.root) == before


def test_a_provisioned_meter_of_the_same_number_is_changed_only_again(bench):
    device = bench()
    provision(device, meter())
    with pytest.raises(RefusedError, match="its settings document changes"):
        provision(device, meter(alarm1="20.00"))
    assert is_whole(device.root)
    assert provision(device, meter(alarm1="20.00"), again=True) == ["its settings document changes"]


def test_an_unprovisioned_board_of_the_same_number_is_provisioned_without_a_word(bench):
    device = bench()
    had_before(device.root, NUMBER, provisioned=False)
    assert provision(device, meter()) == []
    assert is_whole(device.root)


def test_the_sealed_calibration_of_another_meter_is_refused(bench):
    device = bench()
    (device.root / "calibration.json").write_text(json.dumps(SEALED))
    with pytest.raises(RefusedError, match=r"OTHER-7.*FRAM is replaced"):
        provision(device, meter())


def test_the_sealed_calibration_of_this_meter_is_not(bench):
    device = bench()
    (device.root / "calibration.json").write_text(json.dumps({**SEALED, "serial": NUMBER}))
    provision(device, meter())
    assert is_whole(device.root) and (device.root / "calibration.json").exists()


@pytest.mark.parametrize("hostile", [b"", b"{", b"[]", b"\xff\xfe", b'{"meter_number":7}', b"[" * 5000, b'"x"'])
def test_settings_nobody_can_read_are_another_meters(bench, hostile):
    device = bench()
    (device.root / "settings.json").write_bytes(hostile)
    with pytest.raises(RefusedError, match="cannot be read"):
        provision(device, meter())
    provision(device, meter(), again=True)
    assert is_whole(device.root)


def test_settings_of_before_count_where_those_in_force_are_damaged(bench):
    device = bench()
    had_before(device.root)
    (device.root / "settings.json").write_bytes(b"{")
    found = Board(device).look()
    assert (found.number, found.provisioned) == ("OLD-1", True)


def test_keys_that_are_there_are_not_written_again_for_the_time_they_were_made_at(bench, monkeypatch):
    device = bench()
    provision(device, meter())
    before = (device.root / "keys.json").read_bytes()
    monkeypatch.setattr(identity, "now_utc_s", lambda: 4_000_000_000)
    assert provision(device, meter()) == []
    assert (device.root / "keys.json").read_bytes() == before
    provision(device, meter(source=identity.Source(ROLLED, "esp32_devkit", None, TARIFF, TRUST)), again=True)
    assert json.loads((device.root / "keys.json").read_text())["made"] == 4_000_000_000


OLD = json.dumps({"version": 1, "card_key": "00" * 16, "utility_key": "00" * 16}).encode()  # before keys for signatures


@pytest.mark.parametrize("hostile", [b"", b"[]", b'{"version":1,"card_key":"zz"}', b"{}", b'{"previous":3}', OLD])
def test_damaged_keys_are_looked_at_without_harm(bench, hostile):
    device = bench()
    (device.root / "keys.json").write_bytes(hostile)
    assert Board(device).look().key_version is None


def test_the_port_gone_at_any_call_is_an_error_in_words_and_the_next_run_finishes(bench):
    for n in range(1, 40):
        device = bench(unplug_at=n)
        for path in device.root.iterdir():
            path.unlink()
        try:
            provision(device, meter())
        except BoardError as e:
            assert "went away" in str(e)
        else:
            assert n >= 8
            return
        assert is_whole(device.root) or not as_the_firmware_reads(device.root)[0].provisioned
        provision(bench(), meter())
        assert is_whole(device.root)


def test_what_reads_back_differently_is_found_before_the_meter_is_provisioned(bench):
    device = bench()
    genuine = device.put

    def put(path, content):
        genuine(path, content[:-1] + b"!" if path == "/keys.json" else content)

    device.put = put
    with pytest.raises(BoardError, match=r"keys\.json reads back differently"):
        provision(device, meter())
    assert not as_the_firmware_reads(device.root)[0].provisioned


def test_a_board_whose_chip_is_another_is_refused(bench):
    device = bench()
    found = Board(device).look()
    assert found.uid == UID.hex()
    other = Found(found.uid, "Generic ESP32S3 module with ESP32S3", {})
    with pytest.raises(RefusedError, match="ESP32S3"):
        refuse(other, meter(), True)
    assert refuse(Found("", "Generic ESP32 module with ESP32", {}), meter(), False) == []


def test_no_key_is_in_an_error_even_if_the_tool_quotes_what_it_sent(bench):
    keys = json.loads(meter().files["keys.json"])
    for n in range(1, 30):
        device = bench(cut_at=n)
        for path in device.root.iterdir():
            path.unlink()
        with contextlib.suppress(BoardError):
            try:
                provision(device, meter())
            except BoardError as e:
                said = str(e) + repr(e.__cause__) + repr(meter())
                for key in (keys["card_key"], keys["utility_key"]):
                    assert not any(key[i : i + 8] in said for i in range(0, 24, 4))
                raise
            return


def test_looking_at_a_board_brings_no_key_off_it(bench):
    device = bench()
    provision(device, meter())
    said = []
    genuine = device._exec
    device._exec = lambda code: said.append(genuine(code)) or said[-1]
    found = Board(device).look()
    keys = json.loads(meter().files["keys.json"])
    assert found.key_version == 1 and set(found.key_sums) == {"card_key", "utility_key", "sale", "order"}
    assert not any(keys["card_key"] in text or keys["card_key"].encode().hex() in text for text in said)
