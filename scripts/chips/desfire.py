# SPDX-License-Identifier: Apache-2.0
"""MIFARE DESFire EV1 or EV2 as a terminal meets it: applications, AES keys, sessions, frames, tearing.

Sources: libfreefare, proxmark3, NXP's public notes and the public traces named in host_tests/vectors/desfire.json.
Native commands only. Its parts: desfire_applications.py, desfire_files.py, desfire_logins.py, desfire_channel.py
(secure messaging), desfire_store.py (the card as a dict).
Modelled strictly where sources leave a choice: any error ends the session and drops what was not committed; a
command in the middle of a chain is refused (CA); one frame holds 60 bytes; in an EV2 session every command but
selection, login and those on data and records is MACed, ChangeKey and GetCardUID are enciphered.
Not modelled: DES keys and keys of the card itself, value and cyclic files, key settings changes, DeleteApplication
and FormatPICC, key sets, transaction MACs, LRP, proximity checks, ISO commands, what an application itself occupies.
Busy times are estimates on the slow side of what forums report, to be replaced by measurements.
"""

import copy
import random
from typing import ClassVar

from scripts.chips.desfire_applications import ApplicationCommands
from scripts.chips.desfire_codes import (
    ABORTED,
    FRAME_MAX,
    FULL,
    ILLEGAL,
    LENGTH,
    MACED,
    MORE,
    NOT_AUTH,
    OK,
    PICC,
    Status,
)
from scripts.chips.desfire_files import FileCommands
from scripts.chips.desfire_logins import Logins
from scripts.chips.desfire_store import dump_card, load_card

BUSY_US = {
    0x5A: 3_000, 0xAA: 12_000, 0x71: 12_000, 0x77: 12_000, 0xAF: 15_000, 0xBD: 6_000, 0xBB: 6_000,
    0x3D: 12_000, 0x3B: 12_000, 0xC7: 25_000, 0xC4: 30_000,
}  # fmt: skip
BUSY_OTHER_US = 10_000

# GetVersion: vendor, type, subtype, major, minor, storage, protocol; first of the hardware, then of the software.
# EV1 as waza-ari/python-desfire tests a card of 2013, EV2 as MichaelsPlayground/TalkToYourDESFireCard quotes one.
_VERSIONS = {
    1: (b"\x04\x01\x01\x01\x00", b"\x04\x01\x01\x01\x04"),
    2: (b"\x04\x01\x01\x12\x00", b"\x04\x01\x01\x02\x01"),
}
_PRODUCTION = bytes.fromhex("BA4497D6702813")  # batch, week, year
_SIZES = {2048: 0x16, 4096: 0x18, 8192: 0x1A}


