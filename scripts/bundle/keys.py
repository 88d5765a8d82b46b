# SPDX-License-Identifier: Apache-2.0
"""The operator's key that bundles are signed with: a file under a passphrase. Meters know its public half.

Its lock is that of the masters (scripts/common/lock.py): who has this key can give every meter other firmware.

The demo key is in everybody's hands, so that two people who build the same source get the same bundle; a provisioned
meter takes nothing signed with it (firmware/loader/bundle.py).
"""

import hashlib
import os
import sys
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..common import lock, read_bytes
from .errors import BundleError

KIND = "pennywatt-bundle-key"
_LEAST = f" (at least {lock.PASSPHRASE_MIN_N} characters)"
_PEM = b"-----BEGIN"
PASSPHRASE = "PENNYWATT_BUNDLE_PASSPHRASE"


def demo_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"Pennywatt demo key for firmware bundles").digest())


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes a meter keeps as /trust.key."""
    return key.public_key().public_bytes_raw()


def make_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """A new key in a new file that only its owner reads. Raises BundleError."""
    key = Ed25519PrivateKey.generate()
    try:
        lock.save(path, KIND, key.private_bytes_raw(), passphrase)
    except lock.LockError as e:
        raise BundleError(_clause(e)) from None
    return key


def ask_passphrase(path: Path, new: bool = False) -> str:
    """From the environment, or from who sits there. Raises BundleError when neither gives one."""
    said = os.environ.get(PASSPHRASE, "")
    if not said and sys.stdin.isatty():
        text = f"Passphrase of {path}" + (_LEAST if new else "")
        said = typer.prompt(text, hide_input=True, confirmation_prompt=new, err=True)
    if not said:
        raise BundleError(f"the passphrase of {path} is needed: type it, or put it into {PASSPHRASE}")
    return said


def read_key(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """passphrase: None to ask for it. Raises BundleError, and InputError where there is no such file."""
    if _PEM in read_bytes(path):
        raise BundleError(
            f"{path} is a PEM file, and the lock of those is weak: make a key with `bundle key bundle.key`, have your"
            " meters trust bundle.key.pub, and delete the PEM file"
        )
    try:
        lock.refuse_other(path, KIND)
        return Ed25519PrivateKey.from_private_bytes(lock.load(path, KIND, passphrase or ask_passphrase(path)))
    except lock.LockError as e:
        raise BundleError(_clause(e)) from None
    except ValueError:
        raise BundleError(f"{path} holds no Ed25519 key: make one with `bundle key`") from None


def read_public(path: Path) -> Ed25519PublicKey:
    """32 bytes, as on the meter. Raises BundleError, and InputError where there is no such file."""
    try:
        return Ed25519PublicKey.from_public_bytes(read_bytes(path))
    except ValueError:
        raise BundleError(f"{path} is no public key: 32 bytes are") from None


def _clause(error):
    """A sentence as this package's errors are: others end them."""
    text = str(error).removesuffix(".")
    return text[:1].lower() + text[1:] if text.startswith("The ") else text
