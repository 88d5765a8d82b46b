# SPDX-License-Identifier: Apache-2.0
"""The supplier's master keys, and every key that is derived from them.

Six masters of 16 bytes for each key version from 1 to 255: one for each key number on a card (0 master,
1 meter, 2 vending, 3 reader, 4 change) and the fleet's utility master. A meter never holds a master: it gets
a card key of its own and the fleet's utility key (meter_document()). Derivation: AN10922, crypto.cmac_div().

Errors: KeyFileError in words.
"""

import secrets
from collections.abc import Callable, Mapping

from .crypto import ZERO, aes_cbc_encrypt, cmac_div
from .errors import KeyFileError
from .formats import meter_number_bytes

MASTER, METER, VENDING, READER, CHANGE = range(5)  # key numbers on every card
UTILITY = 5
MASTER_WORDS = ("master", "meter", "vending", "reader", "change", "utility")
CARD_KEYS = 5
USER_AID = bytes.fromhex("015750")
UTILITY_AID = bytes.fromhex("025750")
VERSION_MAX = 255
UID_N = 7


class KeySet:
    """Masters by version. Immutable; rolled() gives a new one. Printing it shows no key."""

    def __init__(self, versions: Mapping[int, tuple[bytes, ...]]):
        if not versions:
            raise KeyFileError("There is no key version in this key file.")
        for version, masters in versions.items():
            if not 1 <= version <= VERSION_MAX:
                raise KeyFileError(f"Key version {version} is outside 1 to {VERSION_MAX}.")
            if len(masters) != len(MASTER_WORDS) or any(len(m) != 16 for m in masters):
                raise KeyFileError(f"Key version {version} is not six keys of 16 bytes.")
        self._versions = {version: tuple(versions[version]) for version in sorted(versions)}

    def __repr__(self):
        return f"KeySet(versions {', '.join(map(str, self._versions))})"

    @classmethod
    def new(cls, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        return cls({1: _masters(random_bytes)})

    @classmethod
    def demo(cls) -> "KeySet":
        """Keys everybody knows: for tests and the bench, never for a meter in a house."""
        return cls({1: tuple(b"PENNYWATT-DEMO-%d" % i for i in range(len(MASTER_WORDS)))})

    def rolled(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "KeySet":
        """With one more version of fresh masters."""
        if self.newest == VERSION_MAX:
            raise KeyFileError(f"There is no key version after {VERSION_MAX}.")
        return KeySet({**self._versions, self.newest + 1: _masters(random_bytes)})

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
        """Of one meter alone; all keys no. 1 of its user cards come from it."""
        return cmac_div(self.masters(version)[METER], b"CARD" + meter_number_bytes(meter_number))

    def utility_key(self, version: int) -> bytes:
        """The same in every meter of the fleet."""
        return cmac_div(self.masters(version)[UTILITY], b"UTIL")

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
        return cmac_div(self.masters(version)[:CARD_KEYS][role], place)

    def meter_document(self, meter_number: str, version: int | None = None) -> dict:
        """keys.json of one meter. With the version before, if there is one: cards out there may still have it."""
        version = self.newest if version is None else version
        document: dict = self._meter_keys(meter_number, version)
        if version - 1 in self:
            document["previous"] = self._meter_keys(meter_number, version - 1)
        return document

    def _meter_keys(self, meter_number, version):
        return {
            "version": version,
            "card_key": self.card_key(version, meter_number).hex(),
            "utility_key": self.utility_key(version).hex(),
        }

    def check_values(self, version: int) -> dict[str, str]:
        """Three bytes of each master's encryption of zeros: to compare key files without seeing keys."""
        masters = self.masters(version)
        return {
            word: aes_cbc_encrypt(master, ZERO, ZERO)[:3].hex().upper()
            for word, master in zip(MASTER_WORDS, masters, strict=True)
        }


def _masters(random_bytes):
    return tuple(random_bytes(16) for _ in MASTER_WORDS)


def _uid(uid):
    if len(uid) != UID_N:
        raise KeyFileError(f"Keys belong to a card number of {UID_N} bytes, not {len(uid)}.")
    return uid