class DesfireCard(Logins, ApplicationCommands, FileCommands):
    """A card. Non-volatile: `applications`. The rest lives from field_on() to field_off().

    ev: 1 or 2, what GetVersion reports and whether there are EV2 logins. memory: 2048, 4096 or 8192 bytes.
    """

    atqa = b"\x03\x44"
    sak = 0x20
    ats = bytes.fromhex("067577810280")

    def __init__(self, uid: bytes, seed: int | None = None, ev: int = 1, memory: int = 8192):
        if len(uid) != 7:
            raise ValueError("a DESFire UID has 7 bytes")
        if ev not in _VERSIONS:
            raise ValueError("a DESFire card is of EV1 or EV2 here")
        if memory not in _SIZES:
            raise ValueError("a DESFire card has 2048, 4096 or 8192 bytes")
        self.uid = uid
        self.ev = ev
        self.memory_bytes = memory
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

    def dump(self) -> dict:
        """The complete non-volatile contents, with UID and keys, fit for JSON."""
        return dump_card(self)

    @classmethod
    def load(cls, image: dict, seed: int | None = None) -> "DesfireCard":
        """The card that dump() described. ValueError, in words, when image is not such a description."""
        return load_card(cls, image, seed)

    def free_bytes(self) -> int:
        used = sum(found.memory for app in self.applications.values() for found in app.files.values())
        return self.memory_bytes - used

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
        self._pending = {}  # file number: what a commit is to make of the file
        self._chain = None  # frames still to be sent, or (code, body) of a command still to be heard
        self._end_session()

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
            if not 0 < len(command) <= FRAME_MAX:
                raise Status(LENGTH)
            return self._dispatch(command[0], command[1:])
        except Status as status:
            self._end_session()
            self._chain = None
            self._pending = {}
            return bytes((status.args[0],))

    def _dispatch(self, code, body):
        if code == MORE:
            return self._continue(body)
        if self._chain is not None or self._challenge is not None:
            raise Status(ABORTED)
        if code in self._OPEN and (self.ev == 2 or code not in (0x71, 0x77)):
            return self._OPEN[code](self, body)
        if code not in self._SECURED:
            raise Status(ILLEGAL)
        handler, lengths, mode = self._SECURED[code]
        n = len(body) - (self._channel.wire_n(MACED, 0) if self._channel else 0)
        if n not in lengths:
            raise Status(LENGTH)
        self._take(bytes((code,)) + body[:n], body[n:], MACED)
        return self._answer(handler(self, body[:n]) or b"", mode)

    def _continue(self, body):
        if self._challenge is not None:
            return self._login_second(body)
        if self._chain is None:
            raise Status(ILLEGAL)
        if isinstance(self._chain, tuple):
            code, heard = self._chain
            return self._OPEN[code](self, heard + body)
        if body:
            raise Status(LENGTH)
        return self._send(self._chain)

    def _take(self, head, wire, mode, n=0):
        """The data of a whole command, checked as far as the session has it so."""
        if self._channel is not None:
            return self._channel.take(head, wire, mode, n)
        if len(wire) != n:
            raise Status(LENGTH)
        return wire

    def _answer(self, data=b"", mode=MACED, cuts=()):
        """The first frame of an answer. cuts: lengths of its first frames, where they are prescribed."""
        wire = self._channel.give(data, mode) if self._channel is not None else data
        frames = []
        for n in cuts:
            frames.append(wire[:n])
            wire = wire[n:]
        frames += [wire[at : at + FRAME_MAX - 1] for at in range(0, len(wire), FRAME_MAX - 1)]
        return self._send(frames or [b""])

    def _send(self, frames):
        self._chain = frames[1:] or None
        return bytes((MORE if self._chain else OK,)) + frames[0]

    # -- the card itself ---------------------------------------------------------------------------

    def _version(self, body):
        self._take(b"\x60", body, MACED)
        size = bytes((_SIZES[self.memory_bytes], 0x05))
        hardware, software = _VERSIONS[self.ev]
        return self._answer(hardware + size + software + size + self.uid + _PRODUCTION, MACED, (7, 7))

    def _card_uid(self, body):
        if self._channel is None:
            raise Status(NOT_AUTH)
        return self.uid

    def _free_memory(self, body):
        return self.free_bytes().to_bytes(3, "little")

    # -- commands ---------------------------------------------------------------------------------

    # Commands that see to lengths, secure messaging and frames themselves.
    _OPEN: ClassVar = {
        0x5A: ApplicationCommands._select, 0xAA: Logins._login, 0x71: Logins._login_ev2_first,
        0x77: Logins._login_ev2_next, 0x60: _version, 0xC4: ApplicationCommands._change_key,
        0xBD: FileCommands._read, 0x3D: FileCommands._write,
        0xBB: FileCommands._read_records, 0x3B: FileCommands._write_record,
    }  # fmt: skip
    # code: what gives the data of the answer, how many bytes of parameters there are, how the answer goes out
    _SECURED: ClassVar = {
        0xCA: (ApplicationCommands._create_application, (5,), MACED),
        0x51: (_card_uid, (0,), FULL),
        0x6E: (_free_memory, (0,), MACED),
        0x64: (ApplicationCommands._key_version, (1,), MACED),
        0xCD: (FileCommands._create_std, (7,), MACED),
        0xCB: (FileCommands._create_backup, (7,), MACED),
        0xC1: (FileCommands._create_records, (10,), MACED),
        0xDF: (FileCommands._delete_file, (1,), MACED),
        0x6F: (FileCommands._file_ids, (0,), MACED),
        0xF5: (FileCommands._file_settings, (1,), MACED),
        0xEB: (FileCommands._clear_records, (1,), MACED),
        0xC7: (FileCommands._commit, (0, 1), MACED),
        0xA7: (FileCommands._abort, (0,), MACED),
    }
