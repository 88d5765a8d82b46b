# SPDX-License-Identifier: Apache-2.0
"""The meter's file system: what is in it, that it is always the same, and that real MicroPython mounts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import littlefs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_tests.bench.plant.flash import PLACE_VFS_SIZE, ROMFS_SIZE, VFS_SIZE
from host_tests.bench.run.process import interpreter
from scripts.bundle import BundleError, compile_mpy, public_bytes, signed_by
from scripts.bundle.keys import make_key
from scripts.image import romfs
from scripts.image.image import BLOCK, ImageError, build_image, collect, pack, write_image
from scripts.image.partition_table import parse_csv

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = {"settings.json": b'{"meter_number":"1"}', "tariff.json": b"{}"}

# Runs on MicroPython: mounts the image file as the ESP32 port mounts its partition, and looks around.
LOOK_AROUND = """
import json, os, sys, vfs
class Flash:
    def __init__(self, path): self.file = open(path, "r+b")
    def readblocks(self, n, buf, offset=0):
        self.file.seek(n * 4096 + offset)
        self.file.readinto(buf)
    def writeblocks(self, n, buf, offset=0):
        self.file.seek(n * 4096 + offset)
        self.file.write(buf)
    def ioctl(self, op, arg):
        if op == 4: return BLOCKS
        if op == 5: return 4096
        if op == 6: self.writeblocks(arg, b"\\xff" * 4096)
        return 0
flash = Flash(sys.argv[1])
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(flash), "/")
sys.path[:] = ["", ".frozen", "/a"]
def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000: yield from walk(path)
        else: yield path[1:]
from meter import CardError, MeterError
with open("/state", "wb") as f: f.write(b"kept" * 2000)
print(json.dumps({"files": sorted(walk("")), "settings": open("/settings.json").read(),
    "child": issubclass(CardError, MeterError), "state": os.stat("/state")[6]}))
