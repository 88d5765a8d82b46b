# SPDX-License-Identifier: Apache-2.0
"""`flash` and `deploy` from the first byte to the self-test: esptool against the ROM loader's model, then mpremote
against a real MicroPython on the same port. Loader and firmware are stand-ins of a few lines (stands/flash.py).

And what each failure says: its exit code, its sentence, its name in JSON.
"""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from host_tests.stands.flash import FILES, MAIN, devkit, micropython, needs_board, pinned
from host_tests.stands.rom_loader import Loader
from host_tests.stands.wasm_repl import NEW_DS3231, Board
from scripts import bundle
from scripts.board import console, ports
from scripts.board.errors import StartError
from scripts.flash import download, install, rom
from scripts.flash.cli import app
from scripts.image import boards as boards_module
from scripts.image.partition_table import encode

IMAGE = micropython()
HALF = {"/boot.py": FILES["boot.py"], "/boot/loader.mpy": FILES["boot/loader.mpy"], "/boot.bin": b"s"}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    board = pinned(devkit(), IMAGE)
    monkeypatch.setattr(boards_module, "load", lambda name, place=False: board)
    loads(monkeypatch)
    monkeypatch.setattr(bundle, "build", sealed)


def sealed(board="esp32_devkit", version="1.2.3", key=None):
    return bundle.seal({"meter/__init__.mpy": bytes(3000)}, board, version, key or bundle.demo_key())


def loads(monkeypatch, **files):
    """The loader, with other files in place of its own."""
    monkeypatch.setattr(bundle, "loader_files", lambda board, public: {**FILES, "trust.key": public, **files})


def public_of(key):
    return bundle.public_bytes(key)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "micropython.bin"
    path.write_bytes(IMAGE)
    return str(path)


@pytest.fixture
def running(tmp_path):
    """running(files, …): a board that has MicroPython."""
    made = []

    def make(*args, **kwargs):
        made.append(Board(tmp_path, *args, **kwargs, blocks=256))
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def bare(folder, running, **kwargs):
    """A bare board: its ROM loader, and once it is written and left, MicroPython at the same port."""
    later = SimpleNamespace(board=None, chip=None)

    def starts():
        later.board = running(**kwargs)

    later.chip = Loader(folder, then=starts)
    try:
        yield later
    finally:
        later.chip.close()


def run(*args, code=0):
    done = CliRunner().invoke(app, list(args))
    assert done.exit_code == code, done.output
    return done


# -- done -----------------------------------------------------------------------------------------


@needs_board
def test_flash_brings_a_bare_board_up(tmp_path, running, image):
    with bare(tmp_path, running, ds3231=NEW_DS3231) as it:
        done = run("flash", "--port", it.chip.port, "--firmware", image, "--version", "1.2.3")
        files, state = it.board.files, it.board.look()["state"]
    assert it.chip.broken_rules == []
    assert it.chip.flash[0x10000 : 0x1000 + len(IMAGE)] == IMAGE[0xF000:]
    demo = {"trust.key": public_of(bundle.demo_key())}
    assert {path: files[path] for path in files if path != "/boot.bin"} == install.absolute({**FILES, **demo})
    assert it.board.resets == ["hard"]
    assert bytes.fromhex(state["ds3231"])[0x0F] & 0x80 == 0 and state["rtc"][:4] >= "2026"
    said = " ".join(done.stdout.split())
    assert "display │ not found" in said and "metering IC │ ok" in said and "SCL=22" in said
    assert "and its DS3231, too" in said
    assert "Not there or not right yet: display, clock, card, keys." in said


@pytest.fixture
def real_loader(monkeypatch):
    """The meter's own loader in place of the stand-in. Makes bundles for it, whose firmware is two lines."""
    monkeypatch.undo()
    source = "def run():\n print('SELFTEST board=esp32_devkit version=1.2.3 slot=a storage=ok result=ok')\n"
    files = {"meter/__init__.mpy": bundle.compile_mpy(source.encode(), "meter")}

    def make(oldest="1.24"):
        monkeypatch.setattr("scripts.bundle.format.OLDEST", oldest)
        return bundle.seal(files, "esp32_devkit", "1.2.3", bundle.demo_key())

    return make


