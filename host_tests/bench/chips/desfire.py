# SPDX-License-Identifier: Apache-2.0
"""MIFARE DESFire EV1 as a terminal meets it: applications, AES keys, files, secure messaging, tearing.

Sources: libfreefare, proxmark3 and the public traces named in host_tests/vectors/desfire.json. Native
commands only. Modelled strictly where sources leave a choice: any error ends the session and drops what was
not committed; a command in the middle of a chain is refused (CA); one frame holds 60 bytes.
Not modelled: DES keys, enciphered files, value and record files, EV2 messaging, key settings changes.
Busy times are estimates on the slow side of what forums report, to be replaced by measurements.
"""

import copy
import random
from dataclasses import dataclass, field
from typing import ClassVar

from .desfire_crypto import ZERO, aes_cbc, aes_cmac, card_crc32

OK, NO_CHANGES, ILLEGAL, INTEGRITY, NO_KEY, LENGTH = 0x00, 0x0C, 0x1C, 0x1E, 0x40, 0x7E
DENIED, PARAMETER, NO_APP, NOT_AUTH, MORE = 0x9D, 0x9E, 0xA0, 0xAE, 0xAF
BOUNDARY, ABORTED, DUPLICATE, NO_FILE = 0xBE, 0xCA, 0xDE, 0xF0

FRAME_MAX = 60
FREE, NEVER = 14, 15
PICC = bytes(3)

BUSY_US = {0x5A: 3_000, 0xAA: 12_000, 0xAF: 15_000, 0xBD: 6_000, 0x3D: 12_000, 0xC7: 25_000, 0xC4: 30_000}
BUSY_OTHER_US = 10_000


@dataclass
class File:
    backup: bool
    comm: int
    rights: int
    data: bytearray

    def holders(self, *shifts):
        """The key numbers (or FREE, NEVER) that these four-bit fields of the access rights name."""
        return [self.rights >> shift & 15 for shift in shifts]


@dataclass
class Application:
    settings: int
    keys: list
    versions: list
    files: dict = field(default_factory=dict)


class _Status(Exception):
    pass


