# SPDX-License-Identifier: Apache-2.0
"""Which numbers have been given to which meters: the shop's kind of journal, in a file of its own beside the keys.

An intent is on disk before anything is written, its outcome when the meter (or its folder) holds all of it. A number
whose outcome is known is given to no other meter. What was begun and has no outcome may be begun again: the computer
or the board went away in between, and the same documents come out.
Append-only, full syncs: scripts/supplier/journal.py, whose errors pass through. Nothing secret is in it.
"""

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.supplier.journal import DONE, VOID, Entry, Journal

from .errors import RefusedError

JOB = "provision"
NAME = "provision-journal.sqlite"


class Numbers:
    """uid: the chip's own number, or nothing for a folder."""

    def __init__(self, path: Path):
        self._book = Journal(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._book.close()

    def given(self, number: str) -> Entry | None:
        """How the number was given last."""
        done = [e for e in self._book.entries(number, -1) if e.job == JOB and e.what == DONE]
        return done[-1] if done else None

    def refuse_given(self, number: str, uid: bytes, again: bool) -> None:
        """RefusedError when another meter has the number."""
        last = self.given(number)
        if last and not again and (last.uid != uid.hex() or not uid):
            raise RefusedError(
                f"The number {number} was given on {_day(last.utc_s)} to {whose(last.uid)}."
                " Take another number; if this is to be the same meter, say --again."
            )

    @contextmanager
    def giving(self, number: str, uid: bytes, data: dict, again: bool = False) -> Iterator[Callable[[], None]]:
        """Around the writing. What it gives is to be called when all is written: from then on the number is taken.
        RefusedError there, if somebody else was faster."""
        with self._book.together():
            self.refuse_given(number, uid, again)
            intent = self._book.intend(JOB, uid, number, data=data)
        settled = False

        def done():
            nonlocal settled
            with self._book.together():
                self.refuse_given(number, uid, again)
                self._book.settle(intent, DONE)
            settled = True

        try:
            yield done
        except Exception:
            if not settled:
                self._book.settle(intent, VOID, "not finished")
            raise


def whose(uid: str) -> str:
    return f"the board {uid}" if uid else "a folder of documents"


def _day(utc_s):
    return (datetime.datetime(2000, 1, 1) + datetime.timedelta(seconds=utc_s)).date().isoformat()
