# SPDX-License-Identifier: Apache-2.0
"""AES-CMAC (RFC 4493), and the keys that are derived with it (NXP AN10922). Pure.

Examples of both documents, and those listed in host_tests/vectors/desfire.json, run as tests.
"""

import cryptolib

ZERO = bytes(16)


def _doubled(block):
    """Twice the block in GF(2^128), RFC 4493 2.3."""
    out = bytearray(16)
    carry = 0
    for i in range(15, -1, -1):
        v = block[i] << 1 | carry
        out[i] = v & 0xFF
        carry = v >> 8
    if carry:
        out[15] ^= 0x87
    return out


def same(a, b) -> bool:
    """Equality in a time that does not tell where the difference is."""
    diff = len(a) ^ len(b)
    for i in range(min(len(a), len(b))):
        diff |= a[i] ^ b[i]
    return diff == 0


class Cmac:
    """AES-CMAC under one key, with a start value as DESFire chains it from MAC to MAC."""

    def __init__(self, key):
        self._key = key
        self._whole = _doubled(cryptolib.aes(key, 1).encrypt(ZERO))
        self._padded = _doubled(self._whole)

    def mac(self, data, iv=ZERO, blocks: int = 1) -> bytes:
        """The 16-byte MAC; data is padded to at least `blocks` blocks."""
        size = len(data)
        blocks = max(blocks, (size + 15) // 16)
        buf = bytearray(blocks * 16)
        buf[:size] = data
        subkey = self._whole
        if size < len(buf):
            buf[size] = 0x80
            subkey = self._padded
        for i in range(16):
            buf[i - 16] ^= subkey[i]
        return cryptolib.aes(self._key, 2, iv).encrypt(buf)[-16:]


def derived(key: bytes, data: bytes) -> bytes:
    """Return the key that another one has for one card or meter: AN10922 2.2 (AES-128)."""
    if len(data) > 31:
        raise ValueError("too long")
    return Cmac(key).mac(b"\x01" + data, ZERO, 2)
