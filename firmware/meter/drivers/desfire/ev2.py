# SPDX-License-Identifier: Apache-2.0
"""EV2 secure messaging for files in MACed mode: what a card of the second generation does instead of chained MACs.

Each command and answer has a MAC of its own over a counter and the transaction's identifier, so none can be left
out, repeated or moved into another session. Source: NXP AN12196 (same messaging), proxmark3; examples of both run
as tests. Loaded with a card that offers it.
"""

import os
import struct

import cryptolib

from meter.core import codes
from meter.core.cmac import ZERO, Cmac, same
from meter.core.errors import CardError
from meter.drivers.desfire.status import ADDITIONAL_FRAME, OPERATION_OK, expect


async def login(exchange, answer, key: bytes, rnd_a: bytes = b""):
    """Go on after the card's answer to AuthenticateEV2First. Return the session. Raise CardError."""
    expect(answer, ADDITIONAL_FRAME, 17)
    rnd_b = cryptolib.aes(key, 2, ZERO).decrypt(answer[1:])
    rnd_a = rnd_a or os.urandom(16)
    token = cryptolib.aes(key, 2, ZERO).encrypt(rnd_a + rnd_b[1:] + rnd_b[:1])
    answer = await exchange(bytes((ADDITIONAL_FRAME,)) + token, 33)
    expect(answer, OPERATION_OK, 33)
    proof = cryptolib.aes(key, 2, ZERO).decrypt(answer[1:])
    if not same(proof[4:20], rnd_a[1:] + rnd_a[:1]):
        raise CardError(codes.CARD_AUTH, "proof")
    return Session(key, rnd_a, rnd_b, proof[:4])


class Session:
    """See desfire.Session, which it stands in for."""

    def __init__(self, key, rnd_a, rnd_b, ti):
        mixed = bytes([rnd_a[2 + i] ^ rnd_b[i] for i in range(6)])
        vector = b"\x5a\xa5\x00\x01\x00\x80" + rnd_a[:2] + mixed + rnd_b[6:] + rnd_a[8:]
        self._cmac = Cmac(Cmac(key).mac(vector))
        self._ti = ti
        self._count = 0

    def _mac(self, code, data):
        whole = self._cmac.mac(code + struct.pack("<H", self._count) + self._ti + data)
        return bytes([whole[i] for i in range(1, 16, 2)])

    def seal(self, command: bytes, writes: bool) -> bytes:
        return command + self._mac(command[:1], command[1:])

    def open(self, data: bytes, mac: bytes) -> bool:
        self._count += 1
        return same(self._mac(b"\0", data), mac)
