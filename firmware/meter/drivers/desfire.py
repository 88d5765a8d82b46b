# SPDX-License-Identifier: Apache-2.0
"""MIFARE DESFire EV1: AES login and CMAC-secured file access, in native commands.

Source: open implementations (libfreefare, proxmark3) and public traces, listed with the test vectors in
host_tests/vectors/desfire.json; CMAC after RFC 4493, key diversification after NXP AN10922.
Invariants: what read() gives has passed the card's MAC when logged in; MACs are compared in constant time;
any error ends the session; randomness comes from os.urandom only. One command is one frame: no chaining.
All numbers on the card are little-endian.
"""

import os

import cryptolib
from micropython import const

from meter.core import codes
from meter.core.errors import CardError

_OK = const(0x00)
_MORE = const(0xAF)
_LOGIN_AES = const(0xAA)
_SELECT = const(0x5A)
_READ = const(0xBD)
_WRITE = const(0x3D)
_COMMIT = const(0xC7)
_NO_SUCH_APPLICATION = const(0xA0)
_NOT_ALLOWED = const(0x9D)
_NOT_AUTHENTIC = const(0xAE)

_MAC_N = const(8)
READ_MAX = const(51)  # a frame holds 60: status, data, MAC
WRITE_MAX = const(44)  # command, file, offset 3, length 3, data, MAC

_ZERO = bytes(16)


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
        self._whole = _doubled(cryptolib.aes(key, 1).encrypt(_ZERO))
        self._padded = _doubled(self._whole)

    def mac(self, data, iv=_ZERO, blocks: int = 1) -> bytes:
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


def diversified(role_key: bytes, uid: bytes, aid: bytes, meter_number: bytes) -> bytes:
    """The key one card holds for a role: AN10922 2.2 (AES-128) over uid, application and meter number."""
    data = b"\x01" + uid + aid + meter_number
    if len(data) > 32:
        raise ValueError("too long")
    return Cmac(role_key).mac(data, _ZERO, 2)


def key_check(key: bytes) -> bytes:
    """Check value of a key: tells keys apart without giving them away."""
    return cryptolib.aes(key, 1).encrypt(_ZERO)[:8]


def _place(file_no, offset, n):
    return bytes((file_no, offset & 0xFF, offset >> 8, 0, n, 0, 0))


class Desfire:
    """One card in the field. exchange(apdu, answer_n) carries bytes to it and its answer back.

    Every method raises CardError: CARD_UNKNOWN (no such application), CARD_AUTH (the key does not open it),
    CARD_MALFORMED (its answer is not what a card of the scheme gives), CARD_PULLED (from exchange).
    """

    def __init__(self, exchange):
        self._exchange = exchange
        self._cmac = None
        self._iv = _ZERO

    async def select(self, aid: bytes) -> None:
        """Enter an application (3 bytes as on the wire); ends a session."""
        self._cmac = None
        await self._ask(bytes((_SELECT,)) + aid, 0)

    async def login(self, key_no: int, key: bytes, rnd_a: bytes = b"") -> None:
        """Mutual AES authentication; from then on all is MACed. rnd_a is for published examples only."""
        self._cmac = None
        answer = await self._exchange(bytes((_LOGIN_AES, key_no)), 17)
        _expect(answer, _MORE, 17)
        challenge = answer[1:]
        rnd_b = cryptolib.aes(key, 2, _ZERO).decrypt(challenge)
        rnd_a = rnd_a or os.urandom(16)
        token = cryptolib.aes(key, 2, challenge).encrypt(rnd_a + rnd_b[1:] + rnd_b[:1])
        answer = await self._exchange(bytes((_MORE,)) + token, 17)
        _expect(answer, _OK, 17)
        proof = cryptolib.aes(key, 2, token[16:]).decrypt(answer[1:])
        if not same(proof, rnd_a[1:] + rnd_a[:1]):
            raise CardError(codes.CARD_AUTH, "proof")
        self._cmac = Cmac(rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:])
        self._iv = _ZERO

    async def read(self, file_no: int, offset: int, n: int) -> bytes:
        """n bytes (at most READ_MAX) of a data file; only a MAC makes them trustworthy, so log in first."""
        return await self._ask(bytes((_READ,)) + _place(file_no, offset, n), n)

    async def write(self, file_no: int, offset: int, data: bytes) -> None:
        """Write at most WRITE_MAX bytes to a MACed file; a backup file keeps them from commit() on."""
        await self._ask(bytes((_WRITE,)) + _place(file_no, offset, len(data)) + data, 0, True)

    async def commit(self) -> None:
        """Make everything written since select() take effect at once."""
        await self._ask(bytes((_COMMIT,)), 0)

    async def _ask(self, command, n, append_mac=False):
        """Send a command, check status, length and MAC of the answer; gives its n bytes of data."""
        cmac = self._cmac
        self._cmac = None  # put back when all is well
        if cmac is None:
            answer = await self._exchange(command, n + 1)
            _expect(answer, _OK, n + 1)
            return answer[1:]
        # The MAC of every command goes into the chain, sent or not.
        iv = cmac.mac(command, self._iv)
        if append_mac:
            command += iv[:_MAC_N]
        answer = await self._exchange(command, n + 1 + _MAC_N)
        _expect(answer, _OK, n + 1 + _MAC_N)
        data = answer[1 : n + 1]
        self._iv = cmac.mac(data + answer[:1], iv)
        if not same(self._iv[:_MAC_N], answer[n + 1 :]):
            raise CardError(codes.CARD_MALFORMED, "MAC")
        self._cmac = cmac
        return data


def _expect(answer, status, n):
    got = answer[0] if answer else -1
    if got == status and len(answer) == n:
        return
    if got == _NO_SUCH_APPLICATION:
        code = codes.CARD_UNKNOWN
    elif got in (_NOT_AUTHENTIC, _NOT_ALLOWED):
        code = codes.CARD_AUTH
    else:
        code = codes.CARD_MALFORMED
    raise CardError(code, "status %02x" % (got & 0xFF))