def real_loader_files():
    """All but what starts it: without firmware it would wait for ten minutes, and nothing stops this interpreter."""
    files = install.absolute(bundle.loader_files("esp32_devkit", bundle.public_bytes(bundle.demo_key())))
    return {path: content for path, content in files.items() if path != "/boot.py"}


@needs_board
def test_the_meters_own_loader_installs_a_bundle_that_was_deployed(running, real_loader, tmp_path):
    (tmp_path / "good.pwb").write_bytes(real_loader())
    board = running(real_loader_files())
    said = json.loads(run("deploy", "--port", board.port, "--bundle", str(tmp_path / "good.pwb"), "--json").stdout)
    assert said["changed"] == ["/boot.py"]
    assert said["version"] == said["selftest"]["version"] == "1.2.3" and said["loader"][-1].endswith("in slot a")
    assert {"/a/manifest", "/a/meter/__init__.mpy", "/boot.bin"} <= board.files.keys()
    assert "/deploy.pwb" not in board.files


@needs_board
def test_deploy_writes_the_bundle_and_only_what_differs_of_the_loader(running):
    demo = {"trust.key": public_of(bundle.demo_key())}
    there = install.absolute({**FILES, **demo}) | {"/boot.py": b"# older\n", "/boot.bin": b"s"}
    board = running(there)
    said = json.loads(run("deploy", "--port", board.port, "--version", "1.2.3", "--json").stdout)
    assert said["changed"] == ["/boot.py"] and said["version"] == "1.2.3"
    assert said["selftest"]["heap"] == "61234" and said["selftest"]["newkey"] == "x"
    assert said["missing"] == ["display", "clock", "card", "keys"] and "SCL=22" in said["hints"][0]
    assert said["loader"] == ["version 1.2.3 goes into slot a", "installed"]
    assert board.files["/boot.py"] == FILES["boot.py"] and "/deploy.pwb" not in board.files
    assert board.resets == ["hard"]


def test_what_starts_the_board_comes_last_so_that_a_cable_pulled_before_leaves_no_half_loader():
    put = []

    class Recorder:
        def hashes(self, paths):
            return [""] * len(paths)

        def get(self, path):
            return None

        def put(self, path, content, progress):
            put.append(path)

    files = {"/main.py": b"", "/boot.py": b"", "/trust.key": public_of(bundle.demo_key()), "/boot/loader.mpy": b""}
    install.put(Recorder(), install.Plan(files, sealed(), "1.2.3"), lambda what, size: None)
    assert put == ["/boot/loader.mpy", "/trust.key", "/boot.py", "/main.py", "/deploy.pwb"]


OPERATOR = Ed25519PrivateKey.from_private_bytes(b"the operator of somebody's grid.")


@needs_board
def test_a_bundle_made_elsewhere_needs_no_private_key_on_a_board_that_knows_its_public_half(running, tmp_path):
    (tmp_path / "x.pwb").write_bytes(sealed(key=OPERATOR))
    board = running(HALF | {"/trust.key": public_of(OPERATOR)})
    said = json.loads(run("deploy", "--port", board.port, "--bundle", str(tmp_path / "x.pwb"), "--json").stdout)
    assert said["version"] == "1.2.3" and "/trust.key" not in said["changed"]
    assert board.files["/trust.key"] == public_of(OPERATOR)


@needs_board
def test_a_bare_board_is_told_by_trust_whose_bundles_it_takes(running, tmp_path):
    (tmp_path / "x.pwb").write_bytes(sealed(key=OPERATOR))
    (tmp_path / "op.pub").write_bytes(public_of(OPERATOR))
    board = running(HALF)
    done = run("deploy", "--port", board.port, "--bundle", str(tmp_path / "x.pwb"), code=1)
    assert "This board knows no key yet" in done.stderr and "--trust" in done.stderr
    run("deploy", "--port", board.port, "--bundle", str(tmp_path / "x.pwb"), "--trust", str(tmp_path / "op.pub"))
    assert board.files["/trust.key"] == public_of(OPERATOR)