"""


def test_the_same_input_gives_the_same_bytes():
    files = {"b.txt": b"two" * 3000, "a/x.mpy": b"one", "empty": b""}
    assert pack(files) == pack(dict(reversed(files.items())))


def test_documents_change_the_image():
    assert build_image(None, DOCUMENTS) != build_image(None, {**DOCUMENTS, "tariff.json": b"[]"})


def test_a_cold_and_a_warm_cache_give_the_same_code(tmp_path):
    source = b"def f(x):\n    return x * 2\n"
    cold = compile_mpy(source, "f.py", tmp_path)
    assert cold == compile_mpy(source, "f.py", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_other_source_is_compiled_anew(tmp_path):
    assert compile_mpy(b"a = 1\n", "f.py", tmp_path) != compile_mpy(b"a = 2\n", "f.py", tmp_path)


def test_tracebacks_name_the_module_not_the_builders_folder(tmp_path):
    code = compile_mpy(b"a = 1\n", "meter/core/f.py", tmp_path)
    assert b"meter/core/f.py" in code
    assert str(tmp_path).encode() not in code


def test_everything_imported_is_byte_code_and_only_the_boot_scripts_are_sources():
    files = collect({})
    assert [name for name in files if name.endswith(".py")] == ["boot.py", "main.py"]
    assert {name for name in files if not name.endswith((".py", ".mpy"))} == {"boot.bin", "trust.key", "a/manifest"}
    assert {"boot/loader.mpy", "a/meter/__init__.mpy"} <= set(files)


def test_a_mistake_in_a_module_is_named_with_its_line_there(tmp_path):
    for path in (ROOT / "firmware").rglob("*.py"):
        to = tmp_path / path.relative_to(ROOT / "firmware")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(path.read_text())
    account = tmp_path / "meter/core/account.py"
    at = account.read_text().count("\n") + 4
    account.write_text(
        account.read_text() + "\n\ndef purchase(a, b):\n    match a:\n        case 1:\n            b()\n"
    )
    with pytest.raises(ImageError, match=rf'"meter/core/account.py", line {at}, in purchase: MicroPython does not'):
        collect({}, firmware=tmp_path)


def test_every_byte_code_file_is_version_6_for_any_processor():
    for name, content in collect({}).items():
        if name.endswith(".mpy"):
            magic, version, arch, small_int_bits = content[:4]
            assert (chr(magic), version, arch >> 2, small_int_bits) == ("M", 6, 0, 31), name


def test_the_image_file_is_what_is_returned(tmp_path):
    image = build_image(tmp_path / "new" / "image.bin", DOCUMENTS)
    assert (tmp_path / "new" / "image.bin").read_bytes() == image
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["image.bin"]
    assert len(image) == VFS_SIZE


@pytest.mark.parametrize("board", sorted(path.parent.name for path in (ROOT / "boards").glob("*/partitions.csv")))
def test_it_mounts_on_the_partition_of_its_board(board):
    row = next(row for row in parse_csv((ROOT / "boards" / board / "partitions.csv").read_text()) if row.name == "vfs")
    fs = littlefs.LittleFS(block_size=BLOCK, block_count=row.size // BLOCK, mount=False)
    image = build_image(None, {"settings.json": b"{}"}, board)
    fs.context.buffer[: len(image)] = image
    fs.mount()
    with fs.open("settings.json", "rb") as f:
        assert f.read() == b"{}"


def test_it_is_its_owners_alone_from_the_moment_it_is_there(tmp_path, monkeypatch):
    def changed(*args, **kwargs):
        raise AssertionError("it was open to others until now")

    monkeypatch.setattr(os, "chmod", changed)
    monkeypatch.setattr(os, "fchmod", changed)
    path = tmp_path / "image.bin"
    path.touch(0o644)
    write_image(path, b"keys")
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_littlefs_reads_back_every_file():
    files = collect(DOCUMENTS)
    fs = littlefs.LittleFS(block_size=BLOCK, block_count=VFS_SIZE // BLOCK, mount=False)
    fs.context.buffer[:] = pack(files)
    fs.mount()
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder}/{name}".lstrip("/")
            with fs.open(path, "rb") as f:
                found[path] = f.read()
    assert found == files


@pytest.mark.parametrize("arch", ["i386", "amd64"])
def test_micropython_mounts_it_imports_from_it_and_writes_to_it(arch, tmp_path):
    try:
        program = interpreter(arch)
    except FileNotFoundError as e:
        pytest.skip(str(e))
    path = tmp_path / "image.bin"
    build_image(path, DOCUMENTS)
    script = tmp_path / "look.py"
    script.write_text(LOOK_AROUND.replace("BLOCKS", str(VFS_SIZE // BLOCK)))
    done = subprocess.run([program, script, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop("files") == sorted([*collect(DOCUMENTS), "state"])
    assert seen == {"settings": '{"meter_number":"1"}', "child": True, "state": 8000}


def test_source_micropython_refuses_is_named_with_its_line(tmp_path):
    with pytest.raises(BundleError, match=r'^File "meter/x\.py", line 2: MicroPython does not accept this: Synta'):
        compile_mpy(b"a = 1\nmatch a:\n    case 1: pass\n", "meter/x.py", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_board_is_answered_with_the_known_ones():
    with pytest.raises(ImageError, match=r"no board toaster: boards/ has .*esp32_devkit"):
        build_image(None, {}, board="toaster")


@pytest.mark.parametrize("name", ["main.py", "a/meter/x.mpy", "b/board.mpy", "/board.mpy", "meter/x.py"])
def test_a_document_cannot_take_the_place_of_firmware(name):
    with pytest.raises(ImageError, match="would hide a part of the firmware"):
        collect({name: b""})


def test_an_operators_trust_key_goes_with_firmware_that_the_operator_signed():
    key = Ed25519PrivateKey.generate()
    trust = {"trust.key": public_bytes(key)}
    assert signed_by(collect(trust, key=key)["a/manifest"], trust["trust.key"])
    with pytest.raises(ImageError, match=r"not signed with the key .* trust\.key: name that operator's key"):
        collect(trust)


def test_what_does_not_fit_is_said_with_both_sizes():
    with pytest.raises(ImageError, match=r"1 files of 90000 bytes do not fit into an image of 65536 bytes"):
        pack({"big": b"x" * 90_000}, 65_536)


@pytest.mark.parametrize("size", [0, 4096, 65_537])
def test_a_size_flash_cannot_have_is_refused(size):
    with pytest.raises(ImageError, match="whole 4096-byte blocks"):
        pack({}, size)


def command(*args):
    line = [sys.executable, "-m", "scripts.image", *args]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_command_reports_in_json(tmp_path):
    (tmp_path / "s.json").write_text('{"meter_number": "7"}')
    done = command("--json", "--out", str(tmp_path / "i.bin"), f"settings.json={tmp_path}/s.json")
    report = json.loads(done.stdout)
    assert report["files"]["settings.json"] == 21
    assert report["bytes"] == (tmp_path / "i.bin").stat().st_size == VFS_SIZE


def test_for_slots_in_place_the_firmware_has_an_image_of_its_own(tmp_path):
    done = command("--json", "--place", "--out", str(tmp_path / "i.bin"))
    report = json.loads(done.stdout)
    rom = Path(report["romfs"]).read_bytes()
    files = romfs.sealed(rom, "a")
    assert report["bytes"] == PLACE_VFS_SIZE and len(rom) == ROMFS_SIZE and files == romfs.image(
        {path[2:]: content for path, content in collect({}).items() if path.startswith("a/")}
    )
    assert not [path for path in report["files"] if path.startswith("a/")]


@pytest.fixture
def release(tmp_path, monkeypatch):
    """An operator's key under a passphrase, with its public half among a meter's documents."""
    monkeypatch.setenv("PENNYWATT_BUNDLE_PASSPHRASE", "a long one")
    trust = public_bytes(make_key(tmp_path / "bundle.key", "a long one"))
    (tmp_path / "trust.key").write_bytes(trust)
    return ["--out", str(tmp_path / "i.bin"), "--version", "1.4.0", str(tmp_path / "trust.key")]


def test_the_command_signs_a_release_with_the_operators_key(tmp_path, release):
    done = command("--json", "--key", str(tmp_path / "bundle.key"), *release)
    fs = littlefs.LittleFS(block_size=BLOCK, block_count=VFS_SIZE // BLOCK, mount=False)
    fs.context.buffer[:] = (tmp_path / "i.bin").read_bytes()
    fs.mount()
    with fs.open("a/manifest", "rb") as f:
        head = f.read()
    assert head[70:].startswith(b"version 1.4.0\n") and json.loads(done.stdout)["version"] == "1.4.0"
    assert signed_by(head, (tmp_path / "trust.key").read_bytes())


@pytest.mark.parametrize(
    "passphrase, key, reason",
    [("a long one", [], "name that operator's key"), ("another", ["--key", "bundle.key"], "does not open")],
)
def test_the_command_refuses_a_key_that_is_not_the_operators(tmp_path, monkeypatch, release, passphrase, key, reason):
    monkeypatch.setenv("PENNYWATT_BUNDLE_PASSPHRASE", passphrase)
    done = command(*release, *(str(tmp_path / word) if word == "bundle.key" else word for word in key))
    assert done.returncode == 2
    assert reason in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "i.bin").exists()


@pytest.mark.parametrize("more", [[], ["FIRMWARE=mp.bin"]])
def test_make_image_hands_version_and_key_on(more):
    given = ["VERSION=1.4.0", "KEY=bundle.key", "BOARD=esp32_8m", "DOCUMENTS=a.json", *more]
    line = ["make", "-n", "--no-print-directory", "image", *given]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    typed = " ".join(said.replace("\\\n", " ").rpartition("-m scripts.")[2].split())
    what = 'flash image --firmware "mp.bin"' if more else "image"
    assert typed == f'{what} --board esp32_8m --version "1.4.0" --key "bundle.key" a.json'


@pytest.mark.parametrize(
    "content, reason",
    [(None, "cannot be read: No such file or directory"), ("{", "line 1: it is no JSON from here on (Exp")],
)
def test_the_command_refuses_a_document_that_is_none_and_writes_nothing(tmp_path, content, reason):
    document = tmp_path / "settings.json"
    if content is not None:
        document.write_text(content)
    done = command("--out", str(tmp_path / "i.bin"), str(document))
    assert done.returncode == 2
    assert reason in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "i.bin").exists()
