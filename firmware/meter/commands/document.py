# SPDX-License-Identifier: Apache-2.0
"""Settings or a tariff from the supplier's card (preset card), for this meter or any. Loaded with the card."""

from meter.cards import supplier
from meter.commands import change
from meter.core import codes
from meter.core.errors import ConfigError, StorageError
from meter.documents import files
from meter.drivers.hd44780.lcd import CARD


async def work(u) -> tuple:
    """(four rows, result)."""
    settings = u.kind == supplier.SETTINGS
    what, name = ("Settings", change.SETTINGS) if settings else ("Tariff", change.TARIFF)
    try:
        f = files.stage(u.desk.root, name)
        try:
            await u.document(f.write)
        finally:
            f.close()
        done = change.change(u.books, name, u.crc, codes.BY_CARD, u.desk.root)
    except ConfigError as e:
        return (CARD + " " + what + " refused", e.path[:20]) + _rows(e.args[1]), supplier.REFUSED
    except (OSError, StorageError):
        return (CARD + " " + what, "Memory fault:", "nothing was changed.", "Call your supplier"), supplier.FAILED
    if not done:
        return (CARD + " " + what, "Nothing to change:", "in force already.", ""), supplier.ALREADY
    if done == change.LATER_ON:
        return (CARD + " Tariff stored", u.books.later.name, "comes in force", "at its time."), supplier.DONE
    if not settings:
        return (CARD + " Tariff changed", u.books.tariff.name, "is in force.", ""), supplier.DONE
    if done == change.NOW:
        return (CARD + " Settings changed", "They are in force.", "", ""), supplier.DONE
    return (CARD + " Settings changed", "Some need a restart:", "switch off and on.", ""), supplier.WITH_START


def _rows(text):
    """The beginning of a sentence, in two rows, broken between words."""
    rows = ["", ""]
    i = 0
    for word in text.split(" "):
        if len(rows[i]) + len(word) + 1 > 20 and rows[i]:
            i += 1
            if i == 2:
                break
        rows[i] += (" " if rows[i] else "") + word
    return rows[0], rows[1]
