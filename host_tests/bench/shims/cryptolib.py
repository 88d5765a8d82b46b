# SPDX-License-Identifier: Apache-2.0
"""MicroPython's `cryptolib` for CPython, as its documentation has it: one class, ECB and CBC.

An object keeps its CBC chain from call to call and serves either encryption or decryption, not both.
"""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB


class aes:
    def __init__(self, key, mode, iv=None):
        if mode not in (1, 2):
            raise ValueError("mode")
        if (mode == 2) != (iv is not None):
            raise ValueError("IV")
        self._cipher = Cipher(AES(bytes(key)), ECB() if mode == 1 else CBC(bytes(iv)))
        self._direction = None
        self._context = None

    def _run(self, direction, data, out):
        if self._direction is None:
            self._direction = direction
            self._context = getattr(self._cipher, direction)()
        elif self._direction != direction:
            raise ValueError("can't encrypt & decrypt")
        if len(data) % 16:
            raise ValueError("blksize % 16")
        result = self._context.update(bytes(data))
        if out is None:
            return result
        out[:] = result
        return out

    def encrypt(self, data, out=None):
        return self._run("encryptor", data, out)

    def decrypt(self, data, out=None):
        return self._run("decryptor", data, out)
