# SPDX-License-Identifier: Apache-2.0
"""The journal of everything done to cards: append-only, and ahead of the card.

An entry `intent` is on disk before a card is touched; `done` or `void` follows when the outcome is known. What
has neither is open: the program, the computer or the card went away in between, and whoever next has that card
on the reader settles it by reading what the card carries (user_card.py). So money is sold once: never twice by
a repeated command, never taken for sold when the card lacks it.

SQLite with a write-ahead log and full syncs: an entry that was returned survives a power cut. Triggers refuse
changes and deletions, an index refuses a second outcome of an intent, another a second sale of one number.
Errors: JournalError in words.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import JournalError
from .formats import Purchase, WriteBack
from .units import now_utc_s

ISSUE, SALE, REPLACE, REKEY, UTILITY, READING = "issue", "sale", "replace", "rekey", "utility", "reading"
INTENT, DONE, VOID, SEEN = "intent", "done", "void", "seen"
_FORMAT = 1

_SCHEMA = """
CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  utc_s INTEGER NOT NULL,            -- seconds since 2000
  what TEXT NOT NULL CHECK (what IN ('intent', 'done', 'void', 'seen')),
  job TEXT NOT NULL,
  ref INTEGER REFERENCES entries(id),  -- the intent this settles
  uid TEXT NOT NULL,
  meter TEXT NOT NULL,
  count INTEGER NOT NULL,            -- number of the purchase, where there is one
  data TEXT NOT NULL                 -- JSON
) STRICT;
CREATE UNIQUE INDEX one_outcome ON entries(ref) WHERE ref IS NOT NULL;
CREATE UNIQUE INDEX one_sale ON entries(meter, count) WHERE job = 'sale' AND what = 'done';
CREATE INDEX by_meter ON entries(meter, job, what);
CREATE TRIGGER no_change BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_deletion BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


@dataclass(frozen=True)
class Entry:
    id: int
    utc_s: int
    what: str
    job: str
    ref: int | None
    uid: str  # hex
    meter: str
    count: int
    data: dict

    @property
    def purchase(self) -> Purchase:
        """Of a sale, and of the card a replacement makes."""
        return Purchase(self.count, self.data["amount_micro"], self.data["debt_micro"], self.data["sold_utc_s"])


