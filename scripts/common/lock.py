# SPDX-License-Identifier: Apache-2.0
"""The lock of every file with secrets on the supplier's computers: master keys, and keys that sign.

A JSON envelope says how the passphrase becomes a key (scrypt) and holds the secret, sealed with AES-256-GCM; the
envelope's own words are sealed along, so that nobody can weaken them, or pass one kind of file off as another. The file
is written whole or not at all, for its owner's eyes only (mode 0600). Raises LockError in words.
"""

import contextlib
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .errors import InputError
from .json_file import read_json

PASSPHRASE_MIN_N = 8
SCRYPT_LOG2_N = 16  # 64 MiB and a good tenth of a second
_LOG2_N_MAX = 20  # a forged file must not take the machine's memory
_R, _P = 8, 1
_SALT_N, _NONCE_N = 16, 12


class LockError(Exception):
    """The file cannot be read, opened or written; str() says why in plain sentences."""


def save(
    path: Path, kind: str, secret: bytes, passphrase: str, replace: bool = False, log2_n: int = SCRYPT_LOG2_N
) -> None:
    """Write a file of that kind ("pennywatt-masters"). Without replace an existing one is never touched."""
    if len(passphrase) < PASSPHRASE_MIN_N:
        raise LockError(f"The passphrase is too short: it needs {PASSPHRASE_MIN_N} characters.")
    salt, nonce = secrets.token_bytes(_SALT_N), secrets.token_bytes(_NONCE_N)
    head = {
        "format": kind,
        "version": 1,
        "scrypt": {"log2_n": log2_n, "r": _R, "p": _P, "salt": salt.hex()},
        "cipher": {"name": "AES-256-GCM", "nonce": nonce.hex()},
    }
    sealed = AESGCM(_stretched(passphrase, salt, log2_n)).encrypt(nonce, secret, _bound(head))
    write_private(path, (json.dumps({**head, "sealed": sealed.hex()}, indent=1) + "\n").encode(), replace)


def load(path: Path, kind: str, passphrase: str) -> bytes:
    """The secret in a file of that kind."""
    head, sealed = _envelope(path, kind)
    salt, nonce = bytes.fromhex(head["scrypt"]["salt"]), bytes.fromhex(head["cipher"]["nonce"])
    try:
        return AESGCM(_stretched(passphrase, salt, head["scrypt"]["log2_n"])).decrypt(nonce, sealed, _bound(head))
    except InvalidTag:
        raise LockError(f"The passphrase does not open {path}, or the file was changed.") from None


def refuse_other(path: Path, kind: str) -> None:
    """LockError when it is no file of that kind: before anybody types a passphrase."""
    _envelope(path, kind)


def _envelope(path, kind):
    """Return the file's own words, and what they enclose."""
    try:
        envelope = read_json(path)
    except InputError as e:
        raise LockError(f"{path} is not a key file: {e.why}. {e.remedy}.") from None
    try:
        head = {name: envelope[name] for name in ("format", "version", "scrypt", "cipher")}
        kdf, cipher = head["scrypt"], head["cipher"]
        sizes = len(bytes.fromhex(kdf["salt"])), len(bytes.fromhex(cipher["nonce"]))
        sealed = bytes.fromhex(envelope["sealed"])
        sane = (head["format"], head["version"], cipher["name"]) == (kind, 1, "AES-256-GCM")
        sane = sane and 1 <= kdf["log2_n"] <= _LOG2_N_MAX and (kdf["r"], kdf["p"]) == (_R, _P)
        sane = sane and sizes == (_SALT_N, _NONCE_N)
    except (KeyError, TypeError, ValueError):
        sane = False
    if not sane:
        raise LockError(f"{path} is not a key file of this kind and version. Name the right one.")
    return head, sealed


def write_private(path: Path, content: bytes, replace: bool = False) -> None:
    """Whole or not at all, mode 0600. LockError when it exists and replace is not set."""
    if path.exists() and not replace:
        raise LockError(f"{path} exists already and is not overwritten. Name another file.")
    tmp = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        if replace:
            tmp.replace(path)
        else:
            os.link(tmp, path)  # unlike a rename this fails when somebody else was faster
            tmp.unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as e:
        raise LockError(f"{path} cannot be written: {e.strerror}.") from e
    finally:
        with contextlib.suppress(OSError):  # none was made
            tmp.unlink()


def _stretched(passphrase, salt, log2_n):
    # What the environment has may be no UTF-8: then it is the bytes as they were.
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=_R, p=_P).derive(passphrase.encode("utf-8", "surrogateescape"))


def _bound(head):
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
