# SPDX-License-Identifier: Apache-2.0
"""The journal of everything done to cards: append-only, and ahead of the card.

An entry `intent` is on disk before a card is touched; `done` or `void` follows when the outcome is known. What
has neither is open: the program, the computer or the card went away in between, and who next has that card
on the reader settles it by reading what the card carries (user_card.py). So money is sold once: never twice by
a repeated command, never taken for sold when the card lacks it.

What is decided by the journal and written into it happens in one transaction (`together()`), for another counter
may have the same journal open. Work on a card is not locked: what another counter settled meanwhile is found at the
end (`conclude()`).

SQLite with a write-ahead log and full syncs: an entry that was returned survives a power cut. Triggers refuse
changes and deletions, and a sale that is not above the last one; an index refuses a second outcome of an intent.
Errors: JournalError in words.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.supplier.errors import FormatError, JournalError, Refused
from scripts.supplier.formats import Purchase, WriteBack
from scripts.supplier.units import now_utc_s, time_text

ISSUE, SALE, REPLACE, REKEY, UTILITY, READING = "issue", "sale", "replace", "rekey", "utility", "reading"
# What is on a card is put right: amount or currency; signed again; taken back (a purchase, a card).
CORRECT, RESIGN, BLANK = "correct", "resign", "blank"
INTENT, DONE, VOID, SEEN = "intent", "done", "void", "seen"
_FORMAT = 2
_PATIENCE_S = 10  # for another program that is writing
_DAY_S = 86_400
CLOCK_BEHIND_S, CLOCK_AHEAD_S = _DAY_S, 90 * _DAY_S  # of the last entry: a clock beyond that is taken for wrong
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "another program has been writing it for too long. Close that one and try again",
    sqlite3.SQLITE_LOCKED: "another program has been writing it for too long. Close that one and try again",
    sqlite3.SQLITE_READONLY: "its file or folder is read-only. Allow writing, or name another one with --journal",
    sqlite3.SQLITE_PERM: "its file or folder is not yours to use. Allow it, or name another one with --journal",
    sqlite3.SQLITE_IOERR: "the disk does not read or write. Mend that first",
    sqlite3.SQLITE_CORRUPT: "it is damaged. Put your last copy in its place, and read each card once before selling",
    sqlite3.SQLITE_FULL: "the disk is full. Make room",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Make its folder, or name another one with --journal",
    sqlite3.SQLITE_NOTADB: "it is no journal. Name the right file with --journal",
}

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
CREATE INDEX by_meter ON entries(meter, job, what);
CREATE TRIGGER no_change BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_deletion BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
# Since format 2, for a purchase that was taken back is sold again under its number.
_SCHEMA_2 = """
CREATE TRIGGER sales_rise BEFORE INSERT ON entries WHEN NEW.job = 'sale' AND NEW.what = 'done' AND NEW.count <=
  (SELECT o.count FROM entries o WHERE o.meter = NEW.meter AND o.job IN ('sale', 'correct') AND o.what = 'done'
   ORDER BY o.id DESC LIMIT 1)
  BEGIN SELECT RAISE(ABORT, 'this purchase is sold already'); END;
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
        """The purchase of a sale, and of the card a replacement makes."""
        return Purchase(self.count, self.data["amount_micro"], self.data["debt_micro"], self.data["sold_utc_s"])


