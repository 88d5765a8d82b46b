# SPDX-License-Identifier: Apache-2.0
"""The card's side of the arithmetic: AES, CMAC, key diversification, CRC. Shares nothing with the firmware's."""

import zlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ZERO = bytes(16)


def aes_cbc(key: bytes, iv: bytes, data: bytes, decrypt: bool = False) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return worker.update(data) + worker.finalize()


def aes_cmac(key: bytes, iv: bytes, message: bytes) -> bytes:
    """AES-CMAC (RFC 4493) with a start value in place of zeros."""
    root = int.from_bytes(aes_cbc(key, ZERO, ZERO), "big")
    subkeys = []
    for _ in range(2):
        root = (root << 1) ^ ((1 << 128 | 0x87) if root >> 127 else 0)
        subkeys.append(root)
    whole = message and len(message) % 16 == 0
    if not whole:
        message += b"\x80" + bytes(-(len(message) + 1) % 16)
    last = int.from_bytes(message[-16:], "big") ^ subkeys[0 if whole else 1]
    return aes_cbc(key, iv, message[:-16] + last.to_bytes(16, "big"))[-16:]


def an10922(master: bytes, diversification: bytes) -> bytes:
    """AES-128 diversified key, AN10922: CMAC of 01 || input, always over two blocks."""
    message = b"\x01" + diversification
    assert 1 < len(message) <= 32
    if len(message) > 16:
        return aes_cmac(master, ZERO, message)
    root = int.from_bytes(aes_cbc(master, ZERO, ZERO), "big")
    for _ in range(2):
        root = (root << 1) ^ ((1 << 128 | 0x87) if root >> 127 else 0)
    padded = (message + b"\x80").ljust(32, b"\0")
    last = int.from_bytes(padded[16:], "big") ^ root
    return aes_cbc(master, ZERO, padded[:16] + last.to_bytes(16, "big"))[-16:]


def card_crc32(data: bytes) -> bytes:
    """CRC-32 as DESFire has it: no final inversion."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(4, "little")
