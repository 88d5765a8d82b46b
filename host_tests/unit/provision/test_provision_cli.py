# SPDX-License-Identifier: Apache-2.0
"""The commands from end to end, on a board that is a real MicroPython over a folder: what people type, see and are
refused, and that no secret is in any of it.

Not tested here: a serial port; what the firmware says after the restart is a script.
"""

import base64
import contextlib
import functools
import io
import json
import os
import struct
import sys
import types
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from meter.commands import change
from meter.documents import load as firmware_made
from meter.drivers.atm90e32.ic import Atm90e32
from meter.storage import seal
from typer.testing import CliRunner

from host_tests.stands.provision import INTERPRETER, SEAL_AT, Bench, files
from host_tests.unit.provision.test_provision_board import MASTERS, NUMBER, ROLLED, TARIFF, TRUST, is_whole, meter
from scripts.board import console as start_console
from scripts.board.errors import PortError
from scripts.bundle import format as bundles
from scripts.bundle import keys as bundle_keys
from scripts.calibrate import document as calibrations
from scripts.provision import console
from scripts.provision.cli import app
from scripts.supplier import keyfile
from scripts.supplier.keys import KeySet

pytest.importorskip("segno")

PASSPHRASE = "correct horse"
# Whose public half TRUST is (RFC 8032, 7.1, test 1).
OPERATOR = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
SELFTEST = "SELFTEST board=esp32_devkit version=0.6.0 keys=ok settings=ok storage=ok display=missing result=fail"
HOUSE = ("--tariff", "tariff.json", "--trust", "trust.pub")
COMMANDS = "meter seal label batch check".split()