class DesfireCard:
    """A card. Non-volatile: `applications`. The rest lives from field_on() to field_off()."""

    atqa = b"\x03\x44"
    sak = 0x20
    ats = bytes.fromhex("067577810280")

    def __init__(self, uid: bytes, seed: int | None = None):
        if len(uid) != 7:
            raise ValueError("a DESFire UID has 7 bytes")
        self.uid = uid
        self.applications = {}
        self.random_bytes = random.Random(int.from_bytes(uid, "big") if seed is None else seed).randbytes
        self.exchanges = 0
        self._pull = None
        self.on_pulled = None  # the reader's model listens here
        self._reset()

    # -- the card as a thing ----------------------------------------------------------------------

    def snapshot(self):
        """An image of the non-volatile contents; what a cloner with all keys could keep."""
        return copy.deepcopy(self.applications)

    def restore(self, image) -> None:
        self.applications = copy.deepcopy(image)
        self._reset()

    def pull_after(self, n: int | None, heard: bool = False) -> None:
        """Leave the field after n exchanges: the next is lost, or (heard) carried out but not answered.

        n None: stay after all.
        """
        self._pull = None if n is None else (n, heard)

    def field_on(self) -> None:
        self._reset()

    def field_off(self) -> None:
        self._reset()

    def _reset(self):
        self._selected = PICC
        self._pending = {}
        self._chain = None
        self._end_session()

    def _end_session(self):
        self._key_no = None
        self._session = None
        self._iv = ZERO
        self._challenge = None

    # -- exchanges --------------------------------------------------------------------------------

    def transceive(self, command: bytes):
        """(answer, busy_us) to one native command, or (None, 0): the card is no longer there."""
        if self._pull is not None:
            n, heard = self._pull
            if n == 0:
                self._pull = None
                if heard:
                    self.exchanges += 1
                    self._carry_out(command)
                self.field_off()
                if self.on_pulled is not None:
                    self.on_pulled()
                return None, 0
            self._pull = (n - 1, heard)
        self.exchanges += 1
        return self._carry_out(command), BUSY_US.get(command[0] if command else 0, BUSY_OTHER_US)

    def _carry_out(self, command):
        try:
            return self._dispatch(command)
        except _Status as status:
            self._end_session()
            self._chain = None
            self._pending = {}
            return bytes((status.args[0],))

    def _dispatch(self, command):
        if not 0 < len(command) <= FRAME_MAX:
            raise _Status(LENGTH)
        code, body = command[0], command[1:]
        if code == MORE:
            return self._continue(body)
        if self._chain is not None or self._challenge is not None:
            raise _Status(ABORTED)
        if code not in self._COMMANDS:
            raise _Status(ILLEGAL)
        handler, length = self._COMMANDS[code]
        if length is not None and len(body) != length:
            raise _Status(LENGTH)
        return handler(self, body)

    def _continue(self, body):
        if self._challenge is not None:
            return self._login_second(body)
        if self._chain is None:
            raise _Status(ILLEGAL)
        kind, rest = self._chain
        if kind == "read":
            if body:
                raise _Status(LENGTH)
            return self._send(rest)
        return self._write(rest + body)

    # -- secure messaging -------------------------------------------------------------------------

    def _hear(self, command: bytes, mac: bytes | None = None) -> None:
        """Take a whole command into the MAC chain; mac: what the terminal appended, where it must."""
        if self._session is None:
            return
        self._iv = aes_cmac(self._session, self._iv, command)
        if mac is not None and mac != self._iv[:8]:
            raise _Status(INTEGRITY)

    def _answer(self, data: bytes = b"") -> bytes:
        if self._session is not None:
            self._iv = aes_cmac(self._session, self._iv, data + b"\x00")
            data += self._iv[:8]
        return self._send(data)

    def _send(self, data):
        now, rest = data[: FRAME_MAX - 1], data[FRAME_MAX - 1 :]
        self._chain = ("read", rest) if rest else None
        return bytes((MORE if rest else OK,)) + now

    def _login(self, body):
        self._end_session()
        app = self.applications.get(self._selected)
        if app is None:  # at card level this card has a DES key
            raise _Status(NOT_AUTH)
        if body[0] >= len(app.keys):
            raise _Status(NO_KEY)
        key = app.keys[body[0]]
        rnd_b = self.random_bytes(16)
        sent = aes_cbc(key, ZERO, rnd_b)
        self._challenge = (body[0], key, rnd_b, sent)
        return bytes((MORE,)) + sent

    def _login_second(self, body):
        key_no, key, rnd_b, sent = self._challenge
        self._challenge = None
        if len(body) != 32:
            raise _Status(LENGTH)
        plain = aes_cbc(key, sent, body, decrypt=True)
        rnd_a = plain[:16]
        if plain[16:] != rnd_b[1:] + rnd_b[:1]:
            raise _Status(NOT_AUTH)
        self._key_no = key_no
        self._session = rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:]
        self._iv = ZERO
        return b"\x00" + aes_cbc(key, body[16:], rnd_a[1:] + rnd_a[:1])

    # -- applications and keys --------------------------------------------------------------------

    def _app(self) -> Application:
        app = self.applications.get(self._selected)
        if app is None:
            raise _Status(DENIED)
        return app

    def _master_only(self):
        if self._key_no != 0:
            raise _Status(NOT_AUTH)

    def _select(self, body):
        self._reset()
        if body != PICC and body not in self.applications:
            raise _Status(NO_APP)
        self._selected = body
        return b"\x00"

    def _create_application(self, body):
        if self._selected != PICC:
            raise _Status(DENIED)
        aid, settings, n_keys = body[:3], body[3], body[4] & 0x0F
        if body[4] & 0xF0 != 0x80 or not 0 < n_keys <= 14:
            raise _Status(PARAMETER)
        if aid in self.applications or aid == PICC:
            raise _Status(DUPLICATE)
        self.applications[aid] = Application(settings, [ZERO] * n_keys, [0] * n_keys)
        return b"\x00"

    def _change_key(self, body):
        app = self._app()
        if self._session is None:
            raise _Status(NOT_AUTH)
        number = body[0]
        if number >= len(app.keys):
            raise _Status(NO_KEY)
        changer = app.settings >> 4
        # The master key and the key that may change others are changed by the master key.
        if self._key_no != (0 if number in (0, changer) else changer):
            raise _Status(NOT_AUTH)
        plain = aes_cbc(self._session, self._iv, body[1:], decrypt=True)
        self._iv = body[-16:]
        own = number == self._key_no
        key, version, crc, rest = plain[:16], plain[16], plain[17:21], plain[21:]
        if crc != card_crc32(bytes((0xC4, number)) + plain[:17]):
            raise _Status(INTEGRITY)
        if not own:
            key = bytes(a ^ b for a, b in zip(key, app.keys[number], strict=True))
            if rest[:4] != card_crc32(key):
                raise _Status(INTEGRITY)
        app.keys[number], app.versions[number] = key, version
        if own:
            self._end_session()
            return b"\x00"
        return self._answer()

    def _key_version(self, body):
        app = self._app()
        if body[0] >= len(app.keys):
            raise _Status(NO_KEY)
        self._hear(b"\x64" + body)
        return self._answer(bytes((app.versions[body[0]],)))

    # -- files ------------------------------------------------------------------------------------

    def _create_file(self, body, code, backup):
        app = self._app()
        if not app.settings & 4:
            self._master_only()
        self._hear(bytes((code,)) + body)
        number, comm, size = body[0], body[1], int.from_bytes(body[4:7], "little")
        if number > 31 or comm not in (0, 1) or not size:
            raise _Status(PARAMETER)
        if number in app.files:
            raise _Status(DUPLICATE)
        app.files[number] = File(backup, comm, int.from_bytes(body[2:4], "little"), bytearray(size))
        return self._answer()

    def _create_std(self, body):
        return self._create_file(body, 0xCD, False)

    def _create_backup(self, body):
        return self._create_file(body, 0xCB, True)

    def _delete_file(self, body):
        app = self._app()
        if not app.settings & 4:
            self._master_only()
        self._hear(b"\xdf" + body)
        if body[0] not in app.files:
            raise _Status(NO_FILE)
        del app.files[body[0]]
        return self._answer()

    def _file_ids(self, body):
        app = self._app()
        if not app.settings & 2:
            self._master_only()
        self._hear(b"\x6f" + body)
        return self._answer(bytes(sorted(app.files)))

    def _file_settings(self, body):
        app = self._app()
        self._hear(b"\xf5" + body)
        found = app.files.get(body[0])
        if found is None:
            raise _Status(NO_FILE)
        head = bytes((1 if found.backup else 0, found.comm))
        return self._answer(head + found.rights.to_bytes(2, "little") + len(found.data).to_bytes(3, "little"))

    def _access(self, number, *shifts):
        """The file, and whether its communication mode applies: it does not to those who come in free."""
        found = self._app().files.get(number)
        if found is None:
            raise _Status(NO_FILE)
        holders = found.holders(*shifts)
        if self._key_no is not None and self._key_no in holders:
            return found, True
        if FREE in holders:
            return found, False
        raise _Status(DENIED if all(h == NEVER for h in holders) else NOT_AUTH)

    def _read(self, body):
        found, _ = self._access(body[0], 12, 4)
        self._hear(b"\xbd" + body)
        offset, n = int.from_bytes(body[1:4], "little"), int.from_bytes(body[4:7], "little")
        n = n or len(found.data) - offset
        if offset + n > len(found.data) or n <= 0:
            raise _Status(BOUNDARY)
        return self._answer(bytes(found.data[offset : offset + n]))

    def _write(self, body):
        if len(body) < 8:
            raise _Status(LENGTH)
        number = body[0]
        found, keyed = self._access(number, 8, 4)
        offset, n = int.from_bytes(body[1:4], "little"), int.from_bytes(body[4:7], "little")
        if offset + n > len(found.data):
            raise _Status(BOUNDARY)
        mac_n = 8 if keyed and found.comm == 1 and self._session is not None else 0
        missing = 7 + n + mac_n - len(body)
        if missing > 0:
            self._chain = ("write", body)
            return bytes((MORE,))
        self._chain = None
        if missing < 0:
            raise _Status(LENGTH)
        self._hear(b"\x3d" + body[: 7 + n], body[7 + n :] if mac_n else None)
        target = found.data
        if found.backup:
            target = self._pending.setdefault(number, bytearray(found.data))
        target[offset : offset + n] = body[7 : 7 + n]
        return self._answer()

    def _commit(self, body):
        app = self._app()
        if not self._pending:
            raise _Status(NO_CHANGES)
        self._hear(b"\xc7")
        for number, data in self._pending.items():
            app.files[number].data[:] = data
        self._pending = {}
        return self._answer()

    def _abort(self, body):
        if not self._pending:
            raise _Status(NO_CHANGES)
        self._hear(b"\xa7" + body)
        self._pending = {}
        return self._answer()

    # code: what does it, and how many bytes follow the code (None: depends)
    _COMMANDS: ClassVar = {
        0x5A: (_select, 3),
        0xAA: (_login, 1),
        0xCA: (_create_application, 5),
        0xC4: (_change_key, 33),
        0x64: (_key_version, 1),
        0xCD: (_create_std, 7),
        0xCB: (_create_backup, 7),
        0xDF: (_delete_file, 1),
        0x6F: (_file_ids, 0),
        0xF5: (_file_settings, 1),
        0xBD: (_read, 7),
        0x3D: (_write, None),
        0xC7: (_commit, 0),
        0xA7: (_abort, 0),
    }