def test_a_bundle_by_another_key_than_the_one_named_is_refused_before_the_board_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "check", lambda port: None)
    (tmp_path / "x.pwb").write_bytes(sealed())
    (tmp_path / "op.pub").write_bytes(public_of(OPERATOR))
    done = run(
        "deploy", "--port", "x", "--bundle", str(tmp_path / "x.pwb"), "--trust", str(tmp_path / "op.pub"), code=1
    )
    assert "was signed with another key than" in done.stderr


# -- refused --------------------------------------------------------------------------------------


@needs_board
def test_a_bundle_the_loader_refuses_is_a_failure_with_its_words(running, real_loader, tmp_path):
    (tmp_path / "new.pwb").write_bytes(real_loader("9.9"))
    board = running(real_loader_files())
    done = run("deploy", "--port", board.port, "--bundle", str(tmp_path / "new.pwb"), "--json", code=1)
    said = json.loads(done.stdout)
    assert said["kind"] == "bundle_refused"
    assert said["error"].startswith("The board refused the bundle: it needs MicroPython 9.9")


@needs_board
def test_a_board_that_comes_up_with_another_version_is_a_failure(running):
    done = run("deploy", "--port", running(HALF | {"/main.py": MAIN}).port, "--version", "2.0.0", code=1)
    assert "The board runs version 1.2.3 in slot a, and not the 2.0.0 it was given" in done.stderr


def test_a_version_that_fell_back_to_the_same_number_in_the_other_slot_is_a_failure(monkeypatch):
    said = ["loader: version 1.2.3 goes into slot b", "loader: installed", "ValueError: no", "loader: version 1.2.3 in"
            " slot a", "SELFTEST board=esp32_devkit version=1.2.3 slot=a result=ok"]  # fmt: skip
    lines = SimpleNamespace(read=lambda until: said.pop(0), close=lambda: None)
    monkeypatch.setattr(console, "restart", lambda port: lines)
    with pytest.raises(StartError, match="in slot a, and not the"):
        install.restart(SimpleNamespace(port="x"), install.Plan({}, b"", "1.2.3"))


@needs_board
def test_a_board_with_another_key_is_not_given_ours(running):
    board = running({"/trust.key": b"another key of 32 bytes, or not.", "/boot.bin": b"s"})
    done = run("deploy", "--port", board.port, code=1)
    assert "takes firmware signed with another key" in done.stderr and "(--key)" in done.stderr
    assert "/deploy.pwb" not in board.files and "/boot.py" not in board.files
    assert board.resets == ["hard"]  # a meter that was stopped for this meters again


@needs_board
def test_a_firmware_that_stops_is_a_failure_with_its_last_words(running, monkeypatch):
    loads(monkeypatch, **{"main.py": b"import nothing_there\n"})
    done = run("deploy", "--port", running(HALF).port, code=1)
    assert "did not come up: it stopped with ImportError: no module named 'nothing_there'" in done.stderr


@needs_board
def test_a_firmware_that_ends_is_a_failure(running, monkeypatch):
    loads(monkeypatch, **{"main.py": b""})
    done = run("deploy", "--port", running(HALF).port, code=1)
    assert "The firmware did not come up: main.py came to its end." in done.stderr and "Traceback" not in done.stderr


@needs_board
def test_a_wrong_chip_is_found_before_anything_is_erased(tmp_path, image):
    chip = Loader(tmp_path, "esp32s3", 8)
    before = bytes(chip.flash)
    done = run("flash", "--port", chip.port, "--firmware", image, "--json", code=1)
    assert json.loads(done.stdout)["kind"] == "chip" and chip.flash == before
    chip.close()