class Journal:
    """One file; a context manager. clock gives seconds since 2000."""

    def __init__(self, path: Path, clock: Callable[[], int] = now_utc_s):
        self._clock = clock
        try:
            if not path.exists():
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # who bought what is nobody's business
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._set_up(path)
        except (OSError, sqlite3.Error) as e:
            raise JournalError(f"The journal {path} cannot be used: {e}.") from e

    def _set_up(self, path):
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with _Transaction(self._db):
                if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody was faster
                    for statement in _statements(_SCHEMA):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_FORMAT}")
        elif version != _FORMAT:
            raise JournalError(f"The journal {path} is of format {version}, and this program writes {_FORMAT}.")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._db.close()

    # -- writing ----------------------------------------------------------------------------------

    def intend(self, job: str, uid: bytes, meter: str, count: int = 0, data: dict | None = None) -> Entry:
        """On disk when this returns: from here on a crash is noticed."""
        return self._entry(self._add(INTENT, job, None, uid.hex(), meter, count, data or {}))

    def settle(self, intent: Entry, what: str, why: str = "") -> None:
        """The outcome of an intent, DONE or VOID; for good."""
        self._add(what, intent.job, intent.id, intent.uid, intent.meter, intent.count, {"why": why} if why else {})

    def note_write_back(self, uid: bytes, meter: str, back: WriteBack) -> None:
        """What a meter reported, once for each time it did; what an old card tells late is not news."""
        last = self.last_write_back(meter)
        if last is None or back.number > last.number:
            self._add(SEEN, READING, None, uid.hex(), meter, back.purchase_count, {"write_back": back.pack().hex()})

    def note(self, job: str, uid: bytes, meter: str, data: dict) -> None:
        """Something learned that settles nothing."""
        self._add(SEEN, job, None, uid.hex(), meter, 0, data)

    def adopt(self, job: str, uid: bytes, meter: str, count: int, data: dict) -> None:
        """What another shop did, as if done here: intent and outcome in one."""
        with _Transaction(self._db):
            intent = self.intend(job, uid, meter, count, {**data, "adopted": True})
            self.settle(intent, DONE, "found on the card")

    def together(self):
        """Several entries, all or none: `with journal.together(): ...`"""
        return _Transaction(self._db)

    def _add(self, what, job, ref, uid, meter, count, data):
        fields = (self._clock(), what, job, ref, uid, meter, count, json.dumps(data))
        try:
            return self._db.execute(
                "INSERT INTO entries (utc_s, what, job, ref, uid, meter, count, data) VALUES (?,?,?,?,?,?,?,?)", fields
            ).lastrowid
        except sqlite3.IntegrityError as e:
            raise JournalError(f"The journal holds an outcome already that this would contradict ({e}).") from e
        except sqlite3.Error as e:
            raise JournalError(f"The journal cannot be written: {e}. Mend that and read the card again.") from e

    # -- asking -----------------------------------------------------------------------------------

    def _ask(self, where: str, *values) -> list[Entry]:
        columns = "e.id, e.utc_s, e.what, e.job, e.ref, e.uid, e.meter, e.count, e.data"
        try:
            rows = self._db.execute(f"SELECT {columns} FROM entries e {where}", values).fetchall()
        except sqlite3.Error as e:
            raise JournalError(f"The journal cannot be read: {e}.") from e
        return [Entry(*row[:-1], data=json.loads(row[-1])) for row in rows]

    def _entry(self, entry_id):
        return self._ask("WHERE e.id = ?", entry_id)[0]

    def open_intents(self, job: str | None = None, uid: bytes | None = None, meter: str | None = None) -> list[Entry]:
        """What has no outcome yet, oldest first."""
        return self._ask(
            "WHERE e.what = 'intent' AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.ref = e.id)"
            " AND (?1 IS NULL OR e.job = ?1) AND (?2 IS NULL OR e.uid = ?2) AND (?3 IS NULL OR e.meter = ?3)"
            " ORDER BY e.id",
            job, uid and uid.hex(), meter,
        )  # fmt: skip

    def _done(self, jobs: Iterable[str], meter: str, order: str) -> Entry | None:
        marks = ", ".join(f"'{job}'" for job in jobs)
        found = self._ask(
            f"JOIN entries o ON o.ref = e.id AND o.what = 'done' WHERE e.job IN ({marks}) AND e.meter = ?"
            f" ORDER BY {order} DESC LIMIT 1",
            meter,
        )
        return found[0] if found else None

    def last_sale(self, meter: str) -> Entry | None:
        """The purchase with the highest number that was sold for this meter."""
        return self._done((SALE,), meter, "e.count")

    def card_of(self, meter: str) -> Entry | None:
        """The intent of the meter's valid card: the one issued or replaced last."""
        return self._done((ISSUE, REPLACE), meter, "o.id")

    def highest_generation(self, meter: str) -> int:
        """Over all cards begun, also those never finished; 0 without any."""
        made = self._ask("WHERE e.what = 'intent' AND e.job IN ('issue', 'replace') AND e.meter = ?", meter)
        return max((entry.data["generation"] for entry in made), default=0)

    def has_noted(self, job: str, uid: bytes, meter: str, data: dict) -> bool:
        where = "WHERE e.what = 'seen' AND e.job = ? AND e.uid = ? AND e.meter = ? AND e.data = ? LIMIT 1"
        return bool(self._ask(where, job, uid.hex(), meter, json.dumps(data)))

    def booked_count(self, meter: str) -> int | None:
        """Highest purchase number the meter is known to have booked. None: it never reported."""
        row = self._db.execute("SELECT max(count) FROM entries WHERE meter = ? AND job = 'reading'", (meter,))
        return row.fetchone()[0]

    def last_write_back(self, meter: str) -> WriteBack | None:
        """What the meter reported last, as far as this shop knows."""
        found = self._ask("WHERE e.job = 'reading' AND e.meter = ? ORDER BY e.id DESC LIMIT 1", meter)
        return WriteBack.unpack(bytes.fromhex(found[0].data["write_back"])) if found else None

    def highest_serial(self) -> int:
        """Of all utility cards written here."""
        made = self._db.execute("SELECT max(count) FROM entries WHERE job = 'utility' AND what = 'intent'")
        return made.fetchone()[0] or 0

    def entries(self, meter: str | None = None, limit: int = 50) -> list[Entry]:
        """The newest entries, oldest of them first."""
        return self._ask("WHERE ?1 IS NULL OR e.meter = ?1 ORDER BY e.id DESC LIMIT ?2", meter, limit)[::-1]


class _Transaction:
    """All entries made inside, or none; inside another one it is part of that."""

    def __init__(self, db):
        self._db = db

    def __enter__(self):
        self._outer = not self._db.in_transaction
        if self._outer:
            self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        if self._outer:
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _statements(script):
    """executescript() would commit on its own; so one by one. Triggers hold a semicolon inside."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
