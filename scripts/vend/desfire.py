# SPDX-License-Identifier: Apache-2.0
"""MIFARE DESFire EV1 with AES, the terminal's side: native commands, secure messaging, files and keys.

The carrier below is anything with exchange(native command) -> native answer (status byte first). A session's
CMACs form one chain: every command and every answer goes in, and the result starts the next one.
Sources: libfreefare, proxmark3, the public traces of host_tests/vectors/desfire.json.

Errors: CardGone (nothing is known), CardStatus (the card refused; nothing uncommitted survives),
CardUntrusted (wrong key or a forged answer). Each ends the session.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scripts.supplier.crypto import ZERO, aes_cbc_decrypt, aes_cbc_encrypt, card_crc32, cmac, xor
from scripts.supplier.errors import CardError, CardStatus, CardUntrusted

OK, NOTHING_CHANGED, NO_APPLICATION, KEY_REFUSED, MORE = 0x00, 0x0C, 0xA0, 0xAE, 0xAF
BOUNDARY, EXISTS, NO_FILE = 0xBE, 0xDE, 0xF0
NATIVE_FRAME_N = 60  # bytes of one command frame, its code included
PICC = bytes(3)
FREE, NEVER = 14, 15
PLAIN, MACED = 0, 1
STANDARD, BACKUP, LINEAR = 0xCD, 0xCB, 0xC1  # the codes that create such a file
_MAC_N = 8
_FRAMES_MAX = 1200  # of one answer; more than the largest card has records to fill
_KINDS = {STANDARD: 0, BACKUP: 1, LINEAR: 3}  # as GetFileSettings calls them


class Carrier(Protocol):
    """What takes a command to the card and brings its answer. exchange() raises CardGone."""

    uid: bytes
    frame_n: int  # longest command it carries in one piece, NATIVE_FRAME_N or less

    def exchange(self, command: bytes, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class FileSpec:
    """A file as it is created. rights: key numbers (or FREE, NEVER) to read, write, do both, change rights."""

    number: int
    create: int  # STANDARD, BACKUP or LINEAR
    comm: int  # PLAIN or MACED
    rights: tuple[int, int, int, int]
    size: int  # bytes; of one record in a LINEAR file
    records: int = 0

    def command(self) -> bytes:
        read, write, both, change = self.rights
        settings = (read << 12 | write << 8 | both << 4 | change).to_bytes(2, "little")
        sizes = self.size.to_bytes(3, "little")
        if self.create == LINEAR:
            sizes += self.records.to_bytes(3, "little")
        return bytes((self.create, self.number, self.comm)) + settings + sizes

    def is_served_by(self, settings: bytes) -> bool:
        """Would a file with these settings (GetFileSettings) do? A standard or record file may be larger."""
        wanted = self.command()
        if settings[:4] != bytes((_KINDS[self.create],)) + wanted[2:5]:
            return False
        size, records = int.from_bytes(settings[4:7], "little"), int.from_bytes(settings[7:10], "little")
        return (size >= self.size if self.create == STANDARD else size == self.size) and records >= self.records


@dataclass(frozen=True)
class ChipVersion:
    """What GetVersion tells that matters here."""

    major: int  # 1 is EV1, 0x12 EV2, 0x33 EV3
    storage: int  # 2^(storage >> 1) bytes
    uid: bytes


class Session:
    """Session key and the running start value of its CMACs."""

    def __init__(self, key: bytes, key_no: int = 0):
        self.key = key
        self.key_no = key_no
        self.iv = ZERO

    def mac(self, data: bytes) -> bytes:
        self.iv = cmac(self.key, data, self.iv)
        return self.iv[:_MAC_N]


class Desfire:
    """One card in the field."""

    def __init__(self, carrier: Carrier, random_bytes: Callable[[int], bytes] = secrets.token_bytes):
        self._carrier = carrier
        self._random_bytes = random_bytes
        self.uid = carrier.uid
        self.session: Session | None = None

    # -- one command ------------------------------------------------------------------------------

    def ask(self, command: bytes, maced: bool = False) -> bytes:
        """The data a command brings. maced: a write into a MACed file, which carries its CMAC along."""
        if self.session is not None:
            mac = self.session.mac(command)
            if maced:
                command += mac
        return self._checked(command)

    def _checked(self, command):
        session, self.session = self.session, None  # back only when all has gone well
        code = command[0]
        while len(command) > self._carrier.frame_n:
            self._exchange(command[: self._carrier.frame_n], MORE, code)
            command = bytes((MORE,)) + command[self._carrier.frame_n :]
        answer = self._exchange(command, None, code)
        data = answer[1:]
        frames = 1
        while answer[0] == MORE:
            if frames == _FRAMES_MAX or len(answer) == 1:
                raise CardError("The card's answer does not end: it is no DESFire of ours. Take it off the reader.")
            answer = self._exchange(bytes((MORE,)), None, code)
            data += answer[1:]
            frames += 1
        if session is not None:
            data, mac = data[:-_MAC_N], data[-_MAC_N:]
            if not hmac.compare_digest(session.mac(data + b"\x00"), mac):
                raise CardUntrusted(
                    "An answer of the card was changed on its way. Try again, without other cards near."
                )
            self.session = session
        return data

    def _exchange(self, command, expected, code):
        answer = self._carrier.exchange(command)
        if not answer:
            raise CardError("The reader brought an empty answer. Put the card on the reader again.")
        if (expected is None and answer[0] in (OK, MORE)) or answer[0] == expected:
            return answer
        raise CardStatus(answer[0], code)

    # -- application and login --------------------------------------------------------------------

    def select(self, aid: bytes) -> None:
        """Enter an application (or PICC). Drops whatever was not committed."""
        self.session = None
        self.ask(b"\x5a" + aid)

    def login(self, key_no: int, key: bytes) -> None:
        """AES authentication of both sides. CardUntrusted when either does not know the key."""
        self.session = None
        try:
            challenge = self._exchange(bytes((0xAA, key_no)), MORE, 0xAA)[1:]
            if len(challenge) != 16:
                raise CardUntrusted("The card's challenge has the wrong length: it is no DESFire with AES keys.")
            rnd_a = self._random_bytes(16)
            rnd_b = aes_cbc_decrypt(key, ZERO, challenge)
            token = aes_cbc_encrypt(key, challenge, rnd_a + rnd_b[1:] + rnd_b[:1])
            proof = self._exchange(bytes((MORE,)) + token, OK, 0xAA)[1:]
        except CardStatus as e:
            if e.status == KEY_REFUSED:
                raise CardUntrusted(f"The card's key {key_no} is not the one this key file has for it.") from e
            raise
        expected = aes_cbc_encrypt(key, token[16:], rnd_a[1:] + rnd_a[:1])
        if not hmac.compare_digest(expected, proof):
            raise CardUntrusted(f"The card does not know key {key_no}: it is a copy or not one of ours.")
        self.session = Session(rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:], key_no)

    def create_application(self, aid: bytes, settings: int, keys: int) -> None:
        """An application of all-zero AES keys. settings: see docs of CreateApplication."""
        self.ask(b"\xca" + aid + bytes((settings, 0x80 | keys)))

    def key_version(self, key_no: int) -> int:
        version = self.ask(bytes((0x64, key_no)))
        if len(version) != 1:
            raise CardError("The version of a key has the wrong length: this is no DESFire.")
        return version[0]

    def change_key(self, key_no: int, new: bytes, old: bytes, version: int) -> None:
        """Replace a key under the session of the key that may. Changing the session's own key ends it."""
        if self.session is None:
            raise CardError("A key is changed after login only.")
        head = bytes((0xC4, key_no))
        own = key_no == self.session.key_no
        plain = (new if own else xor(new, old)) + bytes((version,))
        plain += card_crc32(head + plain)
        if not own:
            plain += card_crc32(new)
        cipher = aes_cbc_encrypt(self.session.key, self.session.iv, plain.ljust(32, b"\0"))
        self.session.iv = cipher[-16:]
        if own:
            self.session = None  # this answer comes without a MAC
        self._checked(head + cipher)

    def version(self) -> ChipVersion:
        """GetVersion: 7 bytes of hardware, 7 of software, 14 of production with the UID first."""
        told = self.ask(b"\x60")
        if len(told) != 28:
            raise CardError("The card's description has the wrong length: it is no DESFire.")
        return ChipVersion(major=told[10], storage=told[12], uid=told[14:21])

    # -- files ------------------------------------------------------------------------------------

    def create_file(self, spec: FileSpec) -> None:
        self.ask(spec.command())

    def delete_file(self, number: int) -> None:
        self.ask(bytes((0xDF, number)))

    def file_ids(self) -> set[int]:
        return set(self.ask(b"\x6f"))

    def file_settings(self, number: int) -> bytes:
        """Kind, communication, rights (2 bytes), size (3); of a record file also its room and what is in it."""
        return self.ask(bytes((0xF5, number)))

    def read(self, number: int, offset: int, n: int) -> bytes:
        data = self.ask(b"\xbd" + _place(number, offset, n))
        if len(data) != n:
            raise CardError(f"The card gave {len(data)} bytes of file {number} where {n} were asked for.")
        return data

    def write(self, number: int, offset: int, data: bytes, comm: int = MACED) -> None:
        """A backup file keeps the old content until commit(); a standard file takes it at once."""
        self.ask(b"\x3d" + _place(number, offset, len(data)) + data, maced=comm == MACED)

    def read_records(self, number: int, record_n: int) -> list[bytes]:
        """All records of a record file, oldest first. record_n: bytes of one."""
        session = self.session
        try:
            data = self.ask(b"\xbb" + _place(number, 0, 0))
        except CardStatus as e:
            if e.status == BOUNDARY and session is not None:  # how a card says that there is none
                return []
            raise
        if len(data) % record_n:
            raise CardError(f"The records of file {number} have another length than {record_n} bytes.")
        return [data[i : i + record_n] for i in range(0, len(data), record_n)]

    def write_record(self, number: int, record: bytes) -> None:
        """Append a record to a MACed record file; there from commit() on."""
        self.ask(b"\x3b" + _place(number, 0, len(record)) + record, maced=True)

    def clear_records(self, number: int) -> None:
        """Empty a record file; empty from commit() on."""
        self.ask(bytes((0xEB, number)))

    def commit(self) -> None:
        """All writes since login become real at once. After CardGone here nobody knows: read again."""
        self.ask(b"\xc7")

    def abort(self) -> None:
        self.ask(b"\xa7")


def _place(number, offset, n):
    return bytes((number,)) + offset.to_bytes(3, "little") + n.to_bytes(3, "little")