@pytest.fixture(autouse=True)
def desk(loaded, tmp_path, monkeypatch):
    assert change  # loaded before `loaded` looks
    monkeypatch.setitem(sys.modules, "board", types.SimpleNamespace(MeterIc=Atm90e32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", PASSPHRASE)
    for name in ("KEYS", "JOURNAL", "PORT", "TRUST"):
        monkeypatch.delenv(f"PENNYWATT_{name}", raising=False)
    keyfile.save(Path("vend-keys.json"), MASTERS, PASSPHRASE, log2_n=4)
    Path("tariff.json").write_text(json.dumps(TARIFF))
    Path("trust.pub").write_bytes(TRUST)
    return tmp_path


@pytest.fixture
def board(desk, monkeypatch):
    """The board on port `it`; each command opens it again. `says`: its console after a restart. restarts: how many,
    whatever asked for them; at each `firmware` runs."""
    if not INTERPRETER.exists():
        pytest.skip("there is no 32-bit MicroPython here")
    root = desk / "board"
    root.mkdir()
    it = types.SimpleNamespace(root=root, says=["selftest: hello", SELFTEST], fram=bytearray(b"\xff" * 0x8000),
                               opened=[], cut_at=0, restarts=0, firmware=lambda: None)  # fmt: skip

    def restart():
        it.restarts += 1
        it.firmware()

    def start(port):
        made = Bench(root, desk / "loop.py", it.cut_at)
        made.fram = it.fram
        made.on_reset = restart
        it.opened.append(made)
        return made

    class Lines:
        def __init__(self, port):
            restart()
            self.left = list(it.says)

        def read(self, until):
            return self.left.pop(0) if self.left else None

        def close(self):
            pass

    monkeypatch.setattr("scripts.provision.board.open_device", start)
    monkeypatch.setattr("scripts.board.console.restart", Lines)
    monkeypatch.setattr("scripts.provision.sealing._SETTLE_S", 0)
    yield it
    for made in it.opened:
        made.close()


def provision(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def asked(*words, code=0):
    return json.loads(provision(*words, "--json", code=code).stdout)


def refused(*words, code=2):
    result = provision(*words, code=code)
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("provision: ") and said.endswith(".")
    return said


def calibrated(root, number=NUMBER):
    document = calibrations.make(number, 1, {0x61: 0x8123, 0x62: 0x7FF0})
    (root / "calibration.json").write_text(json.dumps(document))
    return document


def firmware_by(board, key, slot=1):
    """A slot with firmware signed with this key, and a boot state that has it in force."""
    head = bundles.head_of(bundles.seal({"meter/__init__.mpy": b"M"}, "esp32_devkit", "1.0.0", key))
    place = board.root / " ab"[slot]
    place.mkdir(exist_ok=True)
    (place / "manifest").write_bytes(head)
    heads = [sha256(head).digest() if n == slot else bytes(32) for n in (1, 2)]
    state = struct.pack("<4s4B32s32s12x", b"PWS2", slot, 0, 0, 0, *heads)
    (board.root / "boot.bin").write_bytes(state + struct.pack("<I", zlib.crc32(state)))


def fit_for_a_house(board):
    """Provisioned, calibrated, sealed, and with firmware of the operator's."""
    for name, content in meter().files.items():
        (board.root / name).write_bytes(content)
    firmware_by(board, OPERATOR)
    document = calibrations.sealed(calibrated(board.root))
    (board.root / "calibration.json").write_text(json.dumps(document))
    board.firmware = firmware_of(board)
    board.firmware()


class Fram:
    """The part where the firmware's storage looks for it."""

    def __init__(self, content):
        self.content = content

    def read_into(self, offset, buf):
        buf[:] = self.content[offset : offset + len(buf)]

    def write(self, offset, buf):
        self.content[offset : offset + len(buf)] = buf

    keep = write


def firmware_of(board):
    """What a start of the firmware does about the seal, by its own code."""

    def start():
        with contextlib.redirect_stdout(io.StringIO()):
            cfg = firmware_made.read(str(board.root))[0]
        seal.hold(Fram(board.fram), cfg)

    return start


# -- meter ----------------------------------------------------------------------------------------


def test_a_board_becomes_a_meter_and_is_restarted_once(board):
    said = provision("meter", NUMBER, "--port", "it", *HOUSE)
    assert is_whole(board.root) and board.restarts == 1 and board.opened[0].closed
    assert NUMBER in said.stdout and "display=missing: the display: check its supply" in said.stderr


def test_the_same_as_json(board):
    said = asked("meter", NUMBER, "--port", "it", *HOUSE)
    assert said["number"] == NUMBER and said["provisioned"] and said["key_version"] == 1
    assert said["selftest"]["display"] == "missing" and set(said["files"]) == set(files(board.root))


def test_a_meter_that_comes_up_without_its_keys_is_an_error(board):
    board.says = [SELFTEST.replace("keys=ok", "keys=none")]
    assert "came up without the keys" in refused("meter", NUMBER, "--port", "it", *HOUSE, code=1)


def test_a_meter_whose_port_is_taken_meanwhile_is_not_left_stopped(board, monkeypatch):
    def busy(port):
        raise PortError("Another program uses it.")

    monkeypatch.setattr("scripts.board.console.restart", busy)
    assert "Another program" in refused("meter", NUMBER, "--port", "it", *HOUSE, code=1)
    assert is_whole(board.root) and board.restarts == 1


def test_a_meter_that_says_nothing_is_an_error(board, monkeypatch):
    board.says = []
    soon = functools.partial(start_console.follow, start_s=0.5)  # its clock is the wall's
    monkeypatch.setattr(start_console, "follow", soon)
    assert "how it came up is not known" in refused("meter", NUMBER, "--port", "it", *HOUSE, code=1)
    assert is_whole(board.root)


def test_another_meter_is_refused_restarted_and_as_it_was(board):
    provision("meter", "OTHER", "--port", "it", *HOUSE)
    before = files(board.root)
    assert "is meter OTHER, provisioned" in refused("meter", NUMBER, "--port", "it", *HOUSE)
    assert files(board.root) == before and board.opened[-1].resets == 1
    said = provision("meter", NUMBER, "--port", "it", *HOUSE, "--again")
    assert f"OTHER becomes {NUMBER}" in said.stderr and is_whole(board.root)


def test_a_crash_before_the_number_was_noted_is_made_up_for(board, monkeypatch):
    def crash(book, *args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scripts.supplier.journal.Journal.settle", crash)
        provision("meter", NUMBER, "--port", "it", *HOUSE, code=130)
    assert is_whole(board.root)
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    assert "was given on" in refused("meter", NUMBER, "--documents", "d", *HOUSE)


def test_a_power_cut_is_an_error_and_the_same_command_again_finishes(board):
    board.cut_at = 6
    assert "same command again" in refused("meter", NUMBER, "--port", "it", *HOUSE, code=1)
    board.cut_at = 0
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    assert is_whole(board.root)


def test_older_keys_do_not_replace_newer_ones_by_themselves(board, desk):
    keyfile.save(Path("new.json"), ROLLED, PASSPHRASE, log2_n=4)
    provision("meter", NUMBER, "--port", "it", *HOUSE, "--keys", "new.json")
    assert "version 2" in refused("meter", NUMBER, "--port", "it", *HOUSE, "--again")
    provision("meter", NUMBER, "--port", "it", *HOUSE, "--again", "--key-version", "1")
    assert is_whole(board.root)


def test_a_folder_is_what_make_image_takes(desk):
    from scripts.image.image import read_documents

    provision("meter", NUMBER, "--documents", "d", *HOUSE)
    documents = read_documents([str(path) for path in sorted(Path("d").iterdir())], "esp32_devkit", False)
    assert set(documents) == {"settings.json", "tariff.json", "keys.json", "trust.key"}
    assert is_whole(Path("d"))


def test_a_development_board_gets_demo_keys_and_is_never_provisioned(board):
    said = asked("meter", NUMBER, "--port", "it", "--demo")
    assert said["provisioned"] is False and not Path("provision-journal.sqlite").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--documents", "d", "--keys", "demo", *HOUSE), "Everybody knows"),
        (("--documents", "d"), "--tariff"),
        (("--documents", "d", "--tariff", "tariff.json"), "--trust"),
        (("--documents", "d", *HOUSE, "--port", "it"), "Say where to"),
        (HOUSE, "Say where to"),
        (("--documents", "d", *HOUSE, "--keys", "none.json"), "no key file"),
        (("--documents", "d", *HOUSE, "--settings", "none.json"), "cannot be read"),
        (("--documents", "d", *HOUSE, "--board", "toaster"), "no board toaster"),
        (("--documents", "d", *HOUSE, "--key-version", "9"), "version 9"),
    ],
)
def test_what_is_missing_or_wrong_is_refused_before_anything_is_written(words, why):
    before = set(os.listdir())
    assert why in refused("meter", NUMBER, *words)
    assert set(os.listdir()) == before


def test_a_wrong_passphrase_opens_nothing(monkeypatch):
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "wrong horse")
    said = refused("meter", NUMBER, "--documents", "d", *HOUSE)
    assert "passphrase does not open" in said and "horse" not in said
    assert not Path("d").exists() and not Path("provision-journal.sqlite").exists()


# -- check ----------------------------------------------------------------------------------------


def wrong_with(board):
    """What check says of a meter that is not for a house."""
    return asked("check", "--port", "it", code=1)["wrong"]


def test_check_says_who_a_meter_is_and_that_it_is_fit_for_a_house(board):
    fit_for_a_house(board)
    before = board.restarts
    said = asked("check", "--port", "it")
    assert (said["number"], said["provisioned"], said["key_version"]) == (NUMBER, True, 1)
    assert (said["tariff"], said["demo_keys"], said["wrong"]) == ("House", False, [])
    assert said["calibration"] == "sealed, FRAM: held" and board.restarts == before + 1


def test_check_finds_a_provisioned_meter_without_a_calibration(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    firmware_by(board, OPERATOR)
    (only,) = wrong_with(board)
    assert "no calibration" in only and "make calibrate" in only


def test_check_finds_a_calibration_that_is_not_sealed(board):
    fit_for_a_house(board)
    calibrated(board.root)
    (only,) = wrong_with(board)
    assert "not sealed" in only and "provision seal" in only


def test_check_finds_a_calibration_that_the_meter_refuses(board):
    fit_for_a_house(board)
    calibrated(board.root, "OTHER")
    (only,) = wrong_with(board)
    assert "another meter" in only and "Calibrate it again" in only


@pytest.mark.parametrize(
    "kept, words",
    [
        (b"\xff" * 40, ("does not hold the seal", "provision seal")),
        (None, ("another calibration", "replace the FRAM")),
        (b"\x50" * 40, ("cannot be read", "Check the FRAM")),
    ],
    ids=["empty", "another", "damaged"],
)
def test_check_finds_a_seal_that_the_fram_does_not_hold(board, kept, words):
    fit_for_a_house(board)
    if kept:
        board.fram[SEAL_AT:] = kept
    else:
        seal.write(Fram(board.fram), bytes(32))
    (only,) = wrong_with(board)
    assert all(word in only for word in words)


def test_check_takes_a_sealed_document_for_enough_on_a_board_without_fram(board):
    board.says = [SELFTEST.replace("esp32_devkit", "esp32_nofram")]
    provision("meter", NUMBER, "--port", "it", *HOUSE, "--board", "esp32_nofram")
    firmware_by(board, OPERATOR)
    calibrated(board.root)
    provision("seal", "--port", "it", "--board", "esp32_nofram")
    assert asked("check", "--port", "it", "--board", "esp32_nofram")["calibration"] == "sealed, FRAM: no FRAM"


def test_check_asks_no_calibration_and_no_signature_of_a_development_board(board):
    provision("meter", NUMBER, "--port", "it", "--demo")
    (board.root / "trust.key").write_bytes(TRUST)
    said = " ".join(wrong_with(board))
    assert "not provisioned" in said and "make calibrate" not in said and "not signed" not in said.lower()


def test_check_finds_running_firmware_that_the_meters_key_has_not_signed(board):
    fit_for_a_house(board)
    firmware_by(board, bundle_keys.demo_key())
    (only,) = wrong_with(board)
    assert "not signed with the key it trusts" in only and "make deploy" in only


def test_check_looks_at_the_slot_in_force(board):
    fit_for_a_house(board)
    firmware_by(board, bundle_keys.demo_key(), slot=2)
    assert "not signed" in wrong_with(board)[0]
    firmware_by(board, bundle_keys.demo_key(), slot=1)
    firmware_by(board, OPERATOR, slot=2)
    assert asked("check", "--port", "it")["wrong"] == []


def test_check_of_a_meter_whose_boot_state_is_lost_takes_any_slot_that_is_signed_as_the_loader_does(board):
    fit_for_a_house(board)
    (board.root / "a/manifest").rename(board.root / "manifest")
    firmware_by(board, OPERATOR, slot=2)
    (board.root / "boot.bin").unlink()
    assert asked("check", "--port", "it")["wrong"] == []


def test_check_finds_a_slot_whose_manifest_is_none(board):
    fit_for_a_house(board)
    for content in (b"", b"PWB1", b"PWB1" + bytes(66), b"\xff" * 300):
        (board.root / "a/manifest").write_bytes(content)
        assert "not signed" in wrong_with(board)[0]
    (board.root / "a/manifest").unlink()
    assert "not signed" in wrong_with(board)[0]


def test_check_of_a_board_nobody_knows_is_refused_with_those_there_are():
    assert "esp32_devkit" in refused("check", "--port", "it", "--board", "toaster")


def test_check_finds_demo_keys_and_fails(board):
    provision("meter", NUMBER, "--port", "it", "--demo")
    said = asked("check", "--port", "it", code=1)
    assert said["demo_keys"] and any("demo keys" in text for text in said["wrong"])


def test_check_finds_demo_keys_that_were_put_on_a_provisioned_meter(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    (board.root / "keys.json").write_text(json.dumps(KeySet.demo().meter_document(NUMBER)))
    assert asked("check", "--port", "it", code=1)["demo_keys"]


def test_check_of_an_empty_board_fails_in_words(board):
    said = provision("check", "--port", "it", code=1)
    for words in ("nobody yet", "no keys", "no tariff", "nobody's firmware"):
        assert words in said.stderr


def test_check_finds_the_key_everybody_signs_bundles_with(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    (board.root / "trust.key").write_bytes(bundle_keys.public_bytes(bundle_keys.demo_key()))
    assert "demo key" in asked("check", "--port", "it", code=1)["wrong"][0]


def test_check_changes_nothing(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    before = files(board.root)
    provision("check", "--port", "it", code=1)
    assert files(board.root) == before


# -- seal -----------------------------------------------------------------------------------------


def test_a_provisioned_and_calibrated_meter_is_sealed_and_its_fram_holds_the_seal(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    calibrated(board.root)
    board.firmware = firmware_of(board)
    assert asked("seal", "--port", "it")["seal"] == "held"
    assert json.loads((board.root / "calibration.json").read_text())["sealed"] is True


def test_sealing_restarts_a_meter_once_to_write_the_seal_and_once_after_looking_at_it(board):
    fit_for_a_house(board)
    before = board.restarts
    provision("seal", "--port", "it")
    assert board.restarts == before + 2


def test_sealing_again_is_no_harm(board):
    test_a_provisioned_and_calibrated_meter_is_sealed_and_its_fram_holds_the_seal(board)
    before = files(board.root), bytes(board.fram)
    provision("seal", "--port", "it")
    assert (files(board.root), bytes(board.fram)) == before


def test_a_meter_without_number_or_calibration_is_not_sealed(board):
    assert "not provisioned" in refused("seal", "--port", "it")
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    assert "no calibration" in refused("seal", "--port", "it")
    calibrated(board.root, "OTHER")
    assert "another meter" in refused("seal", "--port", "it")


def test_a_fram_that_holds_another_seal_is_refused_before_anything_is_written(board):
    test_a_provisioned_and_calibrated_meter_is_sealed_and_its_fram_holds_the_seal(board)
    calibrated(board.root)
    seal.write(Fram(board.fram), bytes(32))
    before = files(board.root)
    assert "another calibration" in refused("seal", "--port", "it")
    assert files(board.root) == before


def test_a_seal_that_did_not_get_into_the_fram_is_an_error(board):
    provision("meter", NUMBER, "--port", "it", *HOUSE)
    calibrated(board.root)
    assert "does not hold the seal" in refused("seal", "--port", "it", code=1)
    assert board.fram[SEAL_AT:] == b"\xff" * 40


def test_a_board_without_fram_is_sealed_by_its_document_alone_and_that_is_said(board):
    board.says = [SELFTEST.replace("esp32_devkit", "esp32_nofram")]
    provision("meter", NUMBER, "--port", "it", *HOUSE, "--board", "esp32_nofram")
    calibrated(board.root)
    assert "no FRAM" in provision("seal", "--port", "it", "--board", "esp32_nofram").stdout


# -- the rest -------------------------------------------------------------------------------------


def test_a_table_becomes_folders_and_a_list_and_one_bad_row_is_exit_code_1():
    Path("t.csv").write_text("number\n1\nbad!\n")
    said = provision("batch", "t.csv", "--out", "many", *HOUSE, code=1)
    assert "1 made, 1 refused" in said.stdout and set(os.listdir("many")) == {"1"}
    Path("t.csv").write_text("number\n1\n2\n")
    assert asked("batch", "t.csv", "--out", "many", *HOUSE)["counts"] == {"made": 1, "there already": 1, "refused": 0}


def test_a_label_is_a_file_and_what_its_code_says():
    said = asked("label", NUMBER, "--firmware", "0.6.0", "--year", "2026")
    assert said == {"file": f"{NUMBER}.svg", "says": f"PENNYWATT1;N={NUMBER};B=esp32_devkit;F=0.6.0;Y=2026"}
    assert Path(said["file"]).read_text().startswith("<?xml")


def test_help_names_every_command_and_no_option_takes_a_secret():
    said = provision("--help").stdout
    assert all(command in said for command in COMMANDS)
    for command in COMMANDS:
        assert "--passphrase " not in provision(command, "--help").stdout


def test_parts_the_firmware_names_are_known_here():
    report = dict(word.split("=") for word in SELFTEST.split()[1:])
    assert set(console._IDENTITY) <= set(report)


def secrets():
    """Every secret of this desk, in every form it could be written in."""
    raw = {m for v in (1,) for m in MASTERS.masters(v)} | {MASTERS.sale.seed(), MASTERS.order.seed()}
    for number in (NUMBER, "1", "2"):
        document = MASTERS.meter_document(number)
        raw |= {bytes.fromhex(document["card_key"]), bytes.fromhex(document["utility_key"])}
    for key in raw:
        yield from (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key).rstrip(b"="))
        yield key.hex()[:16].encode()
        yield repr(list(key)).encode()
    yield PASSPHRASE.encode()


def test_no_secret_is_in_any_output_label_journal_or_file_but_keys_json(board, desk):
    Path("t.csv").write_text("number\n1\n2\n")
    said = []

    def run(*words, code=0):
        result = provision(*words, code=code)
        said.append((result.stdout + result.stderr + repr(result.exception)).encode())

    for extra in ((), ("--json",)):
        run("meter", NUMBER, "--port", "it", *HOUSE, *extra)
        calibrated(board.root)
        board.firmware = firmware_of(board)
        run("seal", "--port", "it", *extra)
        run("check", "--port", "it", *extra, code=1)
        run("meter", "OTHER", "--port", "it", *HOUSE, *extra, code=2)
        run("batch", "t.csv", "--out", "many", *HOUSE, *extra)
        run("label", NUMBER, *extra)
        board.cut_at = 6
        run("meter", NUMBER, "--port", "it", *HOUSE, "--settings", "s.json", "--again", *extra, code=2)
        Path("s.json").write_text('{"alarm1": "9.00"}')
        run("meter", NUMBER, "--port", "it", *HOUSE, "--settings", "s.json", "--again", *extra, code=1)
        board.cut_at = 0
        run("meter", NUMBER, "--port", "it", *HOUSE, "--again", *extra)
        Path("s.json").unlink()
    kept = [p.read_bytes() for p in desk.rglob("*") if p.is_file() and p.name != "keys.json"]
    assert len(kept) > 10
    for text in said + kept:
        assert not [secret for secret in secrets() if secret in text]


def test_only_the_owner_may_read_the_folder_and_the_journal():
    provision("meter", NUMBER, "--documents", "d", *HOUSE)
    for path in (Path("d"), *Path("d").iterdir(), Path("provision-journal.sqlite")):
        assert path.stat().st_mode & 0o077 == 0
