# SPDX-License-Identifier: Apache-2.0
"""MIFARE DESFire EV1 and later: AES login and CMAC-secured file access, in native commands.

Source: open implementations (libfreefare, proxmark3) and public traces, listed with the test vectors in
host_tests/vectors/desfire.json; CMAC: core/cmac.py.
Invariants: what read() returns has passed the card's MAC when logged in; MACs are compared in constant time;
any error ends the session; randomness comes from os.urandom only. One command is one frame: no chaining.
All numbers on the card are little-endian.
"""

import os

import cryptolib
from micropython import const

from meter import heap
from meter.core import codes
from meter.core.cmac import ZERO, Cmac, same
from meter.core.errors import CardError
from meter.drivers.desfire.status import ADDITIONAL_FRAME, ILLEGAL_COMMAND_CODE, OPERATION_OK, expect

# Native commands, by NXP's names as libfreefare has them.
_WRITE_RECORD = const(0x3B)
_WRITE_DATA = const(0x3D)
_SELECT_APPLICATION = const(0x5A)
_AUTHENTICATE_EV2_FIRST = const(0x71)
_AUTHENTICATE_AES = const(0xAA)
_READ_DATA = const(0xBD)
_COMMIT_TRANSACTION = const(0xC7)

MAC_N = const(8)
READ_MAX = const(51)  # a frame holds 60: status, data, MAC
WRITE_MAX = const(44)  # command, file, offset 3, length 3, data, MAC


def _place(file_no, offset, n):
    return bytes((file_no, offset & 0xFF, offset >> 8, 0, n, 0, 0))


class Session:
    """EV1 secure messaging: one chain of MACs over all commands and answers."""

    def __init__(self, key: bytes):
        self._cmac = Cmac(key)
        self._iv = ZERO

    def seal(self, command: bytes, writes: bool) -> bytes:
        """The command as it is sent. The MAC of every one goes into the chain, sent or not."""
        self._iv = self._cmac.mac(command, self._iv)
        return command + self._iv[:MAC_N] if writes else command

    def open(self, data: bytes, mac: bytes) -> bool:
        """Is the MAC of an answer right?"""
        self._iv = self._cmac.mac(data + b"\0", self._iv)
        return same(self._iv[:MAC_N], mac)


class Desfire:
    """One card in the field. exchange(apdu, answer_n) carries bytes to it and its answer back.

    Every method raises CardError: CARD_UNKNOWN (no such application), CARD_AUTH (the key does not open it),
    CARD_MALFORMED (its answer is not what a card of the scheme gives), CARD_PULLED (from exchange).
    """

    def __init__(self, exchange):
        self._exchange = exchange
        self._session = None

    async def select(self, aid: bytes) -> None:
        """Enter an application (3 bytes as on the wire); ends a session."""
        self._session = None
        await self._ask(bytes((_SELECT_APPLICATION,)) + aid, 0)

    async def login(self, key_no: int, key: bytes) -> None:
        """Mutual authentication by the best way the card knows; from then on all is MACed."""
        self._session = None
        answer = await self._exchange(bytes((_AUTHENTICATE_EV2_FIRST, key_no, 0)), 17)
        if len(answer) == 1 and answer[0] == ILLEGAL_COMMAND_CODE:
            return await self.login_ev1(key_no, key)
        heap.borrow("ev2")
        try:
            from meter.drivers.desfire import ev2

            self._session = await ev2.login(self._exchange, answer, key)
        finally:
            heap.give_back("ev2")

    async def login_ev1(self, key_no: int, key: bytes, rnd_a: bytes = b"") -> None:
        """The same as cards of the first generation do it. rnd_a is for published examples only."""
        self._session = None
        answer = await self._exchange(bytes((_AUTHENTICATE_AES, key_no)), 17)
        expect(answer, ADDITIONAL_FRAME, 17)
        challenge = answer[1:]
        rnd_b = cryptolib.aes(key, 2, ZERO).decrypt(challenge)
        rnd_a = rnd_a or os.urandom(16)
        token = cryptolib.aes(key, 2, challenge).encrypt(rnd_a + rnd_b[1:] + rnd_b[:1])
        answer = await self._exchange(bytes((ADDITIONAL_FRAME,)) + token, 17)
        expect(answer, OPERATION_OK, 17)
        proof = cryptolib.aes(key, 2, token[16:]).decrypt(answer[1:])
        if not same(proof, rnd_a[1:] + rnd_a[:1]):
            raise CardError(codes.CARD_AUTH, "proof")
        self._session = Session(rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:])

    async def read(self, file_no: int, offset: int, n: int) -> bytes:
        """n bytes (at most READ_MAX) of a data file; only a MAC makes them trustworthy, so log in first."""
        return await self._ask(bytes((_READ_DATA,)) + _place(file_no, offset, n), n)

    async def write(self, file_no: int, offset: int, data: bytes) -> None:
        """Write at most WRITE_MAX bytes to a MACed file; a backup file keeps them from commit() on."""
        await self._ask(bytes((_WRITE_DATA,)) + _place(file_no, offset, len(data)) + data, 0, True)

    async def write_record(self, file_no: int, offset: int, data: bytes) -> None:
        """The same into the next record of a MACed record file."""
        await self._ask(bytes((_WRITE_RECORD,)) + _place(file_no, offset, len(data)) + data, 0, True)

    async def commit(self) -> None:
        """Make everything written since select() take effect at once."""
        await self._ask(bytes((_COMMIT_TRANSACTION,)), 0)

    async def _ask(self, command, n, writes=False):
        """Send a command, check status, length and MAC of the answer. Return its n bytes of data."""
        session = self._session
        self._session = None  # put back when all is well
        if session is None:
            answer = await self._exchange(command, n + 1)
            expect(answer, OPERATION_OK, n + 1)
            return answer[1:]
        answer = await self._exchange(session.seal(command, writes), n + 1 + MAC_N)
        expect(answer, OPERATION_OK, n + 1 + MAC_N)
        data = answer[1 : n + 1]
        if not session.open(data, answer[n + 1 :]):
            raise CardError(codes.CARD_MALFORMED, "MAC")
        self._session = session
        return data
