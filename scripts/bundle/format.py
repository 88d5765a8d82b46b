# SPDX-License-Identifier: Apache-2.0
"""The bundle's layout, as firmware/loader/bundle.py has it."""

import hashlib
import re
import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..common import integer
from ..common.errors import shown
from .errors import BundleError

CONTEXT = b"pennywatt.pwb.1"
MAGIC = b"PWB1"
HEAD = 70  # bytes before the manifest
OLDEST = "1.24"  # MicroPython: byte code 6.3
MANIFEST_MAX, FILES_MAX, BYTES_MAX = 12288, 96, 400_000  # the loader takes no more
SIZE_MAX = HEAD + MANIFEST_MAX + BYTES_MAX
_VERSION = re.compile(r"[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}(\.[a-z0-9]{1,12})?")
_BOARD = re.compile(r"[a-z0-9_]{1,32}")
_PATH = re.compile(r"(?:[a-z0-9_]+/){0,3}[a-z0-9_]+\.mpy")


class Bundle(NamedTuple):
    version: str
    board: str
    micropython: str
    files: dict  # path -> content
    sha256: str  # of the head, hexadecimal: what the boot state keeps


def seal(files: dict[str, bytes], board: str, version: str, key: Ed25519PrivateKey) -> bytes:
    """A signed bundle. The same input gives the same bytes. Raises BundleError."""
    if not _VERSION.fullmatch(version):
        raise BundleError(f"{version} is no version: three numbers are, e.g. 1.4.0, and a word may follow: 1.4.0.rc1")
    if not _BOARD.fullmatch(board):
        raise BundleError(f"{board} is no name of a board")
    for path in files:
        if not _PATH.fullmatch(path) or len(path) > 60:
            raise BundleError(f"{path} cannot be in a bundle: small letters, digits and _, three folders, .mpy")
    lines = [f"version {version}", f"board {board}", f"micropython {OLDEST}"]
    lines += [f"{hashlib.sha256(files[path]).hexdigest()} {len(files[path])} {path}" for path in sorted(files)]
    manifest = "".join(f"{line}\n" for line in lines).encode()
    total = sum(map(len, files.values()))
    if not files or len(files) > FILES_MAX or len(manifest) > MANIFEST_MAX or total > BYTES_MAX:
        raise BundleError(f"{len(files)} files of {total} bytes are not a bundle: at most {FILES_MAX} of {BYTES_MAX}")
    signature = key.sign(CONTEXT + hashlib.sha256(manifest).digest())
    head = MAGIC + struct.pack("<H", len(manifest)) + signature + manifest
    return head + b"".join(files[path] for path in sorted(files))


def head_of(bundle: bytes) -> bytes:
    """The part that lies in the slot as `manifest`."""
    if bundle[:4] != MAGIC or len(bundle) < HEAD:
        raise BundleError("this is no bundle")
    return bundle[: HEAD + struct.unpack_from("<H", bundle, 4)[0]]


def signed_by(head: bytes, public: Ed25519PublicKey | bytes) -> bool:
    """Has this key (or its 32 bytes) signed a bundle, or what lies in its slot as `manifest`?"""
    manifest = head_of(head)[HEAD:]
    try:
        key = Ed25519PublicKey.from_public_bytes(public) if isinstance(public, bytes) else public
        key.verify(head[6:HEAD], CONTEXT + hashlib.sha256(manifest).digest())
    except (InvalidSignature, ValueError):
        return False
    return True


def open_bundle(bundle: bytes, public: Ed25519PublicKey | None = None) -> Bundle:
    """What a bundle holds. Its hashes are checked, and with a key its signature. Raises BundleError."""
    head = head_of(bundle)
    manifest = head[HEAD:]
    if public is not None and not signed_by(head, public):
        raise BundleError("its signature is not by this key")
    try:
        lines = manifest.decode().splitlines()
        version, board, micropython = (line.split(" ", 1)[1] for line in lines[:3])
        at, files = len(head), {}
        for line in lines[3:]:
            digest, size, path = line.split(" ")
            end = at + integer(size, 0, BYTES_MAX)
            content = bundle[at:end]
            if hashlib.sha256(content).hexdigest() != digest:
                raise BundleError(f"{shown(path)} in it is damaged")
            files[path] = content
            at = end
    except (IndexError, ValueError):
        raise BundleError("its manifest is damaged") from None
    if at != len(bundle):
        raise BundleError("something follows its last file")
    return Bundle(version, board, micropython, files, hashlib.sha256(head).hexdigest())
