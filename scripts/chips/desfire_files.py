# SPDX-License-Identifier: Apache-2.0
"""Files of a DESFire application, and the commands on them: standard, backup and linear record files.

Sources: libfreefare (whose test_mifare_desfire.c was run on cards), proxmark3, vendors' reader manuals. Record files:
- all WriteRecord up to a commit go into one new record, filled up with zeros;
- a full file refuses WriteRecord (BE), one that was cleared but not committed too (9D, libfreefare's test);
- ReadRecords counts from the newest record, 0, and answers the oldest first (proxmark3: "latest at the bottom");
  an empty file, or one with fewer records, refuses (BE); count 0: all from there to the oldest;
- readers see what is committed; ClearRecordFile needs the read-and-write right and drops the record being written.
Chosen where sources are silent: a command for the other kind of file is refused with 9D.
"""

from dataclasses import dataclass, field

from scripts.chips.desfire_codes import (
    BOUNDARY,
    DENIED,
    DUPLICATE,
    FREE,
    FULL,
    LENGTH,
    MACED,
    MEMORY,
    MORE,
    NEVER,
    NO_CHANGES,
    NO_FILE,
    NOT_AUTH,
    PARAMETER,
    PLAIN,
    Status,
)


def _blocks(n):
    """Memory is given out in pieces of 32 bytes."""
    return -(-n // 32) * 32


def _int(data):
    return int.from_bytes(data, "little")


@dataclass
class File:
    """What all files have: communication mode and access rights (read, write, both, change; four bits each)."""

    comm: int
    rights: int

    def holders(self, *shifts):
        """The key numbers (or FREE, NEVER) that these four-bit fields of the access rights name."""
        return [self.rights >> shift & 15 for shift in shifts]

    def settings(self) -> bytes:
        """The answer of GetFileSettings."""
        return bytes((self.kind, self.comm)) + self.rights.to_bytes(2, "little") + self._sizes()


@dataclass
class DataFile(File):
    data: bytearray
    backup: bool

    @property
    def kind(self):
        return 1 if self.backup else 0

    @property
    def memory(self):
        return _blocks(len(self.data)) * (2 if self.backup else 1)

    def _sizes(self):
        return len(self.data).to_bytes(3, "little")

    def commit(self, pending) -> None:
        self.data[:] = pending


@dataclass
class RecordFile(File):
    """size: bytes of a record; limit: how many fit; records: the oldest first."""

    size: int
    limit: int
    records: list = field(default_factory=list)
    kind = 3

    @property
    def memory(self):
        return _blocks(self.size * self.limit)

    def _sizes(self):
        return b"".join(n.to_bytes(3, "little") for n in (self.size, self.limit, len(self.records)))

    def commit(self, pending) -> None:
        """pending: the new record, or None: the file has been cleared."""
        if pending is None:
            self.records.clear()
        else:
            self.records.append(bytes(pending))


class FileCommands:
    """The card's file commands. The card they are part of has sessions, frames and a selected application."""

    def _file(self, number, kind=File):
        found = self._app().files.get(number)
        if found is None:
            raise Status(NO_FILE)
        if not isinstance(found, kind):
            raise Status(DENIED)
        return found

    def _access(self, number, kind, *shifts):
        """The file and how it is spoken to: its own mode for who holds a key to it, plain for who comes in free."""
        found = self._file(number, kind)
        holders = found.holders(*shifts)
        if self._key_no is not None and self._key_no in holders:
            return found, found.comm
        if FREE in holders:
            return found, PLAIN
        raise Status(DENIED if all(h == NEVER for h in holders) else NOT_AUTH)

    def _listing(self):
        app = self._app()
        if not app.settings & 2:
            self._master_only()
        return app

    # -- making and listing -----------------------------------------------------------------------

    def _create(self, body, make):
        app = self._app()
        if not app.settings & 4:
            self._master_only()
        number, comm, sizes = body[0], body[1], [_int(body[i : i + 3]) for i in range(4, len(body), 3)]
        if number > 31 or comm not in (PLAIN, MACED, FULL) or 0 in sizes:
            raise Status(PARAMETER)
        if number in app.files:
            raise Status(DUPLICATE)
        made = make(comm, _int(body[2:4]), *sizes)
        if made.memory > self.free_bytes():
            raise Status(MEMORY)
        app.files[number] = made

    def _create_std(self, body):
        self._create(body, lambda comm, rights, size: DataFile(comm, rights, bytearray(size), False))

    def _create_backup(self, body):
        self._create(body, lambda comm, rights, size: DataFile(comm, rights, bytearray(size), True))

    def _create_records(self, body):
        self._create(body, RecordFile)

    def _delete_file(self, body):
        app = self._app()
        if not app.settings & 4:
            self._master_only()
        self._file(body[0])
        del app.files[body[0]]
        self._pending.pop(body[0], None)

    def _file_ids(self, body):
        return bytes(sorted(self._listing().files))

    def _file_settings(self, body):
        self._listing()
        return self._file(body[0]).settings()

    # -- reading ----------------------------------------------------------------------------------

    def _read(self, body):
        return self._read_from(0xBD, body, DataFile, self._data_of)

    def _read_records(self, body):
        return self._read_from(0xBB, body, RecordFile, self._records_of)

    def _read_from(self, code, body, kind, content):
        if len(body) < 7:
            raise Status(LENGTH)
        found, mode = self._access(body[0], kind, 12, 4)
        self._take(bytes((code,)) + body[:7], body[7:], mode)
        return self._answer(content(found, _int(body[1:4]), _int(body[4:7])), mode)

    def _data_of(self, found, offset, n):
        n = n or len(found.data) - offset
        if offset + n > len(found.data) or n <= 0:
            raise Status(BOUNDARY)
        return bytes(found.data[offset : offset + n])

    def _records_of(self, found, first, count):
        end = len(found.records) - first
        count = count or end
        if not 0 < count <= end:
            raise Status(BOUNDARY)
        return b"".join(found.records[end - count : end])

    # -- writing ----------------------------------------------------------------------------------

    def _write(self, body):
        return self._write_to(0x3D, body, DataFile, self._put_data)

    def _write_record(self, body):
        return self._write_to(0x3B, body, RecordFile, self._put_record)

    def _write_to(self, code, body, kind, put):
        if len(body) < 8:
            raise Status(LENGTH)
        found, mode = self._access(body[0], kind, 8, 4)
        offset, n = _int(body[1:4]), _int(body[4:7])
        if offset + n > (len(found.data) if kind is DataFile else found.size):
            raise Status(BOUNDARY)
        channel = self._channel
        missing = 7 + (channel.wire_n(mode, n) if channel else n) - len(body)
        if missing > 0:
            self._chain = (code, body)
            return bytes((MORE,))
        self._chain = None
        if missing < 0:
            raise Status(LENGTH)
        put(body[0], found, offset, self._take(bytes((code,)) + body[:7], body[7:], mode, n))
        return self._answer(b"", mode)

    def _put_data(self, number, found, offset, data):
        target = found.data
        if found.backup:
            target = self._pending.setdefault(number, bytearray(found.data))
        target[offset : offset + len(data)] = data

    def _put_record(self, number, found, offset, data):
        if number in self._pending and self._pending[number] is None:
            raise Status(DENIED)
        if len(found.records) >= found.limit:
            raise Status(BOUNDARY)
        record = self._pending.setdefault(number, bytearray(found.size))
        record[offset : offset + len(data)] = data

    def _clear_records(self, body):
        self._access(body[0], RecordFile, 4)
        self._pending[body[0]] = None

    def _commit(self, body):
        if body and self.ev == 1:
            raise Status(LENGTH)
        if any(body):
            raise Status(PARAMETER)  # asks for a transaction MAC, and there is no such file
        return self._end_transaction(lambda file, change: file.commit(change))

    def _abort(self, body):
        return self._end_transaction(lambda file, change: None)

    def _end_transaction(self, settle):
        app = self._app()
        if not self._pending:
            raise Status(NO_CHANGES)
        for number, change in self._pending.items():
            settle(app.files[number], change)
        self._pending = {}