@needs_board
def test_an_image_that_is_not_the_pinned_one_is_named_with_both_sums_and_nothing_is_erased(tmp_path, image):
    with open(image, "ab") as f:
        f.write(b"x")
    chip = Loader(tmp_path)
    before = bytes(chip.flash)
    done = run("flash", "--port", chip.port, "--firmware", image, code=1)
    assert download.digest(IMAGE) in done.stderr and download.digest(IMAGE + b"x") in done.stderr
    assert "--any-image" in done.stderr and chip.flash == before
    chip.close()


@needs_board
def test_a_board_that_was_flashed_before_is_not_erased_unasked(tmp_path, image):
    chip = Loader(tmp_path)
    chip.flash[0x8000:0x8C00] = encode(list(devkit().table))
    before = bytes(chip.flash)
    done = run("flash", "--port", chip.port, "--firmware", image, "--json", code=1)
    assert json.loads(done.stdout)["kind"] == "flashed_before" and chip.flash == before
    assert "run 'make deploy'; to erase it all, say --again" in done.stderr
    chip.close()


def test_a_board_that_is_not_built_stops_before_the_flash_is_touched(tmp_path, image, monkeypatch):
    def broken(*_):
        raise bundle.BundleError('File "x.py", line 3: MicroPython does not accept this')

    monkeypatch.setattr(bundle, "build", broken)
    monkeypatch.setattr(rom, "probe", lambda *_: pytest.fail("the board was touched"))
    monkeypatch.setattr(ports, "check", lambda port: None)
    assert "line 3" in run("flash", "--port", "x", "--firmware", image, code=1).stderr


# -- ports ----------------------------------------------------------------------------------------


@pytest.fixture
def two_ports(monkeypatch):
    found = [("/dev/ttyUSB0", "CP2102 USB to UART Bridge"), ("/dev/ttyACM0", "USB JTAG/serial debug unit")]
    monkeypatch.setattr(ports, "listed", lambda: found)


@pytest.mark.parametrize("command", ["flash", "deploy"])
def test_without_a_port_those_there_are_are_listed(two_ports, command, monkeypatch):
    monkeypatch.delenv("PENNYWATT_PORT", raising=False)
    done = run(command, "--json", code=1)
    assert json.loads(done.stdout)["kind"] == "no_port"
    assert "No port was named. There is /dev/ttyUSB0 (CP2102 USB to UART Bridge) and /dev/ttyACM0" in done.stderr
    assert "say PORT=/dev/ttyUSB0" in done.stderr


def test_a_port_that_is_not_there_is_named(two_ports):
    said = run("deploy", "--port", "/dev/ttyUSB7", code=1).stderr
    assert "There is no port /dev/ttyUSB7. There is /dev/ttyUSB0" in said


def test_a_computer_without_a_board_gets_the_advice_on_cables(monkeypatch):
    monkeypatch.setattr(ports, "listed", lambda: [])
    assert "with a cable that carries data" in run("deploy", "--port", "/dev/ttyUSB7", code=1).stderr


def test_a_port_of_another_group_is_a_matter_of_dialout(tmp_path, monkeypatch):
    port = tmp_path / "ttyUSB0"
    port.touch()
    monkeypatch.setattr(ports.os, "access", lambda path, mode: False)
    done = run("deploy", "--port", str(port), "--json", code=1)
    assert json.loads(done.stdout)["kind"] == "permission_denied" and "usermod -aG dialout" in done.stderr


def test_tools_that_are_not_installed_are_named_with_their_target(monkeypatch, tmp_path):
    port = tmp_path / "ttyUSB0"
    port.touch()
    monkeypatch.setattr(console, "wake", lambda *_, **__: None)
    nothing = tmp_path / "python"
    nothing.write_text("#!/bin/sh\necho \"$0: No module named $2\" >&2\nexit 1\n")
    nothing.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(nothing))
    assert "mpremote is not installed. Run 'make device-tools'" in run("deploy", "--port", str(port), code=1).stderr
    with pytest.raises(Exception, match=r"esptool is not installed\. Run 'make device-tools' once"):
        rom.probe(str(port), devkit())


def test_misuse_is_exit_code_2():
    run("deploy", "--nonsense", code=2)