class Journal:
    """One file; a context manager. clock gives seconds since 2000."""

    def __init__(self, path: Path, clock: Callable[[], int] = now_utc_s):
        self._clock = clock
        self._path = path
        try:
            if not path.exists():
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # who bought what is nobody's business
        except OSError as e:
            raise JournalError(
                f"The journal {path} cannot be used: {e.strerror}. Make its folder, or name another one with --journal."
            ) from e
        try:
            self._db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
        except sqlite3.Error as e:
            raise self._words(e) from e
        try:
            self._set_up()
        except BaseException:
            self._db.close()
            raise

    def _set_up(self):
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._run(f"PRAGMA {pragma}")
        version = self._version()
        if version < _FORMAT:
            with self.together():
                version = self._version()  # somebody may have been faster
                if version == 0:
                    if self._run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        raise JournalError(f"{self._path} is the file of another program. Name yours with --journal.")
                    self._build(_SCHEMA)
                elif version == 1:
                    self._run("DROP INDEX one_sale")
                if version < _FORMAT:
                    self._build(_SCHEMA_2)
                    self._run(f"PRAGMA user_version = {_FORMAT}")
        elif version != _FORMAT:
            raise JournalError(
                f"The journal {self._path} is of format {version}, and this program writes {_FORMAT}."
                " Use the newest program, or name another one with --journal."
            )

    def _version(self):
        return self._run("PRAGMA user_version").fetchone()[0]

    def _build(self, schema):
        for statement in _statements(schema):
            self._run(statement)

    def _run(self, statement, values=()):
        try:
            return self._db.execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as e:
            raise self._words(e) from e

    def _words(self, error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        why = _REMEDIES.get(code, f"{error}. Put your last copy in its place, or name another one with --journal")
        return JournalError(f"The journal {self._path} cannot be used: {why}.")

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
        """Keep something learned that settles nothing."""
        self._add(SEEN, job, None, uid.hex(), meter, 0, data)

    def adopt(self, job: str, uid: bytes, meter: str, count: int, data: dict) -> None:
        """What another shop did, as if done here: intent and outcome in one."""
        with self.together():
            intent = self.intend(job, uid, meter, count, {**data, "adopted": True})
            self.settle(intent, DONE, "found on the card")

    def conclude(self, intent: Entry, what: str, why: str = "") -> bool:
        """settle(), unless another counter has settled it: False, and what it said stands."""
        with self.together():
            if self.outcome(intent):
                return False
            self.settle(intent, what, why)
        return True

    def outcome(self, intent: Entry) -> str:
        """DONE or VOID; "": it is open."""
        found = self._ask("WHERE e.ref = ?", intent.id)
        return found[0].what if found else ""

    def together(self):
        """Several entries, all or none, and nobody else writes meanwhile: `with journal.together(): ...`"""
        return _Transaction(self._db, self._run)

    def _add(self, what, job, ref, uid, meter, count, data):
        fields = (self._clock(), what, job, ref, uid, meter, count, json.dumps(data))
        try:
            return self._run(
                "INSERT INTO entries (utc_s, what, job, ref, uid, meter, count, data) VALUES (?,?,?,?,?,?,?,?)", fields
            ).lastrowid
        except sqlite3.IntegrityError as e:
            raise JournalError(f"The journal holds an outcome already that this would contradict ({e}).") from e
        except OverflowError as e:
            raise JournalError(f"A number is too large for the journal: {e}.") from e

    def check_clock(self, now_utc_s: int) -> None:
        """Refused when this computer's clock is far from the last entry: cards made now would be no good."""
        last = self._ask("ORDER BY e.id DESC LIMIT 1")
        if not last:
            return
        ahead_s = now_utc_s - last[0].utc_s
        if -CLOCK_BEHIND_S <= ahead_s <= CLOCK_AHEAD_S:
            return
        raise Refused(
            f"This computer's clock says {time_text(now_utc_s)}, and the last entry of the journal is of"
            f" {time_text(last[0].utc_s)}. Set the clock; if it is right, say --clock-is-right."
        )

    # -- asking -----------------------------------------------------------------------------------

    def _ask(self, where: str, *values) -> list[Entry]:
        columns = "e.id, e.utc_s, e.what, e.job, e.ref, e.uid, e.meter, e.count, e.data"
        rows = self._run(f"SELECT {columns} FROM entries e {where}", values)
        try:
            return [Entry(*row[:-1], data=json.loads(row[-1])) for row in rows.fetchall()]
        except sqlite3.Error as e:
            raise self._words(e) from e
        except ValueError as e:
            raise JournalError(f"The journal {self._path} cannot be used: {_REMEDIES[sqlite3.SQLITE_CORRUPT]}.") from e

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

    def done(self, jobs: Iterable[str], meter: str, limit: int = 1) -> list[Entry]:
        """What was done of this for a meter, the last outcome first."""
        marks = ", ".join(f"'{job}'" for job in jobs)
        return self._ask(
            f"JOIN entries o ON o.ref = e.id AND o.what = 'done' WHERE e.job IN ({marks}) AND e.meter = ?"
            " ORDER BY o.id DESC LIMIT ?",
            meter, limit,
        )  # fmt: skip

    def last_sale(self, meter: str) -> Entry | None:
        """What was sold last for this meter, as it was put right; number 0: all was taken back."""
        found = self.done((SALE, CORRECT), meter)
        return found[0] if found else None

    def card_of(self, meter: str) -> Entry | None:
        """The intent of the meter's valid card: the one issued or replaced last, unless it was taken back."""
        found = self.done((ISSUE, REPLACE, BLANK), meter)
        return found[0] if found and found[0].job != BLANK else None

    def currency_of(self, meter: str) -> str:
        """Return the currency of the meter's valid card, as it was put right; "": there is none."""
        found = self.done((ISSUE, REPLACE, CORRECT), meter)
        return found[0].data["currency"] if found else ""

    def highest_generation(self, meter: str) -> int:
        """Over all cards begun, also those never finished; 0 without any."""
        made = self._ask("WHERE e.what = 'intent' AND e.job IN ('issue', 'replace') AND e.meter = ?", meter)
        return max((entry.data["generation"] for entry in made), default=0)

    def has_noted(self, job: str, uid: bytes, meter: str, data: dict) -> bool:
        where = "WHERE e.what = 'seen' AND e.job = ? AND e.uid = ? AND e.meter = ? AND e.data = ? LIMIT 1"
        return bool(self._ask(where, job, uid.hex(), meter, json.dumps(data)))

    def booked_count(self, meter: str) -> int | None:
        """Highest purchase number the meter is known to have booked. None: it never reported."""
        row = self._run("SELECT max(count) FROM entries WHERE meter = ? AND job = 'reading'", (meter,))
        return row.fetchone()[0]

    def last_write_back(self, meter: str, before: Entry | None = None) -> WriteBack | None:
        """What the meter reported last, as far as this shop knows; or last before an entry."""
        found = self._ask(
            "WHERE e.job = 'reading' AND e.meter = ?1 AND (?2 IS NULL OR e.id < ?2) ORDER BY e.id DESC LIMIT 1",
            meter, before and before.id,
        )  # fmt: skip
        if not found:
            return None
        try:
            return WriteBack.unpack(bytes.fromhex(found[0].data["write_back"]))
        except (FormatError, KeyError, TypeError, ValueError) as e:
            raise JournalError(f"The journal {self._path} cannot be used: {_REMEDIES[sqlite3.SQLITE_CORRUPT]}.") from e

    def next_serial(self, now_utc_s: int) -> int:
        """Return the next utility card's serial: now, and above every card written before, for a meter takes no older
        card after a newer one. To be asked and used in one transaction. A serial more than a day ahead came from a
        wrong clock: meters refuse it, and it does not count."""
        made = self._run(
            "SELECT max(count) FROM entries WHERE job = 'utility' AND what = 'intent' AND count <= ?",
            (now_utc_s + _DAY_S,),
        )
        return max(now_utc_s, (made.fetchone()[0] or 0) + 1)

    def utility_cards(self, serial: int) -> list[Entry]:
        """The intents of utility cards of this serial."""
        return self._ask("WHERE e.job = 'utility' AND e.what = 'intent' AND e.count = ? ORDER BY e.id", serial)

    def answers_of(self, meter: str) -> list[bytes]:
        """What a meter answered onto utility cards, as records, the last one read first."""
        found = self._ask("WHERE e.job = 'utility' AND e.what = 'seen' AND e.meter = ? ORDER BY e.id DESC", meter)
        return [bytes.fromhex(entry.data["answer"]) for entry in found if "answer" in entry.data]

    def entries(self, meter: str | None = None, limit: int = 50) -> list[Entry]:
        """The newest entries, oldest of them first."""
        return self._ask("WHERE ?1 IS NULL OR e.meter = ?1 ORDER BY e.id DESC LIMIT ?2", meter, limit)[::-1]


class _Transaction:
    """All entries made inside, or none; inside another one it is part of that."""

    def __init__(self, db, run):
        self._db = db
        self._run = run

    def __enter__(self):
        self._outer = not self._db.in_transaction
        if self._outer:
            self._run("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        if not self._outer:
            return
        try:
            if kind is None:
                self._run("COMMIT")
        finally:
            if self._db.in_transaction:  # some errors have rolled back already
                self._run("ROLLBACK")


def _statements(script):
    """executescript() would commit on its own; so one by one. Triggers hold a semicolon inside."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
