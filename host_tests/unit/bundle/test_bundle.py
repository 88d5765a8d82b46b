# SPDX-License-Identifier: Apache-2.0
"""Bundles: the same bytes from the same sources, nothing that a meter would refuse, and keys that are kept."""

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from loader import bundle as on_meter
from loader import state

from scripts import bundle
from scripts.bundle import BundleError, format, keys
from scripts.image.image import boot_state, collect
from scripts.supplier import keyfile
from scripts.supplier.keys import KeySet

ROOT = Path(__file__).resolve().parents[3]
FILES = {"meter/__init__.mpy": b"M\x06one", "board.mpy": b"M\x06two"}


@pytest.fixture(scope="module")
def whole():
    return bundle.build("esp32_devkit", "1.2.3")


def test_two_checkouts_give_the_same_bundle(tmp_path):
    """The checkouts are in folders of other names, with nothing kept from before."""
    made = []
    for name in ("one", "another-place"):
        root = tmp_path / name
        for part in ("firmware", "boards", "scripts"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        out = root / "x.pwb"
        line = [sys.executable, "-m", "scripts.bundle", "build", "--version", "1.2.3", "--out", str(out)]
        subprocess.run(line, cwd=root, check=True, capture_output=True, timeout=120)
        made.append(out.read_bytes())
    assert made[0] == made[1]


def test_a_bundle_opens_with_its_key_and_holds_the_slot(whole):
    found = bundle.open_bundle(whole, bundle.demo_key().public_key())
    assert (found.version, found.board) == ("1.2.3", "esp32_devkit")
    assert found.files == bundle.slot_files("esp32_devkit")


def test_the_demo_key_is_the_one_the_meter_knows_as_such():
    assert bundle.public_bytes(bundle.demo_key()).hex() == on_meter.DEMO


def test_the_meter_reads_the_same_manifest(whole, tmp_path):
    path = tmp_path / "x.pwb"
    path.write_bytes(whole)
    f, length, digest = on_meter.open_head(str(path))
    with f:
        assert on_meter.about(f) == ["1.2.3", "esp32_devkit", format.OLDEST]
        lines = list(on_meter.entries(f, length))
    assert [path for _, _, path in lines] == sorted(bundle.slot_files("esp32_devkit"))
    assert digest.hex() == bundle.open_bundle(whole).sha256


@pytest.mark.parametrize("board", sorted(path.parent.name for path in (ROOT / "boards").glob("*/board.toml")))
def test_every_board_has_a_bundle_that_its_slot_takes(board):
    found = bundle.open_bundle(bundle.build(board, "0.0.1"))
    assert found.board == board and sum(map(len, found.files.values())) < format.BYTES_MAX // 2


def test_a_file_changed_in_it_is_found(whole):
    with pytest.raises(BundleError, match="is damaged"):
        bundle.open_bundle(whole[:-1] + bytes((whole[-1] ^ 1,)))


def test_a_manifest_changed_is_not_signed(whole):
    changed = whole.replace(b"version 1.2.3", b"version 1.2.4", 1)
    with pytest.raises(BundleError, match="not by this key"):
        bundle.open_bundle(changed, bundle.demo_key().public_key())


def test_another_key_is_another_signature(whole):
    other = bundle.seal(bundle.slot_files("esp32_devkit"), "esp32_devkit", "1.2.3", keys.Ed25519PrivateKey.generate())
    with pytest.raises(BundleError, match="not by this key"):
        bundle.open_bundle(other, bundle.demo_key().public_key())
    assert other[format.HEAD :] == whole[format.HEAD :]


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3-rc1", "1.2.3 ", "1.2.3\n", "1.2.3.4.5", "1.2.123456"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(BundleError, match="is no version"):
        bundle.seal(FILES, "esp32_devkit", version, bundle.demo_key())


@pytest.mark.parametrize(
    "path", ["x.py", "../x.mpy", "/x.mpy", "a//x.mpy", "A/x.mpy", "a/b/c/d/x.mpy", "x y.mpy", "a" * 60 + ".mpy", ".mpy"]
)
def test_a_path_the_meter_would_refuse_is_refused_here(path):
    with pytest.raises(BundleError, match="cannot be in a bundle"):
        bundle.seal({**FILES, path: b""}, "esp32_devkit", "1.0.0", bundle.demo_key())


def test_what_is_too_much_for_a_slot_is_refused():
    with pytest.raises(BundleError, match="are not a bundle"):
        bundle.seal({"x.mpy": bytes(format.BYTES_MAX + 1)}, "esp32_devkit", "1.0.0", bundle.demo_key())


def test_the_boot_state_of_an_image_is_what_the_loader_reads(tmp_path):
    files = collect({})
    (tmp_path / "boot.bin").write_bytes(files["boot.bin"])
    s = state.load(str(tmp_path))
    assert (s.active, s.trial, s.holds(1), s.holds(2)) == (1, 0, True, False)
    assert len(files["boot.bin"]) == struct.calcsize(state._FORMAT) + 4 == 88 <= 128  # stays inline in LittleFS
    assert files["boot.bin"] == boot_state(files["a/manifest"])


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "k.key"
    made = keys.make_key(path, "long enough")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bundle.public_bytes(bundle.read_key(path, "long enough")) == bundle.public_bytes(made)
    with pytest.raises(BundleError, match="exists already"):
        keys.make_key(path, "long enough")


def test_a_key_does_not_open_with_another_passphrase(tmp_path):
    keys.make_key(tmp_path / "k.key", "long enough")
    for wrong in ("long enougH", "long"):
        with pytest.raises(BundleError, match="does not open"):
            bundle.read_key(tmp_path / "k.key", wrong)


@pytest.mark.parametrize("short", ["", "x", "1234567"])
def test_a_key_needs_a_passphrase_of_eight_characters(tmp_path, short):
    with pytest.raises(BundleError, match="the passphrase is too short: it needs 8 characters"):
        keys.make_key(tmp_path / "k.key", short)
    assert not list(tmp_path.iterdir())


def test_the_keys_lock_is_that_of_the_masters(tmp_path):
    keys.make_key(tmp_path / "k.key", "long enough")
    head = json.loads((tmp_path / "k.key").read_text())
    assert head["scrypt"]["log2_n"] == 16 and head["cipher"]["name"] == "AES-256-GCM"
    for weaker in ({"log2_n": 4}, {"note": ""}, {"salt": "00" * 16}):
        (tmp_path / "k.key").write_text(json.dumps({**head, "scrypt": {**head["scrypt"], **weaker}}))
        with pytest.raises(BundleError, match=r"does not open .*, or the file was changed"):
            bundle.read_key(tmp_path / "k.key", "long enough")


def test_a_masters_file_is_no_signing_key_though_its_passphrase_is_right(tmp_path):
    keyfile.save(tmp_path / "m", KeySet.demo(), "long enough", log2_n=4)
    with pytest.raises(BundleError, match="not a key file of this kind"):
        bundle.read_key(tmp_path / "m", "long enough")
    forged = (tmp_path / "m").read_text().replace(keyfile.FORMAT, keys.KIND)
    (tmp_path / "m").write_text(forged)
    with pytest.raises(BundleError, match="or the file was changed"):
        bundle.read_key(tmp_path / "m", "long enough")


def test_a_key_under_the_weak_lock_of_a_pem_file_is_refused_with_the_remedy(tmp_path):
    lock = BestAvailableEncryption(b"long enough")
    pem = keys.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    (tmp_path / "old.pem").write_bytes(pem)
    with pytest.raises(BundleError, match=r"old\.pem is a PEM file, .*: make a key with `bundle key bundle\.key`"):
        bundle.read_key(tmp_path / "old.pem", "long enough")


def command(*args, **env):
    line = [sys.executable, "-m", "scripts.bundle", *args]
    return subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env={**os.environ, **env}
    )


