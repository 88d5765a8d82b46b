# SPDX-License-Identifier: Apache-2.0
"""The operator's key that bundles are signed with: a PEM file under a passphrase. Meters know its public half.

The demo key is in everybody's hands, so that two people who build the same source get the same bundle; a provisioned
meter takes nothing signed with it (firmware/loader/bundle.py).
"""

import hashlib
import os
import sys
from pathlib import Path

import typer
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import BundleError

PASSPHRASE = "PENNYWATT_BUNDLE_PASSPHRASE"


def demo_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"Pennywatt demo key for firmware bundles").digest())


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes a meter keeps as /trust.key."""
    return key.public_key().public_bytes_raw()


def make_key(path: Path, passphrase: bytes) -> Ed25519PrivateKey:
    """A new key in a new file that only its owner reads. Raises BundleError."""
    if not passphrase:
        raise BundleError("a signing key needs a passphrase: whoever has it can give every meter other firmware")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(passphrase))
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(text)
    except FileExistsError:
        raise BundleError(f"{path} is there already, and a key is never replaced: name another file") from None
    except OSError as e:
        raise BundleError(f"{path} cannot be written: {e.strerror}") from None
    return key


def ask_passphrase(path: Path, new: bool = False) -> bytes:
    """From the environment, or from who sits there. Raises BundleError when neither gives one."""
    said = os.environ.get(PASSPHRASE, "")
    if not said and sys.stdin.isatty():
        said = typer.prompt(f"Passphrase of {path}", hide_input=True, confirmation_prompt=new, err=True)
    if not said:
        raise BundleError(f"the passphrase of {path} is needed: type it, or put it into {PASSPHRASE}")
    return said.encode()


def read_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """passphrase: None to ask for it. Raises BundleError."""
    try:
        text = path.read_bytes()
    except OSError as e:
        raise BundleError(f"the key {path} cannot be read: {e.strerror}") from None
    try:
        key = pem.load_pem_private_key(text, passphrase or ask_passphrase(path))
    except (TypeError, ValueError):
        raise BundleError(f"the key {path} does not open: the passphrase is wrong, or it is no PEM key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path} is no Ed25519 key: make one with `bundle key`")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """32 bytes, as on the meter. Raises BundleError."""
    try:
        return Ed25519PublicKey.from_public_bytes(path.read_bytes())
    except OSError as e:
        raise BundleError(f"the key {path} cannot be read: {e.strerror}") from None
    except ValueError:
        raise BundleError(f"{path} is no public key: 32 bytes are") from None
