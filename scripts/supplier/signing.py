# SPDX-License-Identifier: Apache-2.0
"""The supplier's signing keys: Ed25519, each with a number from 1 to 255.

The sale key signs purchases, the order key everything a utility card brings. A meter has one public half of each
kind; older private halves are kept, for meters that were not told of a newer one yet. Errors: KeyFileError in words.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scripts.supplier.errors import KeyFileError

SALE, ORDER = "sale", "order"
NUMBER_MAX = 255
SEED_N = PUBLIC_N = 32
SIGNATURE_N = 64
NO_SIGNATURE = bytes(SIGNATURE_N)
_REMEDY = {
    SALE: "Use the newest key file.",
    ORDER: "A shop's key file has none: meters and cards that command them are made in the office, with its file.",
}


def sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def public_half(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SigningKeys:
    """The private keys of one kind, by number; may be none at all. Printing it shows no key."""

    def __init__(self, kind: str, seeds: Mapping[int, bytes]):
        for number, seed in seeds.items():
            if not 1 <= number <= NUMBER_MAX or len(seed) != SEED_N:
                raise KeyFileError(f"The {kind} key {number} is not {SEED_N} bytes with a number up to {NUMBER_MAX}.")
        self.kind = kind
        self._seeds = {number: bytes(seeds[number]) for number in sorted(seeds)}

    def __repr__(self):
        return f"SigningKeys({self.kind}, numbers {', '.join(map(str, self._seeds)) or 'none'})"

    @classmethod
    def demo(cls, kind: str) -> "SigningKeys":
        """The key everybody knows: for tests and the bench, never for a meter in a house."""
        return cls(kind, {1: hashlib.sha256(b"Pennywatt demo %s key" % kind.encode()).digest()})

    def rolled(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "SigningKeys":
        """With one more key, of the next number."""
        if self._seeds and self.newest == NUMBER_MAX:
            raise KeyFileError(f"There is no {self.kind} key after number {NUMBER_MAX}.")
        return SigningKeys(self.kind, {**self._seeds, (max(self._seeds, default=0) + 1): random_bytes(SEED_N)})

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(self._seeds)

    @property
    def newest(self) -> int:
        """The highest number. KeyFileError: there is no key."""
        if not self._seeds:
            raise KeyFileError(f"The key file has no {self.kind} key. {_REMEDY[self.kind]}")
        return max(self._seeds)

    def seed(self, number: int | None = None) -> bytes:
        """The private half; None: of the newest. KeyFileError when it is not there."""
        number = self.newest if number is None else number
        if number not in self._seeds:
            known = ", ".join(map(str, self._seeds)) or "none"
            raise KeyFileError(
                f"The {self.kind} key {number} is needed, and this key file has {known}. {_REMEDY[self.kind]}"
            )
        return self._seeds[number]

    def public(self, number: int | None = None) -> bytes:
        """The public half, 32 bytes; None: of the newest."""
        return public_half(self.seed(number))

    def fingerprints(self) -> dict[int, str]:
        """The first 8 bytes of each public half's SHA-256, for people to compare."""
        digits = {number: hashlib.sha256(self.public(number)).hexdigest()[:16] for number in self._seeds}
        return {number: "-".join(text[i : i + 4] for i in range(0, 16, 4)) for number, text in digits.items()}

    def sign(self, message: bytes, number: int | None = None) -> bytes:
        return sign(self.seed(number), message)
