# SPDX-License-Identifier: Apache-2.0
"""The operator's public key for firmware bundles: Ed25519, 32 bytes raw, on the meter as /trust.key.

A file holds it raw, as 64 hexadecimal digits, or as PEM ("PUBLIC KEY"). A private key is refused: it must never come
near a meter. Thirty-two raw bytes do not say which of the two they are; the commands show the fingerprint for that.
Raises DocumentError.
"""

import hashlib
from pathlib import Path

from scripts.common import InputError, read_bytes

from .errors import DocumentError, FileError

NAME = "trust.key"
SIZE = 32
_P = 2**255 - 19


def load(path: Path) -> bytes:
    try:
        found = read_bytes(path)
    except InputError as e:
        raise FileError(f"The key file {path}: {e.why}. Name another one with --trust.") from None
    if b"PRIVATE" in found:
        raise DocumentError(f"{path} is a private key. Keep it away from meters, and name the public one with --trust.")
    key = _pem(path, found) if found.startswith(b"-----") else _raw(found)
    if key is None:
        raise DocumentError(
            f"{path} is no public Ed25519 key. Give its {SIZE} bytes, raw or as {2 * SIZE} hexadecimal digits, or PEM."
        )
    if _weak(key):
        raise DocumentError(f"Anybody could sign for the key in {path}. Make a new pair, and name its public half.")
    return key


def fingerprint(key: bytes) -> str:
    """The first 8 bytes of its SHA-256, for people to compare."""
    digits = hashlib.sha256(key).hexdigest()[:16]
    return "-".join(digits[i : i + 4] for i in range(0, 16, 4))


def _raw(found):
    if len(found) == SIZE:
        return found
    try:
        key = bytes.fromhex(found.decode("ascii").strip())
    except ValueError:
        return None
    return key if len(key) == SIZE else None


def _pem(path, found):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(found)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Ed25519PublicKey):
        raise DocumentError(f"{path} is a key of another kind. Bundles are signed with Ed25519: name such a key.")
    return key.public_bytes_raw()


def _weak(key):
    """Is this no point of the curve (RFC 8032, 5.1.3), or one of the eight of small order, which sign anything?"""
    y = int.from_bytes(key, "little") & ((1 << 255) - 1)
    if y >= _P:
        return True
    d = -121665 * pow(121666, -1, _P) % _P
    x2 = (y * y - 1) * pow(d * y * y + 1, -1, _P) % _P
    if x2 and pow(x2, (_P - 1) // 2, _P) != 1:
        return True
    # Doubled three times, a point of small order is the neutral one, whose y is 1. Of a double, y is
    # (x2 + y2) / (2 + x2 - y2), and its x2 follows from the curve's equation.
    for _ in range(3):
        y2 = y * y % _P
        y = (x2 + y2) * pow(2 + x2 - y2, -1, _P) % _P
        x2 = (y * y - 1) * pow(d * y * y + 1, -1, _P) % _P
    return y == 1
