# SPDX-License-Identifier: Apache-2.0
"""The supplier's keys: masters and what is derived from them, and the two signing keys.

Six masters of 16 bytes for each key version from 1 to 255: one for each key number on a card (0 master,
1 meter, 2 vending, 3 reader, 4 change) and the fleet's utility master. A meter never holds a master: it gets
a card key of its own, the fleet's utility key, which only lets cards be read, and the public halves of the
signing keys (meter_document()). Derivation: AN10922, crypto.cmac_div(). A shop's key set has neither utility
masters nor order keys.

Errors: KeyFileError in words.
"""

import secrets
from collections.abc import Callable, Mapping

from scripts.supplier.crypto import ZERO, aes_cbc_encrypt, cmac_div
from scripts.supplier.errors import KeyFileError
from scripts.supplier.formats import meter_number_bytes
from scripts.supplier.signing import ORDER, SALE, SigningKeys

MASTER, METER, VENDING, READER, CHANGE = range(5)  # key numbers on every card
UTILITY = 5
MASTER_WORDS = ("master", "meter", "vending", "reader", "change", "utility")
CARD_KEYS = 5
USER_AID = bytes.fromhex("015750")
UTILITY_AID = bytes.fromhex("025750")
VERSION_MAX = 255
UID_N = 7


class KeySet:
    """Masters by version, signing keys by number. Immutable; what changes it gives a new one. Printing it shows no
    key."""

    def __init__(
        self,
        versions: Mapping[int, tuple[bytes, ...]],
        sale: SigningKeys | None = None,
        order: SigningKeys | None = None,
    ):
        if not versions:
            raise KeyFileError("There is no key version in this key file.")
        for version, masters in versions.items():
            if not 1 <= version <= VERSION_MAX:
                raise KeyFileError(f"Key version {version} is outside 1 to {VERSION_MAX}.")
            if len(masters) not in (CARD_KEYS, len(MASTER_WORDS)) or any(len(m) != 16 for m in masters):
                raise KeyFileError(f"Key version {version} is not six keys of 16 bytes, or five for a shop.")
        self._versions = {version: tuple(versions[version]) for version in sorted(versions)}
        self.sale = sale or SigningKeys(SALE, {})
        self.order = order or SigningKeys(ORDER, {})

    def __repr__(self):
        return f"KeySet(versions {', '.join(map(str, self._versions))})"

    @classmethod
    def new(cls, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        sale, order = (SigningKeys(kind, {}).rolled(random_bytes) for kind in (SALE, ORDER))
        return cls({1: _masters(random_bytes)}, sale, order)

    @classmethod
    def demo(cls) -> "KeySet":
        """Keys everybody knows: for tests and the bench, never for a meter in a house."""
        masters = tuple(b"PENNYWATT-DEMO-%d" % i for i in range(len(MASTER_WORDS)))
        return cls({1: masters}, SigningKeys.demo(SALE), SigningKeys.demo(ORDER))

    def rolled(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        """With one more version of fresh masters."""
        if self.newest == VERSION_MAX:
            raise KeyFileError(f"There is no key version after {VERSION_MAX}.")
        if self.of_a_shop:
            raise KeyFileError(
                "This is a shop's key file. Keys are rolled in the office, with its file; then it is exported again."
            )
        return KeySet({**self._versions, self.newest + 1: _masters(random_bytes)}, self.sale, self.order)

    def rolled_signing(self, kind: str, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        """With one more sale key or order key. Meters know nothing of it before a card has told them."""
        if self.of_a_shop:
            raise KeyFileError(
                "This is a shop's key file. Keys are rolled in the office, with its file; then it is exported again."
            )
        sale = self.sale.rolled(random_bytes) if kind == SALE else self.sale
        order = self.order.rolled(random_bytes) if kind == ORDER else self.order
        return KeySet(self._versions, sale, order)

    def for_shop(self) -> "KeySet":
        """What a counter needs to issue and sell: without order keys and without the utility masters."""
        return KeySet({version: masters[:CARD_KEYS] for version, masters in self._versions.items()}, self.sale)

    @property
    def of_a_shop(self) -> bool:
        return any(len(masters) == CARD_KEYS for masters in self._versions.values())

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(self._versions)

    @property
    def newest(self) -> int:
        return max(self._versions)

    def __contains__(self, version: int) -> bool:
        return version in self._versions

    def masters(self, version: int) -> tuple[bytes, ...]:
        try:
            return self._versions[version]
        except KeyError:
            known = ", ".join(map(str, self._versions))
            raise KeyFileError(
                f"Keys of version {version} are needed, and this key file has {known}. Use the newest key file."
            ) from None

    # -- derived ----------------------------------------------------------------------------------

    def card_key(self, version: int, meter_number: str) -> bytes:
        """Return the key of one meter alone; all keys no. 1 of its user cards come from it."""
        return cmac_div(self.masters(version)[METER], b"CARD" + meter_number_bytes(meter_number))

    def utility_key(self, version: int) -> bytes:
        """The same in every meter of the fleet."""
        return cmac_div(self._all_masters(version)[UTILITY], b"UTIL")

    def _all_masters(self, version):
        masters = self.masters(version)
        if len(masters) <= UTILITY:
            raise KeyFileError(
                "This is a shop's key file, without the keys of utility cards. Make those in the office, with its file."
            )
        return masters

    def user_card_key(self, version: int, role: int, uid: bytes, meter_number: str) -> bytes:
        """Key number `role` of a meter's user card."""
        place = _uid(uid) + USER_AID
        if role == METER:
            return cmac_div(self.card_key(version, meter_number), place)
        return cmac_div(self.masters(version)[:CARD_KEYS][role], place + meter_number_bytes(meter_number))

    def utility_card_key(self, version: int, role: int, uid: bytes) -> bytes:
        """Key number `role` of a utility card."""
        place = _uid(uid) + UTILITY_AID
        if role == METER:
            return cmac_div(self.utility_key(version), place)
        return cmac_div(self._all_masters(version)[:CARD_KEYS][role], place)

    def meter_document(self, meter_number: str, version: int | None = None, made: int = 0) -> dict:
        """keys.json of one meter. made: when, in seconds since 2000: what no order's serial lies far above."""
        version = self.newest if version is None else version
        return {
            "version": version,
            "card_key": self.card_key(version, meter_number).hex(),
            "utility_key": self.utility_key(version).hex(),
            "sale": [self.sale.newest, self.sale.public().hex()],
            "order": [self.order.newest, self.order.public().hex()],
            "made": made,
        }

    def check_values(self, version: int) -> dict[str, str]:
        """Three bytes of each master's encryption of zeros: to compare key files without seeing keys."""
        masters = self.masters(version)
        return {
            word: aes_cbc_encrypt(master, ZERO, ZERO)[:3].hex().upper()
            for word, master in zip(MASTER_WORDS, masters, strict=False)  # a shop's are five
        }


def _masters(random_bytes):
    return tuple(random_bytes(16) for _ in MASTER_WORDS)


def _uid(uid):
    if len(uid) != UID_N:
        raise KeyFileError(f"Keys belong to a card number of {UID_N} bytes, not {len(uid)}.")
    return uid