def test_the_command_builds_signs_and_shows(tmp_path):
    secret = {"PENNYWATT_BUNDLE_PASSPHRASE": "long enough"}
    pem, out = str(tmp_path / "k.key"), str(tmp_path / "x.pwb")
    assert command("key", pem, **secret).returncode == 0
    built = command("build", "--version", "2.0.0", "--key", pem, "--out", out, "--json", **secret)
    assert json.loads(built.stdout)["version"] == "2.0.0"
    shown = command("show", out, "--public", pem + ".pub", "--json")
    assert json.loads(shown.stdout)["files"] == json.loads(built.stdout)["files"]


@pytest.mark.parametrize(
    "args, said",
    [
        (("build", "--version", "2"), "is no version"),
        (("build", "--version", "\u0661.2.3"), "is no version"),
        (("build", "--version", "2.0.0", "--board", "toaster"), "there is no board toaster"),
        (("build", "--version", "2.0.0", "--key", "/nowhere/k.key"), "/nowhere/k.key: it cannot be read"),
        (("build", "--version", "2.0.0", "--key", "README.md"), "README.md is not a key file"),
        (("show", "/nowhere/x.pwb"), "/nowhere/x.pwb: it cannot be read"),
        (("show", "README.md"), "README.md: this is no bundle"),
    ],
)
def test_the_command_says_why_not_in_one_sentence(args, said):
    done = command(*args)
    assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1
