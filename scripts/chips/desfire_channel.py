# SPDX-License-Identifier: Apache-2.0
"""Secure messaging after a login: what a command must carry, and what an answer does.

Ev1Channel after AuthenticateAES (AAh): libfreefare, proxmark3, and the traces in host_tests/vectors/desfire.json.
Ev2Channel after AuthenticateEV2First/NonFirst (71h, 77h): NXP's data sheet NT4H2421Gx, sections 9.1.2 to 9.1.10,
and the worked examples of AN12196 and AN12343. Those two are of NTAG 424 DNA and DESFire Light; proxmark3 speaks
the same to DESFire EV2.

Both have the same methods. head: command code and parameters; n: how many data bytes follow them; mode: PLAIN,
MACED or FULL. Status INTEGRITY: a MAC, a checksum or a padding is wrong.
"""

from scripts.chips.desfire_codes import FULL, INTEGRITY, LENGTH, MACED, PLAIN, Status
from scripts.chips.desfire_crypto import ZERO, aes_cbc, aes_cmac, card_crc32


class Ev1Channel:
    """One start value runs through all MACs and encryptions of a session.

    Every answer ends in a MAC, in plain mode too; a command carries one only with data, in MACed mode.
    Enciphered data (mode FULL) follow libfreefare; no public trace of it is known.
    """

    def __init__(self, key: bytes):
        self.key = key
        self.iv = ZERO

    def _mac(self, message):
        self.iv = aes_cmac(self.key, self.iv, message)
        return self.iv[:8]

    def decrypt(self, cipher: bytes) -> bytes:
        plain = aes_cbc(self.key, self.iv, cipher, decrypt=True)
        self.iv = cipher[-16:]
        return plain

    def wire_n(self, mode: int, n: int) -> int:
        """How many bytes follow the head of a command with n data bytes."""
        if not n or mode == PLAIN:
            return n
        return n + 8 if mode == MACED else -(-(n + 4) // 16) * 16

    def take(self, head: bytes, wire: bytes, mode: int, n: int) -> bytes:
        """The data bytes of a whole command."""
        if len(wire) != self.wire_n(mode, n):
            raise Status(LENGTH)
        if mode == FULL and n:
            plain = self.decrypt(wire)
            data = plain[:n]
            if plain[n:] != card_crc32(head + data).ljust(len(plain) - n, b"\0"):
                raise Status(INTEGRITY)
            return data
        data, sent = wire[:n], wire[n:]
        mac = self._mac(head + data)
        if sent and sent != mac:
            raise Status(INTEGRITY)
        return data

    def give(self, data: bytes, mode: int) -> bytes:
        """What goes on the wire, after the status, as the answer to the command taken last."""
        if mode == FULL and data:
            plain = data + card_crc32(data + b"\0")
            cipher = aes_cbc(self.key, self.iv, plain + bytes(-len(plain) % 16))
            self.iv = cipher[-16:]
            return cipher
        return data + self._mac(data + b"\0")

    def take_key(self, number: int, wire: bytes, old: bytes | None):
        """(key, version) out of ChangeKey's cryptogram. old: the key to be replaced, None when it is the login's."""
        plain = self.decrypt(wire)
        key, version, rest = plain[:16], plain[16], plain[17:]
        crc = card_crc32(bytes((0xC4, number)) + plain[:17])
        if old is not None:
            key = bytes(a ^ b for a, b in zip(key, old, strict=True))
            crc += card_crc32(key)
        if rest != crc.ljust(15, b"\0"):
            raise Status(INTEGRITY)
        return key, version

    key_wire_n = 32


class Ev2Channel:
    """Two session keys, and a counter of commands which goes into every MAC and every start value.

    MACED and FULL put a MAC on command and answer. PLAIN puts none on either, not even in a session, but counts:
    a plain command that somebody slipped in makes the next MAC wrong (NT4H2421Gx 9.1.8).
    """

    key_wire_n = 40

    def __init__(self, enc_key: bytes, mac_key: bytes, ti: bytes, counter: int = 0):
        self.enc_key = enc_key
        self.key = mac_key
        self.ti = ti
        self.counter = counter

    @classmethod
    def after_login(cls, key: bytes, rnd_a: bytes, rnd_b: bytes, ti: bytes, counter: int):
        mixed = bytes(a ^ b for a, b in zip(rnd_a[2:8], rnd_b[:6], strict=True))
        context = b"\x00\x01\x00\x80" + rnd_a[:2] + mixed + rnd_b[6:] + rnd_a[8:]
        keys = [aes_cmac(key, ZERO, label + context) for label in (b"\xa5\x5a", b"\x5a\xa5")]
        return cls(*keys, ti, counter)

    def _counted(self):
        return self.counter.to_bytes(2, "little")

    def mac(self, code: int, content: bytes) -> bytes:
        return aes_cmac(self.key, ZERO, bytes((code,)) + self._counted() + self.ti + content)[1::2]

    def _cbc(self, label, data, decrypt=False):
        iv = aes_cbc(self.enc_key, ZERO, label + self.ti + self._counted() + bytes(8))
        return aes_cbc(self.enc_key, iv, data, decrypt)

    def wire_n(self, mode: int, n: int) -> int:
        if mode == PLAIN:
            return n
        return 8 + (n if mode == MACED or not n else n // 16 * 16 + 16)

    def take(self, head: bytes, wire: bytes, mode: int, n: int) -> bytes:
        if len(wire) != self.wire_n(mode, n):
            raise Status(LENGTH)
        data = self._open(head, wire, mode)
        if len(data) != n:
            raise Status(LENGTH)
        return data

    def _open(self, head, wire, mode):
        if self.counter == 0xFFFF:
            raise Status(INTEGRITY)
        data = wire
        if mode != PLAIN:
            data = wire[:-8]
            if wire[-8:] != self.mac(head[0], head[1:] + data):
                raise Status(INTEGRITY)
        if mode == FULL and data:
            data, mark, rest = self._cbc(b"\xa5\x5a", data, decrypt=True).rpartition(b"\x80")
            if not mark or any(rest) or len(rest) > 15:
                raise Status(INTEGRITY)
        self.counter += 1
        return data

    def give(self, data: bytes, mode: int) -> bytes:
        if mode == PLAIN:
            return data
        if mode == FULL and data:
            data = self._cbc(b"\x5a\xa5", (data + b"\x80").ljust(len(data) // 16 * 16 + 16, b"\0"))
        return data + self.mac(0, data)

    def take_key(self, number: int, wire: bytes, old: bytes | None):
        plain = self._open(bytes((0xC4, number)), wire, FULL)
        if len(plain) != (17 if old is None else 21):
            raise Status(LENGTH)
        key, version = plain[:16], plain[16]
        if old is not None:
            key = bytes(a ^ b for a, b in zip(key, old, strict=True))
            if plain[17:] != card_crc32(key):
                raise Status(INTEGRITY)
        return key, version
