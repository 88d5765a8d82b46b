# SPDX-License-Identifier: Apache-2.0
"""Masters and signing keys in a file, under a passphrase: scripts/common/lock.py. Errors: KeyFileError in words."""

import json
from pathlib import Path

from scripts.common import lock
from scripts.common.lock import PASSPHRASE_MIN_N, SCRYPT_LOG2_N
from scripts.supplier.errors import KeyFileError
from scripts.supplier.keys import KeySet
from scripts.supplier.signing import ORDER, SALE, SigningKeys

__all__ = ["PASSPHRASE_MIN_N", "load", "save", "write_private"]

FORMAT = "pennywatt-keys"
_BEFORE_SIGNING = "pennywatt-masters"


def save(path: Path, keys: KeySet, passphrase: str, replace: bool = False, log2_n: int = SCRYPT_LOG2_N) -> None:
    """Write the key file. Without replace an existing one is never touched."""
    inside = {
        "masters": {str(v): [m.hex() for m in keys.masters(v)] for v in keys.versions},
        **{kind.kind: {str(n): kind.seed(n).hex() for n in kind.numbers} for kind in (keys.sale, keys.order)},
    }
    try:
        lock.save(path, FORMAT, json.dumps(inside).encode(), passphrase, replace, log2_n)
    except lock.LockError as e:
        raise KeyFileError(str(e)) from None


def load(path: Path, passphrase: str) -> KeySet:
    if not path.exists():
        raise KeyFileError(f"There is no key file {path}. Make one with 'keys new', or name yours with --keys.")
    try:
        lock.refuse_other(path, _BEFORE_SIGNING)
    except lock.LockError:
        pass
    else:
        raise KeyFileError(
            f"{path} is of before purchases were signed: it has no signing keys. Make a new file with 'keys new'."
        )
    try:
        inside = json.loads(lock.load(path, FORMAT, passphrase))
    except lock.LockError as e:
        raise KeyFileError(str(e)) from None
    masters = {int(v): tuple(bytes.fromhex(m) for m in masters) for v, masters in inside["masters"].items()}
    sale, order = (
        SigningKeys(kind, {int(n): bytes.fromhex(seed) for n, seed in inside[kind].items()}) for kind in (SALE, ORDER)
    )
    return KeySet(masters, sale, order)


def write_private(path: Path, content: bytes, replace: bool = False) -> None:
    """Whole or not at all, mode 0600. KeyFileError when it exists and replace is not set."""
    try:
        lock.write_private(path, content, replace)
    except lock.LockError as e:
        raise KeyFileError(str(e)) from None
