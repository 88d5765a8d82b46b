# SPDX-License-Identifier: Apache-2.0
"""Masters and signing keys in a file, under a passphrase.

A JSON envelope says how the passphrase becomes a key (scrypt) and holds the keys, sealed with AES-256-GCM;
the envelope's own words are sealed along, so that nobody can weaken them. The file is written whole or not at
all, for its owner's eyes only (mode 0600). Errors: KeyFileError in words.
"""

import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .errors import KeyFileError
from .keys import KeySet
from .signing import ORDER, SALE, SigningKeys

FORMAT = "pennywatt-masters"
VERSION = 2  # 1 had no signing keys
PASSPHRASE_MIN_N = 8
SCRYPT_LOG2_N = 16  # 64 MiB and a good tenth of a second
_LOG2_N_MAX = 20  # a forged file must not take the machine's memory
_R, _P = 8, 1


def save(path: Path, keys: KeySet, passphrase: str, replace: bool = False, log2_n: int = SCRYPT_LOG2_N) -> None:
    """Write the key file. Without replace an existing one is never touched."""
    if len(passphrase) < PASSPHRASE_MIN_N:
        raise KeyFileError(f"The passphrase is too short: it needs {PASSPHRASE_MIN_N} characters.")
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "scrypt": {"log2_n": log2_n, "r": _R, "p": _P, "salt": salt.hex()},
        "cipher": {"name": "AES-256-GCM", "nonce": nonce.hex()},
    }
    inside = {
        "masters": {str(v): [m.hex() for m in keys.masters(v)] for v in keys.versions},
        **{kind.kind: {str(n): kind.seed(n).hex() for n in kind.numbers} for kind in (keys.sale, keys.order)},
    }
    sealer = AESGCM(_stretched(passphrase, salt, log2_n, _R, _P))
    sealed = sealer.encrypt(nonce, json.dumps(inside).encode(), _bound(head))
    write_private(path, (json.dumps({**head, "sealed": sealed.hex()}, indent=1) + "\n").encode(), replace)


def load(path: Path, passphrase: str) -> KeySet:
    try:
        envelope = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise KeyFileError(
            f"There is no key file {path}. Make one with 'keys new', or name yours with --keys."
        ) from None
    except OSError as e:
        raise KeyFileError(f"The key file {path} cannot be read: {e.strerror}.") from e
    except (ValueError, RecursionError):  # no UTF-8 either
        raise KeyFileError(f"{path} is not a key file.") from None
    try:
        head = {name: envelope[name] for name in ("format", "version", "scrypt", "cipher")}
        kdf = head["scrypt"]
        log2_n, r, p = kdf["log2_n"], kdf["r"], kdf["p"]
        salt, nonce = bytes.fromhex(kdf["salt"]), bytes.fromhex(head["cipher"]["nonce"])
        sealed = bytes.fromhex(envelope["sealed"])
        old = (head["format"], head["version"]) == (FORMAT, 1)
        sane = (head["format"], head["version"], head["cipher"]["name"]) == (FORMAT, VERSION, "AES-256-GCM")
        sane = sane and 1 <= log2_n <= _LOG2_N_MAX and (r, p) == (_R, _P) and len(nonce) == 12
    except (KeyError, TypeError, ValueError):
        sane = old = False
    if old:
        raise KeyFileError(
            f"{path} is of before purchases were signed: it has no signing keys. Make a new file with 'keys new'."
        )
    if not sane:
        raise KeyFileError(f"{path} is not a key file of this version.")
    try:
        plain = AESGCM(_stretched(passphrase, salt, log2_n, r, p)).decrypt(nonce, sealed, _bound(head))
    except InvalidTag:
        raise KeyFileError(f"The passphrase does not open {path}, or the file was changed.") from None
    inside = json.loads(plain)
    masters = {int(v): tuple(bytes.fromhex(m) for m in masters) for v, masters in inside["masters"].items()}
    sale, order = (
        SigningKeys(kind, {int(n): bytes.fromhex(seed) for n, seed in inside[kind].items()}) for kind in (SALE, ORDER)
    )
    return KeySet(masters, sale, order)


def write_private(path: Path, content: bytes, replace: bool = False) -> None:
    """Whole or not at all, mode 0600. KeyFileError when it exists and replace is not set."""
    if path.exists() and not replace:
        raise KeyFileError(f"{path} exists already and is not overwritten. Name another file.")
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
        raise KeyFileError(f"{path} cannot be written: {e.strerror}.") from e
    finally:
        tmp.unlink(missing_ok=True)


def _stretched(passphrase, salt, log2_n, r, p):
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=r, p=p).derive(_encoded(passphrase))


def _encoded(passphrase):
    try:
        return passphrase.encode()
    except UnicodeEncodeError:  # lone surrogates: bytes from the environment that are no UTF-8
        raise KeyFileError("The passphrase is not text in UTF-8. Set it again, or give --passphrase-file.") from None


def _bound(head):
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
