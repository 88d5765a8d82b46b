# SPDX-License-Identifier: Apache-2.0
"""AES-128 as cards use it: CBC, CMAC with a start value (RFC 4493), AN10922 diversification, the card's CRC."""

import zlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_N = 16
ZERO = bytes(BLOCK_N)
DIVERSIFY_MAX_N = 31


def aes_cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    worker = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return worker.update(data) + worker.finalize()


def aes_cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    worker = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return worker.update(data) + worker.finalize()


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def cmac_subkeys(key: bytes) -> tuple[bytes, bytes]:
    """K1 for messages of whole blocks, K2 for padded ones."""
    value = int.from_bytes(aes_cbc_encrypt(key, ZERO, ZERO), "big")
    found = []
    for _ in range(2):
        value = (value << 1) ^ ((1 << 128 | 0x87) if value >> 127 else 0)
        found.append(value.to_bytes(BLOCK_N, "big"))
    return found[0], found[1]


def cmac(key: bytes, message: bytes, iv: bytes = ZERO) -> bytes:
    """AES-CMAC. A card's session starts each one with the last result as iv, where RFC 4493 has zeros."""
    return _cmac_padded(key, message, max(BLOCK_N, -(-len(message) // BLOCK_N) * BLOCK_N), iv)


def cmac_div(key: bytes, data: bytes) -> bytes:
    """A key diversified by data (1 to 31 bytes), AN10922 for AES-128: always over two blocks."""
    if not 0 < len(data) <= DIVERSIFY_MAX_N:
        raise ValueError(f"diversification input has 1 to {DIVERSIFY_MAX_N} bytes, not {len(data)}")
    return _cmac_padded(key, b"\x01" + data, 2 * BLOCK_N, ZERO)


def _cmac_padded(key, message, n, iv):
    whole, padded = cmac_subkeys(key)
    if len(message) == n:
        subkey = whole
    else:
        subkey = padded
        message = (message + b"\x80").ljust(n, b"\0")
    return aes_cbc_encrypt(key, iv, message[:-BLOCK_N] + xor(message[-BLOCK_N:], subkey))[-BLOCK_N:]


def card_crc32(data: bytes) -> bytes:
    """CRC-32 as DESFire computes it inside ChangeKey: without the final inversion."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(4, "little")
