# SPDX-License-Identifier: Apache-2.0
"""Firmware bundles: one file of compiled modules, a manifest with their hashes, and a signature.

    build(board, version, key)   the bundle's bytes; without a key, signed with the demo key
    loader_files(board, public)  path on the meter -> content, of what chooses and starts it
"""

from .errors import BundleError
from .firmware import compile_mpy, explain, loader_files, slot_files, slot_modules
from .format import Bundle, head_of, open_bundle, seal, signed_by
from .keys import PASSPHRASE, demo_key, public_bytes, read_key, read_public

__all__ = (
    "PASSPHRASE", "Bundle", "BundleError", "build", "compile_mpy", "demo_key", "explain", "head_of", "loader_files",
    "open_bundle", "public_bytes", "read_key", "read_public", "seal", "signed_by", "slot_files",
    "slot_modules",
)  # fmt: skip


def build(board: str, version: str, key=None) -> bytes:
    """The bundle of this source tree for a board. key: of read_key(), or None for the demo key. Raises BundleError."""
    return seal(slot_files(board), board, version, key or demo_key())
